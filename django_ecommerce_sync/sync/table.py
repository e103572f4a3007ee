"""Set-based reads and writes of one table: the only place where SQL is put together.

Model objects cost more than the database does; rows are plain dicts by column attribute here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict

from ..models import CodeField, CurrencyField, EmailKeyField, KeyField

Row = dict[str, Any]

#: Characters of text in one statement; well below the smallest packet a server allows.
_STATEMENT_SIZE = 500_000
#: Fields whose values the drivers take as they are; exact classes, for a subclass may convert.
_PLAIN = frozenset(
    {
        models.CharField,
        models.TextField,
        models.IntegerField,
        models.BigIntegerField,
        models.PositiveIntegerField,
        KeyField,
        EmailKeyField,
        CodeField,
        CurrencyField,
    }
)


class Table:
    """A model's table on one connection."""

    def __init__(self, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.model = model
        self.connection = connection
        self.pk = model._meta.pk
        self.fields: dict[str, Any] = {
            field.attname: field for field in model._meta.concrete_fields
        }

    def select(self, *, lock: bool = False, **filters: Any) -> Iterator[Row]:
        """The rows that match, by primary key, locked until the transaction ends if ``lock``."""
        rows = self.model._base_manager.using(self.connection.alias).filter(**filters)
        if lock:
            rows = rows.select_for_update()
        return iter(rows.order_by("pk").values(*self.fields))

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert new rows; every row has the same columns, without the primary key."""
        if rows:
            self._write(list(rows[0]), rows, suffix="")

    def insert_one(self, row: Mapping[str, Any]) -> Any:
        """Insert a row that has no key to find it by again; returns its primary key."""
        created = self.model(**row)
        created.save_base(raw=True, force_insert=True, using=self.connection.alias)
        return created.pk

    def update(self, rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> None:
        """Write the columns ``names`` of rows that exist; each row is complete.

        An upsert aimed at the primary key of a row that was just read and locked can only
        update that row, and is many times faster than one UPDATE for each.
        """
        if not rows:
            return
        suffix = self.connection.ops.on_conflict_suffix_sql(
            list(self.fields.values()),
            OnConflict.UPDATE,
            [self.fields[name].column for name in names],
            [self.pk.column],
        )
        self._write(list(self.fields), rows, suffix=suffix)

    def delete(self, keys: Sequence[Any]) -> None:
        """Delete rows by primary key."""
        if keys:
            manager = self.model._base_manager.using(self.connection.alias)
            manager.filter(pk__in=keys)._raw_delete(self.connection.alias)

    def _write(self, names: list[str], rows: Sequence[Mapping[str, Any]], *, suffix: str) -> None:
        quote = self.connection.ops.quote_name
        columns = ", ".join(quote(self.fields[name].column) for name in names)
        head = f"INSERT INTO {quote(self.model._meta.db_table)} ({columns}) VALUES "  # noqa: S608
        one = f"({', '.join(['%s'] * len(names))})"
        adapters = [self._adapter(self.fields[name]) for name in names]
        values = [
            [
                row[name] if adapt is None else adapt(row[name])
                for name, adapt in zip(names, adapters, strict=True)
            ]
            for row in rows
        ]
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "sqlite":  # it has a limit on parameters, not on rows
                cursor.executemany(f"{head}{one} {suffix}", values)
                return
            for chunk in _chunks(values):
                sql = f"{head}{', '.join([one] * len(chunk))} {suffix}"
                cursor.execute(sql, [value for row in chunk for value in row])

    def _adapter(self, field: Any) -> Callable[[Any], Any] | None:
        """How a value becomes a parameter; None where it is one already."""
        if type(field) in _PLAIN:
            return None
        return partial(field.get_db_prep_save, connection=self.connection)


def _chunks(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """The rows in statements of bounded size."""
    chunk: list[list[Any]] = []
    size = 0
    for row in rows:
        size += sum(len(value) for value in row if isinstance(value, str)) + 20 * len(row)
        if chunk and size > _STATEMENT_SIZE:
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
    if chunk:
        yield chunk
