"""Queries that differ from request to request in a few values only: their SQL is made once.

Django builds a query object and its SQL anew for each request, which takes longer than the
database takes to answer it. Here the queryset is still what says what is asked; Django makes
its SQL, and reads its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db import connections, router
from django.db.models import QuerySet


class _Statement(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    read: Callable[[Any], list[tuple[Any, ...]]]


class PreparedQuery:
    """A queryset of tuples as a function of values.

    ``build`` makes it from ``placeholders``: values of the same types that occur nowhere else
    in it. Values take their places as the database is to see them.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *placeholders: Any) -> None:
        self.build = build
        self.placeholders = placeholders
        self._model: Any = build(*placeholders).model
        self._statements: WeakKeyDictionary[Any, _Statement] = WeakKeyDictionary()

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        """The rows for these values, as iterating over the queryset would give them."""
        alias = router.db_for_read(self._model)
        connection = connections[alias]  # of this thread
        statement = self._statements.get(connection)
        if statement is None:
            statement = self._statements[connection] = self._statement(alias)
        given = dict(zip(self.placeholders, values, strict=True))
        parameters = [given.get(each, each) for each in statement.parameters]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            return statement.read(cursor.fetchall())

    def _statement(self, alias: str) -> _Statement:
        compiler = self.build(*self.placeholders).query.get_compiler(using=alias)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters(column for column, *_rest in compiler.select)

        def read(found: Any) -> list[tuple[Any, ...]]:
            rows = compiler.apply_converters(found, converters) if converters else found
            return [tuple(row) for row in rows]

        return _Statement(sql, tuple(parameters), read)
