"""What becomes of a feed's records on their way to the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from django.db import models

from ...exceptions import ConfigurationError, RecordError
from ...feeds import MISSING, BadRow, Payload, Stream
from ...feeds.mapping import paths
from ...sync.preview import Preview
from ...sync.target import Target
from ..reading import Reading
from ..rehearsal import Rehearsal
from .base import Declaration, fail, some


class MappingChecks(Declaration):
    """Each record becomes clean values, and the same ones each time."""

    @pytest.fixture
    def preview(self, source: Rehearsal, stream: Stream) -> Preview:
        """What the stream's records would become; skips where they do not fit their model."""
        try:
            return Preview(stream, source.name)
        except ConfigurationError as error:
            pytest.skip(f"The stream does not fit its model: {error}")

    @pytest.fixture
    def mapped(self, preview: Preview, payloads: list[Payload]) -> list[Payload]:
        """The records that can be mapped."""
        found = zip(payloads, complaints(preview, payloads), strict=True)
        return [payload for payload, complaint in found if complaint is None]

    def test_every_record_maps(self, stream: Stream, preview: Preview, reading: Reading) -> None:
        """Every field of every record suits its column."""
        found = [
            f"record {number}, {described(stream, error)}"
            for number, error in enumerate(complaints(preview, reading.rows), 1)
            if error is not None
        ]
        if found:
            fail(
                f"{len(found)} of {len(reading.rows)} records of stream '{stream.name}' would be "
                f"rejected:\n{some(found)}\nMend the stream's fields; if the source really is "
                "like that, leave the record out of the samples."
            )

    def test_keys_are_unique_and_not_blank(
        self, stream: Stream, preview: Preview, mapped: list[Payload]
    ) -> None:
        """The key that finds a row is in every record, and in no two."""
        target = preview.target
        if target.key not in stream.sources:
            pytest.skip(f"The stream does not map its key '{target.key}'; ids identify it.")
        keys = [preview.key(row) for row in mapped]
        field: Any = target.model._meta.get_field(target.key)
        if "" in keys and not field.null:
            fail(
                f"Record {keys.index('') + 1} of stream '{stream.name}' has no "
                f"'{target.key}', which finds its row: map a value every record has."
            )
        refuse_twins(stream, target.key, [key for key in keys if key])

    def test_ids_are_unique_and_stable(
        self, source: Rehearsal, stream: Stream, preview: Preview, mapped: list[Payload]
    ) -> None:
        """The source's own id is in every record, in no two, and the same every time."""
        if stream.external_id is None:
            pytest.skip("The stream has no external_id; its key identifies a record.")
        ids = [preview.target.identify(row) for row in mapped]
        refuse_twins(stream, "external_id", ids)
        later = Preview(source.feed().stream(stream.name), source.name)
        if [later.target.identify(row) for row in mapped] != ids:
            fail(
                f"The external_id of stream '{stream.name}' is another one the second time: "
                "every run would take old records for new ones. Take it from the record."
            )

    def test_amounts_are_exact(
        self, stream: Stream, preview: Preview, mapped: list[Payload]
    ) -> None:
        """No amount is a float, and none loses decimals on the way to its column."""
        found = []
        for number, row in enumerate(mapped, 1):
            values = stream.map(row)
            clean = preview.values(row)
            for place, value, stored in amounts(preview.target, values, clean):
                if isinstance(value, float):
                    reason = "is a float, which holds no decimal exactly"
                elif not is_same(value, stored, stream.decimal):
                    reason = f"would be stored as {stored}"
                else:
                    continue
                found.append(f"record {number}, {place}: {value} {reason}")
        if found:
            fail(
                f"Amounts of stream '{stream.name}' are not exact:\n{some(found)}\nGive text or "
                "Decimal, or round on purpose with Number(..., places=2)."
            )

    def test_mapping_gives_the_same_every_time(self, stream: Stream, mapped: list[Payload]) -> None:
        """Mapping a record twice gives equal values."""
        for number, row in enumerate(mapped, 1):
            first, second = stream.map(row), stream.map(row)
            for field in first:
                if repr(first[field]) != repr(second.get(field, MISSING)):
                    fail(
                        f"Field '{field}' of record {number} of stream '{stream.name}' maps to "
                        f"another value the second time: every run would find it changed. Make "
                        "it of the record alone: no clock, no chance, no counter."
                    )

    def test_mapping_leaves_the_record_alone(self, stream: Stream, payloads: list[Payload]) -> None:
        """Mapping changes nothing in the payload."""
        for number, row in enumerate(payloads, 1):
            before = deepcopy(row)
            with suppress(RecordError):
                stream.map(row)
            if row != before:
                fail(
                    f"Mapping record {number} of stream '{stream.name}' changes the record "
                    "itself. Use get and a copy; pop, sort and update change what others read."
                )

    def test_order_does_not_matter(self, stream: Stream, mapped: list[Payload]) -> None:
        """Records that come in another order map to the same values."""
        forwards = [repr(stream.map(row)) for row in mapped]
        backwards = [repr(stream.map(row)) for row in reversed(mapped)][::-1]
        for number, pair in enumerate(zip(forwards, backwards, strict=True), 1):
            if pair[0] != pair[1]:
                fail(
                    f"Record {number} of stream '{stream.name}' maps to other values when the "
                    "records come in another order. Make each of its own record alone."
                )


def complaints(preview: Preview, rows: Sequence[Payload | BadRow]) -> Iterator[RecordError | None]:
    """For each row why it would be rejected whatever is in the database, or None."""
    for row in rows:
        try:
            preview.values(row)
        except RecordError as error:
            yield error
        else:
            yield None


def described(stream: Stream, error: RecordError) -> str:
    """A rejection with the field, where its value is looked for, and the value."""
    source = stream.sources.get(error.field.partition("[")[0])
    found = " or ".join(f"'{path}'" for path in paths(getattr(source, "source", source)))
    origin = f" ← {found}" if found else ""
    value = f" = {error.value!r:.80}" if error.value is not None else ""
    return f"{error.field or 'the whole row'}{origin}{value}: {error.code}: {error.message}"


def refuse_twins(stream: Stream, name: str, values: Sequence[str]) -> None:
    """Fail where two records have one identity."""
    twins = [value for value in values if values.count(value) > 1]
    if twins:
        fail(
            f"Two records of stream '{stream.name}' have the {name} '{twins[0]}': the later would "
            f"overwrite the earlier. Choose a value that no two records share."
        )


def amounts(
    target: Target, values: Mapping[str, Any], clean: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Each amount of a record and its child rows: its place, as mapped, and as stored."""
    yield from _decimals(target.model, values, clean, "")
    for name, child in target.children.items():
        for number, (line, stored) in enumerate(
            zip(values.get(name) or (), clean.get(name) or (), strict=True)
        ):
            yield from _decimals(child.model, line, stored, f"{name}[{number}].")


def _decimals(
    model: type[models.Model], values: Mapping[str, Any], clean: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Any, Any]]:
    for name, stored in clean.items():
        field = model._meta.get_field(name)
        if isinstance(field, models.DecimalField) and isinstance(stored, Decimal):
            yield prefix + name, values[name], stored


def is_same(value: Any, stored: Decimal, mark: str) -> bool:
    """Whether an amount was stored as it was written."""
    text = str(value).strip()
    try:
        return Decimal(text.replace(mark, ".")) == stored
    except InvalidOperation:
        return True  # another notation, which the cleaning has understood
