"""INSERT statements of many rows, written out ahead of the time when they are sent.

On MySQL the values are put into the statement by the client library's own C function: its
driver's parameter handling costs more than the server's part of an INSERT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Self
from weakref import WeakKeyDictionary

import msgspec
from django.conf import settings as django_settings
from django.db import DataError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import CodeField, CurrencyField, EmailKeyField, KeyField, MoneyField
from .faults import PACKET_TOO_LARGE

#: Between two values and between two rows, and in place of a NULL, while they are one text.
VALUE, ROW, NULL = "\x1f", "\x1e", "\x1d"
#: Stands for a text that is known only when the rows are sent; no cleaned text can have it.
LATER = "\x1c"
#: Characters of values in one statement; well below the smallest packet a server allows.
_STATEMENT_SIZE = 500_000
#: A statement of so many characters fits into the smallest packet a server is set to.
_SMALL = 250_000
#: By the driver's connection, the largest packet its server takes.
_PACKETS: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
#: Fields whose values the drivers take as they are; exact classes, for a subclass may convert.
PLAIN = frozenset(
    {
        models.AutoField,
        models.BigAutoField,
        models.BooleanField,
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


class JSONText(str):
    """A JSON value, written as Django writes it: MariaDB and SQLite compare such texts."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """The value."""
        return msgspec.json.decode(self.encode())


class Insert:
    """Rows to be inserted into a model's table."""

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        model: type[models.Model],
        names: Sequence[str],
        constants: Mapping[str, Any],
        suffix: str = "",
    ) -> None:
        """Rows are given by the values of the columns ``names``; ``constants`` are equal in all."""
        connection.ensure_connection()
        self.connection = connection
        self.suffix = suffix
        quote = connection.ops.quote_name
        fields = {field.attname: field for field in model._meta.concrete_fields}
        self._table = quote(model._meta.db_table)
        self._given = [quote(str(fields[name].column)) for name in names]
        self._held = [quote(str(fields[name].column)) for name in constants]
        columns = ", ".join([*self._given, *self._held])
        self.head = f"INSERT INTO {self._table} ({columns}) VALUES "  # noqa: S608
        self._writers = [self._writer(fields[name]) for name in names]
        self._fixed = [_adapted(fields[n], value, connection) for n, value in constants.items()]
        self._width = len(names) + len(constants)
        #: Rows as parameters, or as the text of some at a time.
        self._rows: list[Any] = []
        #: Why the rows cannot be written out, if so.
        self._failure: Exception | None = None
        #: Where the primary keys of the inserted rows begin, if that is all that was told of them.
        self.first_pk: int | None = None

    @cached_property
    def _tail(self) -> str:
        """The constants as the end of each row."""
        return "".join([f",{literal(self.connection, value)}" for value in self._fixed])

    def add(self, rows: Sequence[Sequence[Any]]) -> Self:
        """More rows; nothing is sent yet, and what they have that no column takes is told then."""
        try:
            if rows and self.connection.vendor == "mysql":
                self._rows += self._written(self._parameters(rows))
            elif rows:
                self._rows += [[*row, *self._fixed] for row in self._parameters(rows)]
        except self._refusals as error:
            self._failure = error
        return self

    @property
    def _refusals(self) -> tuple[type[Exception], ...]:
        """What adapters and drivers raise for values that they cannot write."""
        connection: Any = self.connection
        return (OverflowError, ValueError, connection.Database.ProgrammingError)

    def execute(self, later: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Insert the rows in as few statements as may be; what they returned, if anything.

        ``later`` are the texts for which ``LATER`` stands, one in each row. Raises ``DataError``
        for rows that cannot be written.
        """
        if self._failure is not None:
            raise DataError(str(self._failure)) from self._failure
        if not self._rows:
            return []
        try:
            return self._sent(later)
        except OverflowError as error:
            raise DataError(str(error)) from error

    def _sent(self, later: Sequence[str]) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "mysql":
                found: list[tuple[Any, ...]] = []
                for part in _parts(self._filled(later) if later else self._rows):
                    sql = f"{self.head}{','.join(part)} {self.suffix}"
                    self._check_size(sql)
                    cursor.execute(sql, None)
                    found += cursor.fetchall() if cursor.description else ()
                    self.first_pk = self.first_pk or cursor.lastrowid
                return found
            one = f"({', '.join(['%s'] * self._width)})"
            rows = self._completed(later) if later else self._rows
            cursor.executemany(f"{self.head}{one} {self.suffix}", rows)
            return []

    def _filled(self, later: Sequence[str]) -> list[str]:
        """Rows that are texts, with what was known later."""
        missing = iter(_escaped(self.connection, ROW.join(later)).split(ROW))
        filled = []
        for text in self._rows:
            first, *others = text.split(LATER)
            filled.append(first + "".join([next(missing) + other for other in others]))
        return filled

    def _completed(self, later: Sequence[str]) -> list[list[Any]]:
        """Rows that are parameters, with what was known later."""
        at = self._rows[0].index(LATER)
        return [
            [*row[:at], value, *row[at + 1 :]] for row, value in zip(self._rows, later, strict=True)
        ]

    def _check_size(self, sql: str) -> None:
        """Refuse a statement the server would not take; it may just hang up on one."""
        if len(sql) > _SMALL and len(sql.encode()) >= _packet(self.connection):
            raise DataError(PACKET_TOO_LARGE, "The rows are larger than max_allowed_packet.")

    def _parameters(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows with their values as the driver wants them."""
        if not any(self._writers):
            return rows
        columns = zip(*rows, strict=True)
        adapted = [
            column if write is None else list(map(write, column))
            for write, column in zip(self._writers, columns, strict=True)
        ]
        return list(zip(*adapted, strict=True))

    def _written(self, rows: Sequence[Sequence[Any]]) -> Iterator[str]:
        """VALUES lists of bounded size for MySQL.

        One call escapes thousands of texts put together with characters that cleaned text
        cannot have, at which they are put apart again.
        """
        texts = as_texts(rows)
        tail = f"{self._tail})"
        if texts is None:
            as_literal = partial(literal, self.connection)
            for part in _parts([",".join(map(as_literal, row)) for row in rows]):
                yield ",".join([f"({row}{tail}" for row in part])
            return
        for part in _parts(texts):
            text = _escaped(self.connection, ROW.join(part)).replace(VALUE, "','")
            text = "('" + text.replace(ROW, f"'{tail},('") + "'" + tail
            yield text.replace(f"'{NULL}'", "NULL") if NULL in text else text

    def _writer(self, field: Any) -> Callable[[Any], Any] | None:
        """As ``_adapter``, where texts that say the same are not made faster."""
        vendor = self.connection.vendor
        if vendor not in ("mysql", "sqlite"):
            return _adapter(field, self.connection)
        if vendor == "mysql" and type(field) in _NUMBERS:
            return _number_text
        if type(field) is models.JSONField and field.encoder is None:
            return _json_text
        if type(field) is models.DateTimeField and django_settings.USE_TZ:
            return partial(_time_text, self.connection.timezone)
        return _adapter(field, self.connection)


def _packet(connection: BaseDatabaseWrapper) -> int:
    """What the server takes in one piece; it was settled when the connection was opened."""
    driver = connection.connection
    if driver not in _PACKETS:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            _PACKETS[driver] = cursor.fetchone()[0]
    return _PACKETS[driver]


def written(connection: BaseDatabaseWrapper, values: Sequence[Any]) -> str:
    """Values of one column as a MySQL statement has them, parted by commas."""
    if set(map(type, values)) == {int}:  # an index is of use to numbers only as such
        return ",".join(map(str, values))
    texts = as_texts([[value] for value in values])
    if texts is None:
        return ",".join([literal(connection, value) for value in values])
    return "'" + _escaped(connection, ROW.join(texts)).replace(ROW, "','") + "'"


def _escaped(connection: BaseDatabaseWrapper, text: str) -> str:
    connection.ensure_connection()  # it may have been let go while a source took its time
    escaped: bytes = connection.connection.escape_string(text.encode())
    return escaped.decode()


def literal(connection: BaseDatabaseWrapper, value: Any) -> str:
    """A value as a MySQL statement has it."""
    if connection.vendor != "mysql" or type(value) is int or type(value) is Decimal:
        return str(value)
    text: bytes | str = connection.connection.literal(value)
    return text.decode() if isinstance(text, bytes) else text


def _adapted(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    adapt = _adapter(field, connection)
    return value if adapt is None else adapt(value)


def _adapter(field: Any, connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """How a value becomes a parameter; None where it is one already."""
    if type(field) in PLAIN:
        return None
    adapt = partial(field.get_db_prep_save, connection=connection)
    if isinstance(field, models.JSONField):
        return lambda value: adapt(value.value if isinstance(value, JSONText) else value)
    return adapt


def _parts(rows: Sequence[str]) -> Iterator[Sequence[str]]:
    """Rows that are texts in groups that make statements of bounded size."""
    begun = size = 0
    for number, length in enumerate(map(len, rows)):
        if size and size + length > _STATEMENT_SIZE:
            yield rows[begun:number]
            begun, size = number, 0
        size += length
    if rows:
        yield rows[begun:]


def as_texts(rows: Sequence[Sequence[Any]]) -> list[str] | None:
    """Each row as one text, or None where values are not all such that can be told apart."""
    nulls = 0
    try:
        texts = list(map(VALUE.join, rows))
    except TypeError:
        columns = list(zip(*rows, strict=True))
        nulls = sum(column.count(None) for column in columns)
        try:
            texts = list(map(VALUE.join, zip(*map(_as_texts, columns), strict=True)))
        except TypeError:
            return None
    width = len(rows[0]) - 1 if rows else 0
    whole = "".join(texts)
    marks = (len(rows) * width, 0, nulls)
    return texts if tuple(map(whole.count, (VALUE, ROW, NULL))) == marks else None


def _as_texts(column: Sequence[Any]) -> Sequence[str]:
    return column if set(map(type, column)) == {str} else list(map(_as_text, column))


def _as_text(value: Any) -> str:
    """A parameter as a text that MySQL takes for the same value."""
    if isinstance(value, str):
        return value
    if value is None:
        return NULL
    if isinstance(value, int | Decimal):
        return str(int(value) if isinstance(value, bool) else value)
    raise TypeError


def _number_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, JSONText):
        return value
    return json.dumps(value)


def _time_text(zone: tzinfo | None, value: datetime | None) -> str | None:
    if value is None:
        return None
    local = value if value.tzinfo is zone else value.astimezone(zone)
    return local.replace(tzinfo=None).isoformat(" ")
