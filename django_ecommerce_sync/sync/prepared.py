"""Queries that differ from request to request in a few values only: their SQL is made once.

Django builds a query object and its SQL anew for each request, which takes longer than the
database takes to answer it. Here the queryset is still what says what is asked; Django makes
its SQL, and reads its rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.models import QuerySet

#: Values no query has in it otherwise; the number is small enough for every integer column.
PLACEHOLDERS: dict[type, Any] = {
    int: 2_071_723_357,
    str: "\x00 somebody's key",
    datetime: datetime(1871, 12, 26, 7, 1, 53, 40_961, tzinfo=UTC),
}


class _Statement(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    placeholders: tuple[Any, ...]
    read: Callable[[Any], Sequence[tuple[Any, ...]]]


class PreparedQuery:
    """A queryset of tuples as a function of values.

    ``build`` makes it from ``placeholders``: values of the same types that occur nowhere else
    in it. Values take their places as the database is to see them, moments apart; they may
    also be the bounds of a slice.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *placeholders: Any) -> None:
        self.build = build
        self.placeholders = placeholders
        self._sample = build(*placeholders)
        self._statements: WeakKeyDictionary[Any, _Statement] = WeakKeyDictionary()

    def rows(self, *values: Any) -> Sequence[tuple[Any, ...]]:
        """The rows for these values, as iterating over the queryset would give them."""
        alias = self._sample.db
        connection = connections[alias]  # of this thread
        statement = self._statements.get(connection)
        if statement is None:
            statement = self._statements[connection] = self._statement(alias)
        adapted = (_adapted(each, connection) for each in values)
        given = dict(zip(statement.placeholders, adapted, strict=True))
        parameters = [given.get(each, each) for each in statement.parameters]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            return statement.read(cursor.fetchall())

    def _statement(self, alias: str) -> _Statement:
        compiler = self.build(*self.placeholders).query.get_compiler(using=alias)
        placeholders = tuple(_adapted(each, compiler.connection) for each in self.placeholders)
        sql, parameters = compiler.as_sql()
        sql, bounds = _without_bounds(sql, [p for p in placeholders if p not in parameters])
        converters = compiler.get_converters(column for column, *_rest in compiler.select)

        def read(found: Any) -> Sequence[tuple[Any, ...]]:
            if not converters:
                return found  # type: ignore[no-any-return]
            return [tuple(row) for row in compiler.apply_converters(found, converters)]

        return _Statement(sql, (*parameters, *bounds), placeholders, read)


class PreparedObjects(PreparedQuery):
    """The same for a queryset of whole objects."""

    def __init__(self, build: Callable[..., QuerySet[Any]], *placeholders: Any) -> None:
        self.model: Any = build(*placeholders).model
        self.names = [each.attname for each in self.model._meta.concrete_fields]
        super().__init__(lambda *values: build(*values).values_list(*self.names), *placeholders)

    def objects(self, *values: Any) -> list[Any]:
        """The objects for these values."""
        alias = self._sample.db
        return [self.model.from_db(alias, self.names, row) for row in self.rows(*values)]


@lru_cache(maxsize=256)
def for_update(queryset: QuerySet[Any], field: str, placeholder: Any) -> PreparedObjects:
    """The object whose unique ``field`` has the value, locked."""
    return PreparedObjects(
        lambda value: queryset.filter(**{field: value}).order_by().select_for_update(),
        placeholder,
    )


def _adapted(value: Any, connection: Any) -> Any:
    """A moment as the database takes it; anything else as it is."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


def _without_bounds(sql: str, bounds: Sequence[int]) -> tuple[str, list[int]]:
    """The SQL with parameters for the bounds of its slice, which Django writes into the text.

    They come last in a query, as do their parameters.
    """
    if not bounds:
        return sql, []
    pattern = re.compile(rf"\b({'|'.join(map(str, bounds))})\b")
    return pattern.sub("%s", sql), [int(found) for found in pattern.findall(sql)]
