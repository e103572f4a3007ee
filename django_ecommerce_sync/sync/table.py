"""Set-based reads and writes of one table: the only place where SQL is put together.

Model objects cost more than the database does, so rows are plain dicts by column attribute
here, or tuples where there are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict

from .infile import FileInsert
from .insert import Insert, written

Row = dict[str, Any]


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

    def select(self, name: str, values: Sequence[Any], *, lock: bool = False) -> list[Row]:
        """The rows whose ``name`` is in ``values``, by primary key, locked if ``lock``.

        A queryset would find the same, at several times the cost: values are converted column by
        column here, most of which need no conversion.
        """
        if not values:
            return []
        field = self.fields[name]
        wanted = [field.get_db_prep_value(value, self.connection) for value in values]
        listed, parameters = self._listed(wanted)
        order, end = self._column(self.pk.attname), ""
        if lock and self.connection.features.has_select_for_update:
            end = f" {self.connection.ops.for_update_sql()}"
        condition = f"WHERE {self._column(name)} IN {listed} ORDER BY {order}{end}"
        columns = ", ".join(map(self._column, self.fields))
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {self._name} {condition}", parameters)  # noqa: S608
            found = cursor.fetchall()
        if not found:
            return []
        converted = [
            column if convert is None else map(convert, column)
            for convert, column in zip(self._converters, zip(*found, strict=True), strict=True)
        ]
        names = list(self.fields)
        return [dict(zip(names, row, strict=True)) for row in zip(*converted, strict=True)]

    @cached_property
    def _converters(self) -> list[Callable[[Any], Any] | None]:
        """By column, what makes a model's value of the driver's; None where it is one."""
        return [self._converter(field) for field in self.fields.values()]

    def _converter(self, field: Any) -> Callable[[Any], Any] | None:
        column = field.get_col(self.model._meta.db_table)
        steps = self.connection.ops.get_db_converters(column)
        steps += column.get_db_converters(self.connection)
        if not steps:
            return None

        def convert(value: Any) -> Any:
            for step in steps:
                value = step(value, column, self.connection)
            return value

        return convert

    def find(
        self, names: Sequence[str], name: str, values: Sequence[Any], **fixed: Any
    ) -> list[tuple[Any, ...]]:
        """Columns ``names`` of the rows whose ``name`` is in ``values`` and that match ``fixed``.

        A None among ``fixed`` stands for columns that are NULL. Columns come as the driver
        gives them: for texts and whole numbers only.
        """
        if not values:
            return []
        listed, parameters = self._listed(values)
        condition = f"{self._column(name)} IN {listed}"
        return self._found(names, condition, parameters, fixed, by_pk=name == self.pk.attname)

    def between(
        self, names: Sequence[str], low: int, high: int, **fixed: Any
    ) -> list[tuple[Any, ...]]:
        """As ``find``, of the rows with primary keys from ``low`` to ``high``."""
        within = f"{self._column(self.pk.attname)} BETWEEN %s AND %s"
        return self._found(names, within, [low, high], fixed, by_pk=True)

    def _found(
        self,
        names: Sequence[str],
        condition: str,
        parameters: Sequence[Any],
        fixed: Mapping[str, Any],
        *,
        by_pk: bool,
    ) -> list[tuple[Any, ...]]:
        wanted = ", ".join(map(self._column, names))
        given = {key: value for key, value in fixed.items() if value is not None}
        conditions = "".join(
            f"{self._column(key)} {'= %s' if key in given else 'IS NULL'} AND " for key in fixed
        )
        # Told to, MySQL answers when it has all rows: work goes on until then, see ``meanwhile``.
        how = "SQL_BUFFER_RESULT " if self.connection.vendor == "mysql" else ""
        # Without statistics SQLite rather reads all of a feed in an index than a few by number.
        by = " NOT INDEXED" if by_pk and self.connection.vendor == "sqlite" else ""
        sql = f"SELECT {how}{wanted} FROM {self._name}{by} WHERE {conditions}{condition}"  # noqa: S608
        with self.connection.cursor() as cursor:
            cursor.execute(sql, [*given.values(), *parameters])
            return list(cursor.fetchall())

    # -- writing -----------------------------------------------------------------------------

    def insert(
        self,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
        constants: Mapping[str, Any],
    ) -> None:
        """Insert new rows, given by the values of ``names``; ``constants`` are equal in all."""
        self.insertion(names, constants).add(rows).execute()

    def insert_rows(self, rows: Sequence[Mapping[str, Any]], constants: Mapping[str, Any]) -> None:
        """Insert new rows that have the same columns; ``constants`` are equal in all."""
        if rows:
            names = list(rows[0])
            self.insert(names, [[row[name] for name in names] for row in rows], constants)

    def carry_out(
        self, insert: Insert, keys: Sequence[Any], key: str, scope: Mapping[str, Any]
    ) -> dict[Any, Any]:
        """Insert rows whose column ``key`` holds ``keys``; their primary keys by those.

        MariaDB tells them with the INSERT, MySQL where they begin; others are asked, within the
        columns of ``scope``.
        """
        names = (key, self.pk.attname)
        found = dict(insert.execute())
        if insert.first_pk and not found:  # unless others insert, too, the rows stand in a row
            last = insert.first_pk + len(keys) - 1
            found = dict(self.between(names, insert.first_pk, last, **scope))
        missing = [value for value in keys if value not in found]
        found.update(self.find(names, key, missing, **scope))
        return {value: self.pk.to_python(found[value]) for value in keys if value in found}

    def insertion(
        self,
        names: Sequence[str],
        constants: Mapping[str, Any],
        *,
        key: str = "",
        as_file: bool = False,
    ) -> Insert:
        """An INSERT of rows that are still to come, given by the values of ``names``.

        ``constants`` are equal in all rows. With ``key`` the rows' keys and primary keys are told
        by the databases that can. ``as_file`` sends the rows as a file.
        """
        if as_file:
            return FileInsert(self.connection, self.model, names, constants)
        returning = ""
        if key and self.connection.vendor == "mysql" and self._returns_rows():
            returning = f"RETURNING {self._column(key)}, {self._column(self.pk.attname)}"
        return Insert(self.connection, self.model, names, constants, returning)

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
        values = list(map(itemgetter(*self.fields), rows))
        self._upsert(list(self.fields), values, {}, [self.pk.attname], names)

    def upsert(
        self,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
        constants: Mapping[str, Any],
        *,
        unique: Sequence[str],
    ) -> None:
        """Insert rows, given by the values of ``names``, or where there are such, update those.

        ``unique`` is the only unique key of the table: MySQL updates on any.
        """
        written = [name for name in names if name not in unique]
        self._upsert(names, rows, constants, unique, written)

    def _upsert(
        self,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
        constants: Mapping[str, Any],
        unique: Sequence[str],
        written: Iterable[str],
    ) -> None:
        suffix = self.connection.ops.on_conflict_suffix_sql(
            list(self.fields.values()),
            OnConflict.UPDATE,
            [self.fields[name].column for name in written],
            [self.fields[name].column for name in unique],
        )
        Insert(self.connection, self.model, names, constants, suffix).add(rows).execute()

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

    def _listed(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """Values as the list of an IN: written out on MySQL, as parameters elsewhere."""
        if self.connection.vendor == "mysql":
            return f"({written(self.connection, values)})".replace("%", "%%"), []
        return f"({','.join(['%s'] * len(values))})", list(values)

    def _column(self, name: str) -> str:
        return self.connection.ops.quote_name(self.fields[name].column)
