"""Rows written through ``save()`` of their models, one by one, for hosts that rely on it.

Slower by far than writing a batch at once, and the same for the rows: decided by match, inside
the batch's transaction, each in a savepoint of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, DataError, IntegrityError, models, transaction

from ..exceptions import RecordError
from ..models import SyncedModel
from .changes import Changes, Item
from .compare import child_rows
from .faults import named
from .table import Row, Table
from .target import ChildTarget, Target, defaults_of

#: What ``save()`` may answer with that speaks of one row only.
_REFUSALS = (ValidationError, IntegrityError, DataError, ValueError)
#: Set on a row while a sync saves it: our own listeners need not hear of it.
_MARK = "_ecommerce_sync_saves"
_MESSAGE = 300


def is_own_write(row: models.Model) -> bool:
    """Whether a signal about the row comes from a sync that saves it."""
    return hasattr(row, _MARK)


class RowSaver:
    """Saves the rows of one stream's batches."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.alias: str = target.connection.alias

    def save(self, changes: Changes, vacated: Collection[Any]) -> None:
        """Save what ``changes`` creates and updates; what is refused becomes a rejection there.

        ``vacated`` are primary keys of rows whose key was taken away for another row.
        """
        refused = []
        for item in (*changes.update, *changes.create):
            try:
                with transaction.atomic(using=self.alias):
                    pk = self._save(item)
            except _REFUSALS as error:
                if item.row and item.row[self.target.table.pk.attname] in vacated:
                    # It cannot have its key back beside the row that has it now: part them.
                    raise IntegrityError("A row that gave up its key was refused.") from error
                refused.append((item, _refusal(error), self._key(item)))
            else:
                item.row = {**(item.row or {}), self.target.table.pk.attname: pk}
        changes.refuse(refused)

    def _save(self, item: Item) -> Any:
        """Save a row with its child rows; returns its primary key."""
        if item.row is None:
            row = self.target.model(**self.target.scope, **item.values)
            self._write(row, force_insert=True)
        else:
            row = _loaded(self.target.table, item.row, self.alias)
            columns = self.target.table.fields
            changed = {name: item.values[name] for name in item.changed if name in columns}
            self._write(row, update_fields=[*_set(row, changed), *self._touch(row)])
        for name, child in self.target.children.items():
            if name in item.children:
                self._save_children(item, name, child, row.pk)
        return row.pk

    def _touch(self, row: Any) -> Iterator[str]:
        """The columns that change with every change."""
        fields = self.target.table.fields
        yield from [name for name, field in fields.items() if getattr(field, "auto_now", False)]
        if "version" in fields and not isinstance(row, SyncedModel):  # whose save() counts it
            row.version += 1
            yield "version"

    def _save_children(self, item: Item, name: str, child: ChildTarget, parent: Any) -> None:
        table = child.table(self.target.connection)
        pk = table.pk.attname
        stored = {row[pk]: row for row in item.children[name].stored}
        insert, rewrite, surplus = child_rows(
            item.children[name], child, parent, defaults_of(table)
        )
        for gone in surplus:
            row = _loaded(table, stored[gone], self.alias)
            with _marked(row):
                row.delete(using=self.alias)
        for values in rewrite:
            before = stored[values[pk]]
            changed = {name: value for name, value in values.items() if before[name] != value}
            row = _loaded(table, before, self.alias)
            self._write(row, update_fields=_set(row, changed))
        for values in insert:
            self._write(child.model(**values), force_insert=True)

    def _write(self, row: models.Model, **how: Any) -> None:
        with _marked(row):
            row.save(using=self.alias, **how)

    def _key(self, item: Item) -> Any:
        key = self.target.key
        return item.values.get(key, (item.row or {}).get(key))


@contextmanager
def _marked(row: models.Model) -> Iterator[None]:
    setattr(row, _MARK, True)
    try:
        yield
    finally:
        delattr(row, _MARK)


def _loaded(table: Table, row: Row, alias: str) -> models.Model:
    """A row that was read before, as an object that knows it is stored."""
    return table.model.from_db(alias, list(table.fields), [row[name] for name in table.fields])


def _set(row: models.Model, values: Mapping[str, Any]) -> Sequence[str]:
    for name, value in values.items():
        setattr(row, name, value)
    return list(values)


def _refusal(error: Exception) -> RecordError:
    """Why a row was not saved, without personal data that the reason may repeat."""
    if isinstance(error, DatabaseError):
        return RecordError("save_refused", f"The database refused the row ({named(error)}).")
    field, reasons = "", [str(error)]
    if isinstance(error, ValidationError):
        field, reasons = _field_at_fault(error), error.messages
    text = re.sub(r"\S+@\S+", "…", _joined(reasons))[:_MESSAGE]
    return RecordError("save_refused", f"Saving it was refused: {text}", field=field)


def _field_at_fault(error: ValidationError) -> str:
    names = [name for name in getattr(error, "error_dict", ()) if name != NON_FIELD_ERRORS]
    return names[0] if names else ""


def _joined(reasons: Iterable[str]) -> str:
    return " ".join(" ".join(reasons).split())
