"""From mapped values to values a model's columns hold, or a ``RecordError`` that says why not.

One cleaner for each kind of model field, compiled once per stream. The same for every feed and
every database: what a column would round, cut or fold is decided here, never there.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MinValueValidator
from django.db import models

from ..exceptions import RecordError
from ..feeds import MISSING, Reference
from ..models import (
    CURRENCIES,
    UNPRINTABLE,
    CodeField,
    CurrencyField,
    KeyField,
    is_too_large,
)
from .insert import JSONText

Cleaner = Callable[[Any], Any]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPELLING = re.compile(r"[\s\-]+")
# Sources that compute in binary floats miss by less than this; anything larger was meant.
_FLOAT_NOISE = Decimal("0.000001")
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
#: Makes one of all digits and of all that begins an exponent, to look for them quickly.
_ALIKE = bytes.maketrans(b"123456789E+", b"000000000e-")
#: JSON that says nothing.
_NOTHING = frozenset({b"null", b'""'})
#: Child rows of one record; grouped rows without a limit could make an order of a whole file.
_MAX_LINES = 10_000
#: MariaDB refuses JSON nested deeper than 31 levels.
_MAX_DEPTH = 30
_INTEGER_RANGES = {
    "SmallIntegerField": (-(2**15), 2**15 - 1),
    "PositiveSmallIntegerField": (0, 2**15 - 1),
    "IntegerField": (-(2**31), 2**31 - 1),
    "PositiveIntegerField": (0, 2**31 - 1),
    "BigIntegerField": (-(2**63), 2**63 - 1),
    "PositiveBigIntegerField": (0, 2**63 - 1),
}
#: Marks a value that stands for "nothing said": the stored value is left alone.
UNSAID = object()


class FieldsCleaner:
    """Cleans the values of one model's mapped fields."""

    def __init__(
        self,
        model: type[models.Model],
        names: Mapping[str, FieldsCleaner | None],
        *,
        decimal: str = ".",
        casefold: bool = False,
    ) -> None:
        """``names`` are the mapped fields; a child relation has its own cleaner as value."""
        self.cleaners: dict[str, Cleaner] = {}
        self.blanks: dict[str, Cleaner] = {}
        for name, child in names.items():
            if child is not None:
                self.cleaners[name] = child.clean_list
                self.blanks[name] = _no_list
                continue
            field: Any = model._meta.get_field(name)
            self.cleaners[name] = _cleaner(field, decimal, casefold)
            self.blanks[name] = _blank(field)

    def clean(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The clean values by field name; raises ``RecordError`` naming the first bad field."""
        cleaned = {}
        for name, value in values.items():
            try:
                value = self.clean_one(name, value)
            except RecordError as error:
                raise error.within(name) from error
            if value is not UNSAID:
                cleaned[name] = value
        return cleaned

    def clean_one(self, name: str, value: Any) -> Any:
        """The clean value of a field, ``UNSAID`` for a blank one that says nothing."""
        is_blank = value is None or (type(value) is str and (not value or value.isspace()))
        return self.blanks[name](value) if is_blank else self.cleaners[name](value)

    def clean_list(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Child rows, each clean; the error names the row."""
        if len(rows) > _MAX_LINES:
            raise RecordError(
                "too_many_lines", f"It has {len(rows):,} rows; {_MAX_LINES:,} are allowed."
            )
        cleaned = []
        for number, row in enumerate(rows):
            try:
                cleaned.append(self.clean(row))
            except RecordError as error:
                raise error.within(f"[{number}]") from error
        return cleaned


def _blank(field: models.Field[Any, Any]) -> Cleaner:
    """What null and blank text mean for a field: null, "", nothing said, or an error."""
    text = isinstance(field, models.CharField | models.TextField)
    blank: Any = None
    if not field.null:
        # A blank where the column has a default says nothing about the row.
        blank = "" if text and not field.choices else UNSAID
    required = not (field.null or field.blank or field.has_default())
    code = "invalid_key" if isinstance(field, KeyField) else "required"

    def clean(value: Any) -> Any:
        if required:
            raise RecordError(code, "It is blank.", value=value)
        return blank

    return clean


def _no_list(value: Any) -> Any:
    """Null in place of child rows says nothing about them."""
    return UNSAID


def _cleaner(field: Any, decimal: str, casefold: bool) -> Cleaner:
    """The cleaner of a field, by the most special kind it is."""
    if field.is_relation:
        return _relation
    if field.choices:
        return _choice(field)
    if isinstance(field, KeyField):
        return _key(field, casefold)
    if isinstance(field, CurrencyField):
        return _currency
    if isinstance(field, models.CharField | models.TextField):
        return _text(field)
    if isinstance(field, models.DecimalField):
        return _decimal(field, decimal)
    if isinstance(field, models.FloatField):
        return lambda value: _float(value, decimal)
    if isinstance(field, models.IntegerField):
        return _integer(field)
    if isinstance(field, models.BooleanField):
        return _boolean
    if isinstance(field, models.DateTimeField):
        return point_in_time
    if isinstance(field, models.DateField):
        return _date
    if isinstance(field, models.JSONField):
        return _json
    return _any(field)


def _float(value: Any, decimal: str) -> float:
    number = float(_number(value, decimal))
    if not math.isfinite(number):
        raise RecordError("out_of_range", "It is too large.", value=value)
    return number


def _relation(value: Any) -> Any:
    if not isinstance(value, Reference):
        raise RecordError("invalid_type", "Map a relation with Ref(...).", value=value)
    return value


def _choice(field: Any) -> Cleaner:
    known = {str(value): value for value, _ in field.flatchoices}
    aliases = getattr(field.model, "sync_aliases", {}).get(field.name, {})

    def clean(value: Any) -> Any:
        spelling = _SPELLING.sub("_", str(value).strip().lower())
        spelling = aliases.get(spelling, spelling)
        if spelling in known:
            return known[spelling]
        if value in known.values():
            return value
        raise RecordError("invalid_choice", f"It is none of: {', '.join(known)}.", value=value)

    return clean


def _as_text(value: Any, numbers: bool) -> str:
    if isinstance(value, str):
        return value.strip()
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RecordError("invalid_type", f"Text was expected, not {_kind(value)}.", value=value)


def _check_text(text: str) -> None:
    if _SURROGATE.search(text):
        raise RecordError("bad_unicode", "It has half a character (a lone surrogate).", value=text)
    if UNPRINTABLE.search(text):
        raise RecordError("control_character", "It has control characters.", value=text)


def _text(field: Any) -> Cleaner:
    numbers = isinstance(field, CodeField)
    limit = field.max_length or sys.maxsize
    check = _validators(field)

    def clean(value: Any) -> str:
        text = value.strip() if type(value) is str else _as_text(value, numbers)
        if not text.isprintable():
            _check_text(text)
        if len(text) > limit:
            raise RecordError(
                "max_length", f"It has {len(text)} characters; {limit} are allowed.", value=text
            )
        if check is not None:
            check(text, value)
        return text

    return clean


def _currency(value: Any) -> str:
    code = _as_text(value, numbers=False).upper()
    if code not in CURRENCIES:
        raise RecordError("invalid_currency", "It is no ISO 4217 currency code.", value=value)
    return code


def _key(field: KeyField, casefold: bool) -> Cleaner:
    def clean(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise RecordError("invalid_key", f"Text was expected, not {_kind(value)}.", value=value)
        try:
            text = field.normalize(str(value))
        except ValidationError as error:
            raise RecordError(
                error.code or "invalid_key", error.messages[0], value=value
            ) from error
        return text.casefold() if casefold else text

    return clean


def _number(value: Any, mark: str) -> Decimal:
    if isinstance(value, bool):
        raise RecordError(
            "invalid_decimal", "A number was expected, not a truth value.", value=value
        )
    if isinstance(value, str):
        text = value.strip()
        if mark != ".":
            text = text.replace(".", "?").replace(mark, ".")
        if not _NUMBER.fullmatch(text):
            raise RecordError("invalid_decimal", "It is not a number.", value=value)
        value = text
    elif not isinstance(value, int | float | Decimal):
        raise RecordError(
            "invalid_decimal", f"A number was expected, not {_kind(value)}.", value=value
        )
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError) as error:
        raise RecordError("out_of_range", "It is out of range.", value=value) from error
    if not number.is_finite():
        raise RecordError("non_finite", "It is not a finite number.", value=value)
    return number


def _decimal(field: Any, mark: str) -> Cleaner:
    unit = Decimal(1).scaleb(-field.decimal_places)
    whole_digits = field.max_digits - field.decimal_places
    check = _validators(field)

    def clean(value: Any) -> Decimal:
        number = _number(value, mark)
        if is_too_large(number, whole_digits):
            raise RecordError(
                "out_of_range",
                f"It has more than {whole_digits} digits before the point.",
                value=value,
            )
        # Below a millionth of the unit nothing is left of it; quantize needs no huge context.
        exact = number if number.adjusted() > -20 else Decimal(0)
        amount = exact.quantize(unit, rounding="ROUND_HALF_UP")
        if amount != number and abs(amount - number) > _FLOAT_NOISE:
            raise RecordError(
                "too_many_decimals",
                f"It has more than {field.decimal_places} decimals; declare places=… to round.",
                value=value,
            )
        if check is not None:
            check(amount, value)
        return amount if amount else abs(amount)  # a negative zero is a zero

    return clean


def _integer(field: Any) -> Cleaner:
    low, high = integer_range(field)
    check = _validators(field)

    def clean(value: Any) -> int:
        number = value if type(value) is int else _number(value, ".")
        if isinstance(number, Decimal) and number.adjusted() > 20:  # int() would write it out
            raise RecordError("out_of_range", f"It is not between {low} and {high}.", value=value)
        if number != int(number):
            raise RecordError("invalid_integer", "A whole number was expected.", value=value)
        whole = int(number)
        if not low <= whole <= high:
            raise RecordError("out_of_range", f"It is not between {low} and {high}.", value=value)
        if check is not None:
            check(whole, value)
        return whole

    return clean


def integer_range(field: Any) -> tuple[int, int]:
    """The least and the greatest value of an integer field."""
    return _INTEGER_RANGES.get(field.get_internal_type(), (-(2**63), 2**63 - 1))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    spelling = str(value).strip().lower() if isinstance(value, str | int) else ""
    if spelling in _TRUE:
        return True
    if spelling in _FALSE:
        return False
    raise RecordError("invalid_boolean", "It is neither true nor false.", value=value)


def point_in_time(value: Any) -> datetime:
    """A time in UTC from ISO 8601 text, a ``datetime`` or a ``date``; raises ``RecordError``."""
    try:
        if isinstance(value, str):
            value = _from_iso(value.strip())
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if isinstance(value, datetime):
            # A time without a zone is taken as UTC; a source that means another says so.
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError("invalid_datetime", "It is no point in time.", value=value) from error
    raise RecordError(
        "invalid_datetime", "It is no ISO 8601 time; describe it with Moment(...).", value=value
    )


def _from_iso(text: str) -> datetime | str:
    """The time a text says; an epoch stays text, for 13 digits pass as a compact date and time."""
    is_epoch = text.isdecimal() and len(text) != len("20260102")
    return text if is_epoch else datetime.fromisoformat(text)


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return point_in_time(value).date()


def _json(value: Any) -> Any:
    """A JSON value of plain types, as the database gives it back."""
    try:
        encoded = _JSON.encode(value)
    except (TypeError, UnicodeEncodeError, RecursionError, ValueError) as error:
        raise RecordError("invalid_json", "It cannot be stored as JSON.", value=value) from error
    if b"\\u0000" in encoded:
        raise RecordError("control_character", "It has a NUL character.", value=value)
    if encoded.count(b"{") + encoded.count(b"[") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        raise RecordError("too_deep", f"It is nested deeper than {_MAX_DEPTH} levels.")
    try:
        return msgspec.json.decode(encoded)
    except msgspec.MsgspecError as error:
        raise RecordError("invalid_json", "It cannot be stored as JSON.", value=value) from error


def json_texts(values: list[Any]) -> list[JSONText] | None:
    """JSON values as texts, or None where one is not there, is blank, or cannot be stored."""
    if MISSING in values or any(isinstance(value, str) and not value.strip() for value in values):
        return None
    try:
        texts = list(map(_JSON.encode, values))
    except (TypeError, UnicodeEncodeError, RecursionError, ValueError):
        return None
    whole = b"".join(texts)
    shallow = whole.count(b"{") + whole.count(b"[") <= _MAX_DEPTH or all(
        text.count(b"{") + text.count(b"[") <= _MAX_DEPTH for text in texts
    )
    if not shallow or b"\\u0000" in whole or _may_be_unreadable(whole):
        return None
    return None if _NOTHING.intersection(texts) else list(map(_spelled, texts))


def _spelled(text: bytes) -> JSONText:
    """JSON as Django writes it."""
    # But for fractions, and characters beyond ASCII or at its end, blanks are the difference.
    if text.isascii() and b"." not in text and b"\x7f" not in text:
        return JSONText(msgspec.json.format(text, indent=0), "utf-8")
    return JSONText(json.dumps(msgspec.json.decode(text)))


def _may_be_unreadable(json: bytes) -> bool:
    """Whether there may be a number that cannot be read again as what it is."""
    alike = json.translate(_ALIKE)
    long = b"0" * 15 in alike or b"0e0" in alike or b"0e-0" in alike
    return long or b"NaN" in json or b"Inf" in json


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list | tuple) else 0


def _any(field: Any) -> Cleaner:
    """A field of a kind we do not know: Django's own cleaning decides."""

    def clean(value: Any) -> Any:
        try:
            return field.clean(value, None)
        except ValidationError as error:
            raise RecordError("invalid", error.messages[0], value=value) from error

    return clean


def _validators(field: Any) -> Callable[[Any, Any], None] | None:
    """The field's own validators but for length, which is counted above; None without any."""
    validators = [
        validator
        for validator in [*field.default_validators, *field._validators]
        if not isinstance(validator, MaxLengthValidator | MinValueValidator)
    ]
    floors = [v.limit_value for v in field._validators if isinstance(v, MinValueValidator)]

    def check(value: Any, said: Any) -> None:
        for floor in floors:
            if value < floor:
                code = "negative" if floor == 0 else "out_of_range"
                raise RecordError(code, f"It is less than {floor}.", value=said)
        for validator in validators:
            try:
                validator(value)
            except ValidationError as error:
                raise RecordError(error.code or "invalid", error.messages[0], value=said) from error

    return check if validators or floors else None


def _kind(value: Any) -> str:
    """What a value is, in words a feed's author uses."""
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"
