"""Set-based reads and writes of one table: the only place where SQL is put together.

Model objects cost more than the database does, so rows are plain dicts by column attribute
here. On MySQL the values are put into the statement by the client library's own C function:
its driver's parameter handling costs more than the server's part of an INSERT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from django.db import DataError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict

from ..models import CodeField, CurrencyField, EmailKeyField, KeyField, MoneyField
from .faults import PACKET_TOO_LARGE

Row = dict[str, Any]

#: Between two values and between two rows, while they are one text.
_VALUE, _ROW = "\x1f", "\x1e"
#: Characters of values in one statement; well below the smallest packet a server allows.
_STATEMENT_SIZE = 500_000
#: A statement of so many characters fits into the smallest packet a server is set to.
_SMALL = 250_000
#: Fields whose values the drivers take as they are; exact classes, for a subclass may convert.
_PLAIN = frozenset(
    {
        models.CharField,
        models.TextField,
        models.IntegerField,
        models.BigIntegerField,
        models.PositiveIntegerField,
        models.DecimalField,
        CodeField,
        CurrencyField,
        EmailKeyField,
        KeyField,
        MoneyField,
    }
)
_NUMBERS = frozenset(
    {
        models.IntegerField,
        models.BigIntegerField,
        models.PositiveIntegerField,
        models.DecimalField,
        MoneyField,
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
        self._name = connection.ops.quote_name(model._meta.db_table)

    # -- reading -----------------------------------------------------------------------------

    def select(self, *, lock: bool = False, **filters: Any) -> Iterator[Row]:
        """The rows that match, by primary key, locked until the transaction ends if ``lock``."""
        rows = self.model._base_manager.using(self.connection.alias).filter(**filters)
        if lock:
            rows = rows.select_for_update()
        return iter(rows.order_by("pk").values(*self.fields))

    def find(
        self, names: Sequence[str], name: str, values: Sequence[Any], **fixed: Any
    ) -> list[tuple[Any, ...]]:
        """Columns ``names`` of the rows whose ``name`` is in ``values`` and that match ``fixed``.

        Columns come as the driver gives them: for texts and whole numbers only.
        """
        if not values:
            return []
        wanted = ", ".join(map(self._column, names))
        conditions = "".join(f"{self._column(key)} = %s AND " for key in fixed)
        listed, parameters = self._listed(values)
        sql = f"SELECT {wanted} FROM {self._name} WHERE {conditions}{self._column(name)} IN "  # noqa: S608
        with self.connection.cursor() as cursor:
            cursor.execute(sql + listed, [*fixed.values(), *parameters])
            return list(cursor.fetchall())

    # -- writing -----------------------------------------------------------------------------

    def insert(self, rows: Sequence[Mapping[str, Any]], constants: Mapping[str, Any]) -> None:
        """Insert new rows: each has the same columns, ``constants`` are those equal in all."""
        if rows:
            self._write(list(rows[0]), rows, constants)

    def insert_keyed(
        self,
        rows: Sequence[Mapping[str, Any]],
        constants: Mapping[str, Any],
        key: str,
        scope: Mapping[str, Any],
    ) -> dict[Any, Any]:
        """Insert new rows and learn their primary keys: {value of the column ``key``: pk}.

        MariaDB tells them with the INSERT; others are asked, within the columns of ``scope``.
        """
        wanted = (key, self.pk.attname)
        if self.connection.vendor == "mysql" and self._returns_rows():
            returning = f" RETURNING {', '.join(map(self._column, wanted))}"
            found = self._write(list(rows[0]), rows, constants, returning)
        else:
            self.insert(rows, constants)
            found = self.find(wanted, key, [row[key] for row in rows], **scope)
        return {value: self.pk.to_python(pk) for value, pk in found}

    def _returns_rows(self) -> bool:
        return bool(self.connection.features.can_return_rows_from_bulk_insert)

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
        self._write(list(self.fields), rows, {}, suffix)

    def set_all(self, name: str, value: Any, keys: Sequence[int]) -> None:
        """Give the rows with these primary keys one and the same value."""
        if keys:
            listed, parameters = self._listed(keys)
            condition = f"WHERE {self._column(self.pk.attname)} IN {listed}"
            sql = f"UPDATE {self._name} SET {self._column(name)} = %s {condition}"  # noqa: S608
            with self.connection.cursor() as cursor:
                cursor.execute(sql, [value, *parameters])

    def delete(self, keys: Sequence[Any]) -> None:
        """Delete rows by primary key."""
        if keys:
            manager = self.model._base_manager.using(self.connection.alias)
            manager.filter(pk__in=keys)._raw_delete(self.connection.alias)

    # -- statements --------------------------------------------------------------------------

    def _write(
        self,
        names: list[str],
        rows: Sequence[Mapping[str, Any]],
        constants: Mapping[str, Any],
        suffix: str = "",
    ) -> list[tuple[Any, ...]]:
        """Insert rows in as few statements as may be; what the statements returned, if anything."""
        columns = ", ".join(map(self._column, [*names, *constants]))
        head = f"INSERT INTO {self._name} ({columns}) VALUES "  # noqa: S608
        fixed = [self._adapted(name, value) for name, value in constants.items()]
        values = self._parameters(names, rows)
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "mysql":
                found: list[tuple[Any, ...]] = []
                for written in self._written(values, fixed):
                    sql = f"{head}{written} {suffix}"
                    self._check_size(sql)
                    cursor.execute(sql, None)
                    found += cursor.fetchall() if cursor.description else ()
                return found
            one = f"({', '.join(['%s'] * (len(names) + len(fixed)))})"
            cursor.executemany(f"{head}{one} {suffix}", [row + fixed for row in values])
            return []

    def _check_size(self, sql: str) -> None:
        """Refuse a statement the server would not take; it may just hang up on one."""
        if len(sql) > _SMALL:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet")
                (limit,) = cursor.fetchone()
            if len(sql.encode()) >= limit:
                raise DataError(PACKET_TOO_LARGE, "The rows are larger than max_allowed_packet.")

    def _parameters(
        self, names: Sequence[str], rows: Iterable[Mapping[str, Any]]
    ) -> Iterator[list[Any]]:
        """Each row's values in the order of ``names``, as the driver wants them."""
        writers = [self._writer(self.fields[name]) for name in names]
        adapted = [(index, write) for index, write in enumerate(writers) if write is not None]
        for row in rows:
            values = [row[name] for name in names]
            for index, write in adapted:
                values[index] = write(values[index])
            yield values

    def _written(self, rows: Iterable[list[Any]], fixed: list[Any]) -> Iterator[str]:
        """VALUES lists of bounded size for MySQL, with ``fixed`` at the end of each row.

        One call escapes thousands of texts put together with characters that cleaned text
        cannot have, at which they are put apart again.
        """
        literal = self._literal()
        tail = "".join(f",{literal(value)}" for value in fixed) + ")"
        escape = self.connection.connection.escape_string
        for chunk in _chunks(rows):
            text = _joined(chunk)
            if text is not None:
                text = escape(text.encode()).decode().replace(_VALUE, "','")
                yield "('" + text.replace(_ROW, f"'{tail},('") + "'" + tail
            else:
                yield ",".join(f"({','.join(map(literal, row))}{tail}" for row in chunk)

    def _literal(self) -> Callable[[Any], str]:
        """A function that writes a value as MySQL wants it in a statement."""
        self.connection.ensure_connection()
        driver: Any = self.connection.connection

        def literal(value: Any) -> str:
            if type(value) is int or type(value) is Decimal:
                return str(value)
            text = driver.literal(value)
            return text.decode() if isinstance(text, bytes) else text

        return literal

    def _listed(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """Values as the list of an IN: written out on MySQL, as parameters elsewhere."""
        if self.connection.vendor == "mysql":
            written = ",".join(self._written([[value] for value in values], []))
            return f"({written})".replace("%", "%%"), []
        return f"({','.join(['%s'] * len(values))})", list(values)

    def _column(self, name: str) -> str:
        return self.connection.ops.quote_name(self.fields[name].column)

    def _adapted(self, name: str, value: Any) -> Any:
        adapt = self._adapter(self.fields[name])
        return value if adapt is None else adapt(value)

    def _writer(self, field: Any) -> Callable[[Any], Any] | None:
        """As ``_adapter``; MySQL reads numbers and JSON just as well from texts made faster."""
        if self.connection.vendor == "mysql":
            if type(field) in _NUMBERS:
                return _number_text
            if type(field) is models.JSONField and field.encoder is None:
                return _json_text
        return self._adapter(field)

    def _adapter(self, field: Any) -> Callable[[Any], Any] | None:
        """How a value becomes a parameter; None where it is one already."""
        if type(field) in _PLAIN:
            return None
        return partial(field.get_db_prep_save, connection=self.connection)


def _chunks(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    """The rows in groups whose text makes statements of bounded size."""
    chunk: list[list[Any]] = []
    size = 0
    for row in rows:
        length = sum([len(value) for value in row if type(value) is str])
        if chunk and size + length > _STATEMENT_SIZE:
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


def _joined(rows: list[list[Any]]) -> str | None:
    """All values as one text, or None where they are not all texts that can be told apart."""
    try:
        text = _ROW.join([_VALUE.join(row) for row in rows])
    except TypeError:
        return None
    breaks = len(rows) - 1, len(rows) * (len(rows[0]) - 1)
    return text if (text.count(_ROW), text.count(_VALUE)) == breaks else None


def _number_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _json_text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
