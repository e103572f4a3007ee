"""What changed in synced rows, and on whose word: written with every change, read per row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..conf import settings
from ..models import ChangeAction, Merge, SyncChange, SyncedModel, SyncLink
from .changes import Item, Load
from .ownership import streams_of
from .table import Row, Table
from .target import Target

#: Characters of a text that are kept of its old and its new value.
_LONGEST = 1000
#: Rows whose old entries are looked at together.
_ROWS = 500
_AS_TEXT = (Decimal, datetime, date, time, UUID)


class History:
    """Writes down what a stream's batches change, in their transaction."""

    user_id: Any = None

    def __init__(self, target: Target, *, feed: str, stream: str, run: int | None) -> None:
        self.target = target
        self.place = {"model": target.label, "feed": feed, "stream": stream, "run": run}
        self.names = {field.attname: field.name for field in target.model._meta.concrete_fields}
        self.personal = personal_fields(target.model)
        self.table = Table(SyncChange, target.connection)

    def write(self, create: Sequence[Item], update: Sequence[Item]) -> None:
        """One entry for each row that was created or updated."""
        self._insert(ChangeAction.CREATED, [(i, self._supplied(i)) for i in create])
        self._insert(ChangeAction.UPDATED, [(i, self._changed(i)) for i in update])

    def write_loaded(self, load: Load, pks: Sequence[Any]) -> None:
        """One entry for each row of a load."""
        fields: dict[str, Row] = {}
        for *_, lacks in load.records:
            if lacks not in fields:
                without = {*lacks.split()} - {"currency"}  # which no row goes without
                names = [name for name in load.names if name not in without]
                fields[lacks] = dict.fromkeys(map(self._name, names))
        found = [(pk, fields[record[3]]) for pk, record in zip(pks, load.records, strict=True)]
        self._write(ChangeAction.CREATED, found)

    def write_archived(self, pks: Collection[Any]) -> None:
        """One entry for each row that was archived."""
        self._write(ChangeAction.ARCHIVED, [(pk, {"archived_at": None}) for pk in pks])

    def _insert(self, action: str, found: Sequence[tuple[Item, Row]]) -> None:
        pk = self.target.table.pk.attname
        self._write(action, [((item.row or {})[pk], fields) for item, fields in found])

    def _write(self, action: str, found: Sequence[tuple[Any, Row]]) -> None:
        rows = [{"object_id": str(pk), "fields": fields} for pk, fields in found]
        said = {"action": str(action), "user_id": self.user_id, "at": timezone.now()}
        self.table.insert_rows(rows, {**self.place, **said})

    def _supplied(self, item: Item) -> Row:
        return dict.fromkeys(self._name(column) for column in (*item.values, *item.children))

    def _changed(self, item: Item) -> Row:
        stored = item.row or {}
        return {
            self._name(column): None
            if column in item.children or self._name(column) in self.personal
            else [_plain(stored[column]), _plain(item.values[column])]
            for column in item.changed
        }

    def _name(self, column: str) -> str:
        return self.names.get(column, column)


class Edits(History):
    """Writes down what a person sends many rows of at once."""

    def __init__(self, target: Target, user: Any) -> None:
        super().__init__(target, feed="", stream="", run=None)
        self.user_id = getattr(user, "pk", None)

    def write(self, create: Sequence[Item], update: Sequence[Item]) -> None:
        """One entry for each row, as for one the person edits alone."""
        self._insert(ChangeAction.EDITED, [(i, self._supplied(i)) for i in create])
        self._insert(ChangeAction.EDITED, [(i, self._changed(i)) for i in update])


def history(target: Target, **place: Any) -> History | None:
    """Where changes are written down, if the settings wish so; ``place`` as for ``History``."""
    return History(target, **place) if settings.CHANGE_LOG else None


def record_edit(row: models.Model, before: Mapping[str, Any], user: Any) -> None:
    """Write down what a person changed: ``before`` are the old values by field name.

    A row the person created has no old values: then all of ``before`` are None.
    """
    if not (settings.CHANGE_LOG and before):
        return
    unsaid = personal_fields(type(row)) | {*getattr(row, "sync_children", ())}
    SyncChange.objects.create(
        model=row._meta.label_lower,
        object_id=str(row.pk),
        action=ChangeAction.EDITED,
        fields={
            name: None if name in unsaid else [_plain(old), _plain(_value(row, name))]
            for name, old in before.items()
            if name != "pinned"
        },
        user=user if getattr(user, "pk", None) else None,
    )


@contextmanager
def edits(row: SyncedModel, user: Any, children: Iterable[str] = ()) -> Iterator[None]:
    """Write down what a person changes in ``row`` inside; ``children`` are child rows sent."""
    if not settings.CHANGE_LOG:
        yield
        return
    before, version = _editable_values(row), row.version
    yield
    after = _editable_values(row)
    changed = {name: old for name, old in before.items() if after[name] != old}
    if row.version != version:
        changed |= dict.fromkeys(children)
    record_edit(row, changed, user)


