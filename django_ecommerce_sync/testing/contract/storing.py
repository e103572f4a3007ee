"""What a sync of the feed leaves in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models

from ...exceptions import ConfigurationError
from ...models import SyncIssue, SyncLink, SyncRun
from ...sync.preview import Preview
from ...sync.target import Target
from ..rehearsal import Rehearsal, with_canary, with_rows
from .base import FIRST_CHECK, SECRET, Declaration, fail, some
from .mapping import complaints

#: A value in every record that no mapping names.
CANARY = "canary-of-a-customer"


class StoringChecks(Declaration):
    """A whole sync into the test database; needs pytest-django's ``db``."""

    @pytest.fixture
    def names(self, source: Rehearsal) -> list[str]:
        """The streams that have records to sync."""
        names = self._sampled(source)
        for name in names:
            stream = source.feed().stream(name)
            reading = source.read(stream)
            if reading.error is not None or not reading.rows:
                pytest.skip(f"A healthy source cannot be read; see {FIRST_CHECK}.")
            try:
                preview = Preview(stream, source.name)
            except ConfigurationError as error:
                pytest.skip(f"Stream '{name}' does not fit its model: {error}")
            if any(complaints(preview, reading.rows)):
                pytest.skip("Records are rejected; see test_every_record_maps.")
        return names

    def test_a_sync_creates_every_record_once(
        self, source: Rehearsal, names: list[str], db: None
    ) -> None:
        """The first sync creates every record, the second changes nothing."""
        first = synced(source.sync(names))
        created = sum(counts["created"] for counts in first.counts.values())
        expected = len(identities(source, names))
        if created != expected:
            fail(
                f"The samples are {expected} records, but a sync into an empty database creates "
                f"{created}: are there two ids for one row?"
            )
        second = synced(source.sync(names, full=True))
        for name in names:
            counts = second.counts[name]
            if counts["created"] or counts["updated"]:
                fail(
                    f"A second sync of '{name}' creates {counts['created']} and updates "
                    f"{counts['updated']} records, though nothing has changed: something in the "
                    "mapping differs from run to run, or does not survive its column."
                )

    def test_nothing_unlisted_is_stored(
        self, source: Rehearsal, names: list[str], db: None
    ) -> None:
        """A value that the mapping does not name reaches no column."""
        source.sync(names, with_rows(source.backend, with_canary(CANARY)))
        for label, field, value in stored(targets(source, names)):
            if CANARY in value:
                fail(
                    f"{label}.{field} has a value that no mapping names: a whole object of the "
                    "payload is stored, with whatever a source may put into it. List what you "
                    "want with Attributes(name='path', ...)."
                )
            if SECRET in value:
                fail(f"{label}.{field} has the feed's secret in it.")


def synced(run: SyncRun) -> SyncRun:
    """The run, once it is sure that it came to its end and rejected nothing."""
    if run.error_code:
        fail(f"A sync fails: {run.error_code}: {run.error}")
    if rejects := list(rejected(run)):
        fail(
            f"A sync rejects {len(rejects)} records:\n{some(rejects)}\nA record that refers to "
            "another needs that one among the samples, too."
        )
    return run


def rejected(run: SyncRun) -> Iterator[str]:
    """Each row the run rejected, in a phrase."""
    for issue in run.issues.order_by("pk"):
        place = f"{issue.stream}, record {issue.position}, {issue.field or 'the whole row'}"
        yield f"{place}: {issue.code}: {issue.message}"


def identities(source: Rehearsal, names: list[str]) -> set[tuple[str, str]]:
    """The records of these streams: by model and key, or by stream and id without a key."""
    found = set()
    for name in names:
        stream = source.feed().stream(name)
        preview = Preview(stream, source.name)
        for row in source.read(stream).payloads:
            key = preview.key(row)
            found.add((preview.target.label, key) if key else (name, preview.target.identify(row)))
    return found


def targets(source: Rehearsal, names: list[str]) -> list[Target]:
    """Where the streams' records go."""
    feed = source.feed()
    return [Target(feed.stream(name), source.name) for name in names]


def stored(targets: list[Target]) -> Iterator[tuple[str, str, str]]:
    """Every value that a run has left behind: model, field and text."""
    kinds: list[Any] = [target.model for target in targets]
    kinds += [child.model for target in targets for child in target.children.values()]
    for model in dict.fromkeys([*kinds, SyncIssue, SyncLink, SyncRun]):
        yield from values(model)


def values(model: type[models.Model]) -> Iterator[tuple[str, str, str]]:
    """Every value of a model's rows, as text."""
    for row in model._base_manager.values():
        for field, value in row.items():
            yield model.__name__, field, str(value)
