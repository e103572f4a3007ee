"""Bulk requests too large to be answered at once: the rows are kept, and a run carries them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from .. import sync
from ..conf import settings
from ..exceptions import FeedError
from ..models import (
    BULK,
    BULK_FEED,
    Customer,
    Order,
    Product,
    SentRow,
    SentRowStatus,
    SyncIssue,
    SyncRun,
)
from ..sync.database import atomic
from .bulk import Results, carry_out, checked, count
from .parsers import Element, read_json
from .problems import FieldProblem
from .serializers import CustomerSerializer, ProductSerializer
from .serializers.bulk import BulkOrderSerializer

#: By stream: what checks a row, and the field that is its key.
_CHECKED_BY: Mapping[str, tuple[Any, Any]] = {
    "products": (ProductSerializer, Product._meta.get_field("sku")),
    "customers": (CustomerSerializer, Customer._meta.get_field("email")),
    "orders": (BulkOrderSerializer, Order._meta.get_field("order_id")),
}
#: Streams whose keys are personal data: kept only as long as the rows are.
_PERSONAL = frozenset({"customers"})
#: As it was sent: ``Decimal`` is a number again.
_JSON = msgspec.json.Encoder(decimal_format="number")
_CHUNK = 500


@atomic()
def queue(
    name: str, elements: Sequence[Element], *, by: Any, atomic: bool, dry_run: bool
) -> SyncRun:
    """A queued run that will create or change the rows, which are kept until then."""
    run = SyncRun.objects.create(
        feed=BULK_FEED,
        slot=None,  # any number of them may wait
        streams=[name],
        atomic=atomic,
        dry_run=dry_run,
        totals={name: len(elements)},
        trigger=BULK,
        requested_by=by,
    )
    _model, key = _CHECKED_BY[name]
    rows = (_row(run, index, element, key) for index, element in enumerate(elements))
    SentRow.objects.bulk_create(rows, batch_size=_CHUNK)
    sync.dispatch(run)
    return run


def _row(run: SyncRun, index: int, element: Element, key: Any) -> SentRow:
    row = SentRow(run=run, index=index)
    if element.problem is not None:  # it may be no JSON: what is wrong stands for it
        row.errors = [element.problem.as_dict()]
    else:
        row.payload = _JSON.encode(element.value).decode()
        row.key = _key(element.value, key)
    return row


def _key(value: Any, field: Any) -> str:
    text = value.get(field.name) if isinstance(value, dict) else None
    try:
        return str(field.normalize(str(text)))[: SentRow._meta.get_field("key").max_length]
    except ValidationError:
        return ""


def carry_out_part(run: SyncRun) -> bool:
    """Carry out the next rows of a run, or all of them where one wrong row stops them all."""
    waiting = run.sent_rows.filter(status=SentRowStatus.WAITING).order_by("index")
    rows = list(waiting if run.atomic else waiting[: settings.BATCH_SIZE])
    if rows:
        _note(run, rows, _results(run, rows))
    elif run.atomic and (wrong := run.sent_rows.filter(status=SentRowStatus.REJECTED).count()):
        raise FeedError("rows_rejected", f"{wrong} rows are wrong, so none was written.")
    return bool(rows)


def _results(run: SyncRun, rows: Sequence[SentRow]) -> Results:
    if not run.atomic:
        return _carry_out_but_superseded(run, rows)
    with atomic():
        done = Results([], {})
        for start in range(0, len(rows), settings.BATCH_SIZE):
            part = _carry_out_but_superseded(run, rows[start : start + settings.BATCH_SIZE])
            done = Results(done.rows + part.rows, {**part.warnings, **done.warnings})
        if done.errors:
            transaction.set_rollback(True)
    return _unwritten(done) if done.errors else done


def _unwritten(done: Results) -> Results:
    skipped = {"id": None, "status": SentRowStatus.SKIPPED.value}
    rows = [row if row["errors"] else {**row, **skipped} for row in done.rows]
    return Results(rows, done.warnings)


def _carry_out_but_superseded(run: SyncRun, rows: Sequence[SentRow]) -> Results:
    superseded = _superseded(run, rows)
    done = _carry_out(run, [row for row in rows if row.index not in superseded])
    return Results([*done.rows, *superseded.values()], done.warnings)


def _carry_out(run: SyncRun, rows: Iterable[SentRow]) -> Results:
    (name,) = run.streams
    elements = [(row.index, _element(row)) for row in rows]
    return carry_out(
        name,
        _serializer(run),
        elements,
        by=run.requested_by,
        atomic=False,  # of the part; the run's own is in the hands of whoever calls
        dry_run=run.dry_run,
    )


def _element(row: SentRow) -> Element:
    if row.payload is None:
        return Element(problem=FieldProblem(**row.errors[0]))
    return Element(read_json(row.payload.encode()))


def _superseded(run: SyncRun, rows: Sequence[SentRow]) -> dict[int, dict[str, Any]]:
    """By index, the right rows whose key a later part has in a right row: that one counts."""
    by_key: dict[str, list[SentRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    waiting = run.sent_rows.filter(status=SentRowStatus.WAITING, index__gt=rows[-1].index)
    later = _right(run, waiting.filter(key__in=by_key.keys() - {""}))
    mine = _right(run, [row for key in {row.key for row in later} for row in by_key[key]])
    duplicate: dict[str, Any] = {"id": None, "status": SentRowStatus.DUPLICATE.value, "errors": []}
    return {row.index: {"index": row.index, "key": row.key, **duplicate} for row in mine}


def _right(run: SyncRun, rows: Iterable[SentRow]) -> list[SentRow]:
    """Those of the rows that the serializer takes."""
    found = {row.index: row for row in rows}
    elements = [(index, _element(row)) for index, row in found.items()]
    right, _rejected = checked(_serializer(run), elements)
    return [found[index] for index, _value in right]


def _serializer(run: SyncRun) -> Any:
    (name,) = run.streams
    return _CHECKED_BY[name][0](partial=True)


def _note(run: SyncRun, rows: Sequence[SentRow], results: Results) -> None:
    """Write down what became of the rows, and forget what was sent."""
    (name,) = run.streams
    found = {result["index"]: result for result in results.rows}
    for row in rows:
        result = found[row.index]
        row.payload, row.status, row.object_id = None, result["status"], result["id"]
        row.key = "" if name in _PERSONAL else (result["key"] or "")[:191]
        row.errors = [error.as_dict() for error in result["errors"]]
    # Two statements a chunk; ``bulk_update`` would spell out each field of each row.
    SentRow.objects.filter(pk__in=[row.pk for row in rows]).delete()
    SentRow.objects.bulk_create(rows, batch_size=_CHUNK)
    _add_issues(run, name, [row for row in rows if row.errors])
    before = run.counts.get(name, {})
    counts = count(results.rows)
    run.counts = {name: {each: before.get(each, 0) + counts[each] for each in counts}}
    for code, (number, message) in results.warnings.items():
        sync.warn(run, name, code, message, count=number)


def _add_issues(run: SyncRun, name: str, rows: Iterable[SentRow]) -> None:
    """The same where people look for what a run rejected: the first thing wrong with each row."""
    SyncIssue.objects.bulk_create(
        (
            SyncIssue(
                run=run,
                feed=run.feed,
                stream=name,
                position=row.index,
                key=row.key,
                field=row.errors[0]["pointer"].partition("/")[2].partition("/")[2][:191],
                code=row.errors[0]["code"],
                message=row.errors[0]["detail"][:500],
            )
            for row in rows
        ),
        batch_size=_CHUNK,
    )