def _editable_values(row: models.Model) -> dict[str, Any]:
    fields = row._meta.concrete_fields
    return {field.name: getattr(row, field.attname) for field in fields if field.editable}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field's present value comes from.

    By a feed's record in a run, by a person, or out of a merge; what is not known is None or
    blank. ``action`` is ``linked`` where nothing was written down of the value, but one feed's
    record is the only one that can have brought it.
    """

    at: datetime | None
    action: str
    feed: str = ""
    stream: str = ""
    run: int | None = None
    user: Any = None
    merge: int | None = None


def provenance(row: models.Model) -> dict[str, Origin]:
    """Where each field of a row has its present value from, as far as it was written down."""
    said = dict(_links(row))
    for names, origin in sorted(chain(_changes(row), _merges(row)), key=_moment):
        said.update(dict.fromkeys(names, origin))
    return said


def forget(before: datetime) -> int:
    """Delete what was written down earlier; returns how many entries went.

    An entry that still tells where a present value comes from stays, without the values; the
    entries of rows that are gone do not.
    """
    gone = 0
    last = ("", "")
    while rows := _old_rows(before, after=last):
        last = rows[-1]
        ids = {object_id for object_id, _ in rows}
        entries = SyncChange.objects.filter(object_id__in=sorted(ids)).order_by("pk")
        gone += _forget_entries(list(entries), before)
    return gone


def _old_rows(before: datetime, *, after: tuple[str, str]) -> list[tuple[str, str]]:
    """The next rows that have old entries: pairs of primary key and model."""
    beyond = Q(object_id__gt=after[0]) | Q(object_id=after[0], model__gt=after[1])
    old = SyncChange.objects.filter(beyond, at__lt=before).order_by("object_id", "model")
    return list(old.values_list("object_id", "model").distinct()[:_ROWS])


def _forget_entries(entries: Sequence[SyncChange], before: datetime) -> int:
    """Of all entries of some rows, in their order, drop what is old and was overtaken."""
    latest: dict[tuple[str, str, str], int] = {}
    there = _still_there(entries)
    for one in entries:
        if (one.model, one.object_id) in there:
            latest.update({(one.model, one.object_id, name): one.pk for name in one.fields})
    current: dict[int, list[str]] = defaultdict(list)
    for (_, _, name), pk in latest.items():
        current[pk].append(name)
    old = [one for one in entries if one.at < before]
    for one in old:
        kept: Row = dict.fromkeys(current.get(one.pk, ()))
        if kept and kept != one.fields:
            SyncChange.objects.filter(pk=one.pk).update(fields=kept)
    gone = SyncChange.objects.filter(pk__in=[one.pk for one in old if one.pk not in current])
    return gone.delete()[0]


def _still_there(entries: Iterable[SyncChange]) -> set[tuple[str, str]]:
    """Of the rows the entries are about, those that exist or may return: model and primary key."""
    by_model: dict[str, set[str]] = defaultdict(set)
    for one in entries:
        by_model[one.model].add(one.object_id)
    return {
        (label, str(pk)) for label, pks in by_model.items() for pk in _there_or_merged(label, pks)
    }


def _there_or_merged(label: str, pks: Collection[str]) -> Iterator[Any]:
    rows = apps.get_model(label)._base_manager.filter(pk__in=pks)
    yield from rows.values_list("pk", flat=True)
    numbers = [int(pk) for pk in pks if pk.isdecimal()]
    merges = Merge.objects.filter(model=label, other_id__in=numbers, undone_at=None)
    yield from merges.filter(expired_at=None).values_list("other_id", flat=True)


def personal_fields(model: type[models.Model]) -> frozenset[str]:
    """Fields whose values are kept nowhere but in the row."""
    return frozenset(getattr(model, "sync_personal", ()))


def _changes(row: models.Model) -> Iterator[tuple[Collection[str], Origin]]:
    changes = SyncChange.objects.filter(model=row._meta.label_lower, object_id=str(row.pk))
    for one in changes.select_related("user").order_by("pk"):
        yield (
            one.fields,
            Origin(one.at, one.action, one.feed, one.stream, one.run, one.user),
        )


def _merges(row: models.Model) -> Iterator[tuple[Collection[str], Origin]]:
    merges = Merge.objects.filter(
        model=row._meta.label_lower, survivor_id=row.pk, undone_at=None
    ).select_related("merged_by")
    names = {field.attname: field.name for field in row._meta.concrete_fields}
    # Merges into a row that was merged itself are listed here, but did not change this row.
    elsewhere = {pk for one in merges for pk in one.moved.get("merges", ())}
    for one in merges:
        if one.pk not in elsewhere:
            columns = [names.get(column, column) for column in one.changed_columns]
            yield columns, Origin(one.merged_at, "merged", user=one.merged_by, merge=one.pk)


def _links(row: models.Model) -> Iterator[tuple[str, Origin]]:
    """What the row's links tell: of rows with a single record, and the run if it never changed."""
    links = list(SyncLink.objects.filter(model=row._meta.label_lower, object_id=str(row.pk))[:2])
    if len(links) != 1:
        return
    link = links[0]
    run = link.first_run if link.last_changed_run == link.first_run else None
    origin = Origin(None, "linked", link.feed, link.stream, run)
    lacks = set(link.lacks.split())
    for stream in streams_of(link.feed):
        for name in stream.fields if stream.name == link.stream else ():
            if _column(row, name) not in lacks:
                yield name, origin


def _moment(entry: tuple[Collection[str], Origin]) -> Any:
    return entry[1].at


def _column(row: models.Model, name: str) -> str:
    return str(getattr(row._meta.get_field(name), "attname", name))


def _value(row: models.Model, name: str) -> Any:
    return getattr(row, _column(row, name))


def _plain(value: Any) -> Any:
    """A value as JSON has it; amounts and times as texts, long texts cut."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "…"
    return value if isinstance(value, bool | int | float | str | list | dict) else None
