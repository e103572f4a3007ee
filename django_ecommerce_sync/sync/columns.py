"""Clean many records at once, column by column, as long as all is plain.

A second way to the values that ``clean`` makes, for it alone costs more than the database does.
Where a value is anything but plain the cleaner of its field is asked; what that refuses makes a
record None, to be looked at for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

from ..exceptions import RecordError
from ..feeds import MISSING, Payload, Stream
from ..models import CURRENCIES, CurrencyField, EmailKeyField, KeyField
from .clean import UNSAID, FieldsCleaner, integer_range, json_texts
from .table import Row
from .target import Target

#: A point in time as the web has it: ISO 8601, in UTC.
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?Z", re.ASCII)
#: The values of a column, or None where one of them is not plain.
Column = list[Any] | None
#: Stands for the value of a record that is refused.
_REFUSED = object()
#: So few values are cleaned one by one if they are not all plain.
_FEW = 8
#: A whole number written as text, as CSV and XML have it.
_WHOLE = re.compile("[0-9]{1,18}").fullmatch


class ColumnsCleaner:
    """Cleans the mapped columns of one model, none of them a relation or child rows."""

    def __init__(
        self,
        model: type[models.Model],
        cleaner: FieldsCleaner,
        *,
        decimal: str,
        casefold: bool,
        json_as_text: bool = True,
    ) -> None:
        """``json_as_text`` asks for JSON values that are ready to be written."""
        self.cleaner = cleaner
        self.names = list(cleaner.cleaners)
        fields: list[Any] = [model._meta.get_field(name) for name in self.names]
        self._plain = [
            _none_is_plain
            if isinstance(field, models.JSONField) and not json_as_text
            else _plain_column(field, decimal, casefold)
            for field in fields
        ]

    def clean(
        self, rows: Sequence[Mapping[str, Any]], sources: Sequence[str]
    ) -> tuple[list[tuple[Any, ...] | None], list[int]]:
        """The clean values of each row by ``names``, None for one that is refused.

        ``sources`` says under which name a row has each of them; a value it does not have is
        ``UNSAID``. The numbers are those of the columns in which there is such, or a blank.
        """
        columns = [
            self._column(name, plain, _values(rows, source))
            for name, source, plain in zip(self.names, sources, self._plain, strict=True)
        ]
        cleaned: list[Any] = list(zip(*columns, strict=True))
        gaps = []
        for number, column in enumerate(columns):
            if isinstance(column, _Odd):
                for at, value in enumerate(column):
                    if value is _REFUSED:
                        cleaned[at] = None
                if UNSAID in column or "" in column:
                    gaps.append(number)
        return cleaned, gaps

    def _column(self, name: str, plain: Callable[[list[Any]], Column], values: list[Any]) -> Any:
        found = plain(values)
        return _Odd(_in_parts(plain, self._value_of(name), values)) if found is None else found

    def _value_of(self, name: str) -> Callable[[Any], Any]:
        clean = self.cleaner.clean_one

        def value_of(value: Any) -> Any:
            if value is MISSING:
                return UNSAID
            try:
                return clean(name, value)
            except RecordError:
                return _REFUSED

        return value_of


class PlainRecords:
    """Cleans many records of a stream that have neither relations nor child rows."""

    def __init__(self, stream: Stream, target: Target) -> None:
        self.stream = stream
        self.target = target
        self.cleaner = ColumnsCleaner(
            target.model,
            target.cleaner,
            decimal=stream.decimal,
            casefold=stream.casefold,
            json_as_text=False,
        )

    @staticmethod
    def suits(target: Target) -> bool:
        """Whether records go to rows that have no others beside them."""
        return not (target.children or target.relations)

    def values(self, payloads: Sequence[Payload]) -> list[Row | None]:
        """As ``Target.values``; None for a record that has to be looked at for itself."""
        mapped = [self._mapped(payload) for payload in payloads]
        names = self.cleaner.names
        rows, gaps = self.cleaner.clean([found or {} for found in mapped], names)
        found: list[Row | None] = [
            None if values is None or row is None else dict(zip(names, row, strict=True))
            for values, row in zip(mapped, rows, strict=True)
        ]
        for row in filter(None, found):
            for name in [names[gap] for gap in gaps if row[names[gap]] is UNSAID]:
                del row[name]
            if self.target.currency:
                row.setdefault("currency", self.target.currency)
        return found

    def _mapped(self, payload: Payload) -> Mapping[str, Any] | None:
        try:
            return self.stream.map(payload)
        except RecordError:
            return None


class _Odd(list[Any]):
    """A column cleaned value by value."""


def _values(rows: Sequence[Mapping[str, Any]], source: str) -> list[Any]:
    try:
        return list(map(itemgetter(source), rows))
    except KeyError:
        return [row.get(source, MISSING) for row in rows]


def _in_parts(
    plain: Callable[[list[Any]], Column], value_of: Callable[[Any], Any], values: list[Any]
) -> list[Any]:
    """A column that is not plain as a whole: mostly a value or two of it are not."""
    if plain is _none_is_plain or len(values) <= _FEW:
        return list(map(value_of, values))
    middle = len(values) // 2
    halves = values[:middle], values[middle:]
    cleaned = map(plain, halves)
    return [
        value
        for half, found in zip(halves, cleaned, strict=True)
        for value in (_in_parts(plain, value_of, half) if found is None else found)
    ]


def _plain_column(field: Any, decimal: str, casefold: bool) -> Callable[[list[Any]], Column]:
    """A function that cleans a column of plain values at one go."""
    if isinstance(field, CurrencyField):
        return _currencies
    validators = [*field.default_validators, *field._validators]
    floors = [v.limit_value for v in validators if isinstance(v, MinValueValidator)]
    if field.is_relation or field.choices or len(floors) < len(validators):
        return _none_is_plain
    if isinstance(field, EmailKeyField) or (casefold and isinstance(field, KeyField)):
        return _none_is_plain
    if isinstance(field, models.CharField | models.TextField):
        return _texts(field)
    if isinstance(field, models.DecimalField) and decimal == "." and max(floors, default=0) <= 0:
        return _decimals(field)
    if isinstance(field, models.IntegerField):
        return _integers(field, floors)
    if isinstance(field, models.DateTimeField):
        return _utc_times
    if isinstance(field, models.JSONField) and field.encoder is None:
        return json_texts
    return _none_is_plain


def _none_is_plain(values: list[Any]) -> Column:
    return None


def _texts(field: Any) -> Callable[[list[Any]], Column]:
    limit = field.max_length or 1 << 62
    is_key = isinstance(field, KeyField)

    def clean(values: list[Any]) -> Column:
        try:
            texts = list(map(str.strip, values))
        except TypeError:
            return None
        if not (all(texts) and all(map(str.isprintable, texts)) and max(map(len, texts)) <= limit):
            return None
        # A key that is not ASCII has to be normalised; one with a plus sign looked at.
        if is_key and not (all(map(str.isascii, texts)) and "+" not in "".join(texts)):
            return None
        return texts

    return clean


def _currencies(values: list[Any]) -> Column:
    try:
        return values if CURRENCIES.issuperset(values) else None
    except TypeError:
        return None


def _decimals(field: Any) -> Callable[[list[Any]], Column]:
    whole, places = field.max_digits - field.decimal_places, field.decimal_places
    # A digit less than there is room for: no rounding makes one too many of it.
    plain = re.compile(rf"[0-9]{{1,{whole - 1}}}(?:\.[0-9]{{1,{places}}})?").fullmatch

    def clean(values: list[Any]) -> Column:
        try:
            return list(map(Decimal, values)) if all(map(plain, values)) else None
        except TypeError:
            return None

    return clean


def _utc_times(values: list[Any]) -> Column:
    try:
        if all(map(_UTC_TIME.fullmatch, values)):
            return list(map(datetime.fromisoformat, values))
    except (TypeError, ValueError):
        pass
    return None


def _integers(field: Any, floors: list[int]) -> Callable[[list[Any]], Column]:
    low, high = integer_range(field)
    low = max(low, *floors, low)

    def clean(values: list[Any]) -> Column:
        if not all(type(value) is int for value in values):
            try:
                if not all(map(_WHOLE, values)):
                    return None
            except TypeError:
                return None
            values = list(map(int, values))
        return values if low <= min(values) and max(values) <= high else None

    return clean
