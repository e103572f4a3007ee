"""From a payload to values by model field: dotted paths, converters, callables.

A mapping says ``{model field: source}``. A source is a dotted path (``"price.amount"``,
``"images.0.src"``), one of the converters below, or any callable that takes the payload.
Sources only *find and reshape*; whether a value suits its field is checked later, against the
model, the same way for every feed.
"""

from __future__ import annotations

import html
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from ..exceptions import ConfigurationError, RecordError
from .records import MISSING, Payload, Reference

#: In seconds; there is no year 10000.
_END_OF_TIME = 10**12


class Converter(ABC):
    """A source with a rule of its own."""

    @abstractmethod
    def extract(self, payload: Payload) -> Any:
        """The value, or ``MISSING`` where the payload does not carry it."""

    def fill(self, values: dict[str, Any], field: str, payload: Payload) -> None:
        """Put the value into ``values``; a converter may fill neighbouring fields too."""
        value = self.extract(payload)
        if value is not MISSING:
            values[field] = value


class Path(Converter):
    """The value at a dotted path; numbers index lists (``images.0.src``)."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.steps = path.split(".")

    def fill(self, values: dict[str, Any], field: str, payload: Payload) -> None:
        if self.path in payload:  # the usual case, made short
            values[field] = payload[self.path]
        else:
            super().fill(values, field, payload)

    def extract(self, payload: Payload) -> Any:
        if self.path in payload:  # also a CSV header that has dots in it
            return payload[self.path]
        value: Any = payload
        for step in self.steps:
            if type(value) is dict or isinstance(value, Mapping):  # the first is quick to tell
                value = value.get(step, MISSING)
            elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdecimal():
                value = value[int(step)] if int(step) < len(value) else MISSING
            else:
                return MISSING
            if value is MISSING:
                return MISSING
        return value


class Computed(Converter):
    """Whatever a callable makes of the payload; what it stumbles over rejects the record."""

    def __init__(self, function: Callable[[Payload], Any]) -> None:
        self.function = function

    def extract(self, payload: Payload) -> Any:
        try:
            return self.function(payload)
        except RecordError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            # A ValueError quotes the value; the others speak of the payload's shape.
            said = "" if isinstance(error, ValueError | ArithmeticError) else f": {error}"
            reason = f"The mapping '{name}' failed: {type(error).__name__}{said}."
            raise RecordError("mapping_failed", reason) from error


class Const(Converter):
    """Always the same value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def extract(self, payload: Payload) -> Any:
        return self.value


class Text(Converter):
    """Text, also from a number; ``unescape`` turns HTML entities into characters."""

    def __init__(self, source: Any, *, unescape: bool = False) -> None:
        self.source = converter(source)
        self.unescape = unescape

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        return unescaped(value) if self.unescape and isinstance(value, str) else value


def unescaped(text: str) -> str:
    """The text with HTML entities as characters; as it is where one of them is none."""
    try:
        return html.unescape(text)
    except ValueError:  # a character's number has thousands of digits
        return text


class Template(Converter):
    """Text put together from paths: ``Template("FS-{id}")``; missing if any part is."""

    def __init__(self, template: str) -> None:
        self.parts = [
            (literal, Path(name) if name is not None else None)
            for literal, name, _, _ in string.Formatter().parse(template)
        ]

    def extract(self, payload: Payload) -> Any:
        text = ""
        for literal, path in self.parts:
            text += literal
            if path is not None:
                value = path.extract(payload)
                if value is MISSING or value is None or value == "":
                    return MISSING
                text += str(value)
        return text


class First(Converter):
    """The first of several sources that carries more than nothing."""

    def __init__(self, *sources: Any) -> None:
        self.sources = [converter(source) for source in sources]

    def extract(self, payload: Payload) -> Any:
        found: Any = MISSING
        for source in self.sources:
            value = source.extract(payload)
            if value is not MISSING and value is not None and value != "":
                return value
            if found is MISSING:
                found = value
        return found


class OneOf(Converter):
    """A value translated by a table; ``default`` for what is not in it, else a rejection."""

    def __init__(self, source: Any, table: Mapping[Any, Any], *, default: Any = MISSING) -> None:
        self.source = converter(source)
        self.table = table
        self.default = default

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        if value is MISSING:
            return MISSING
        try:
            return self.table[value]
        except (KeyError, TypeError):
            if self.default is not MISSING:
                return self.default
        known = ", ".join(str(known) for known in self.table)
        raise RecordError("invalid_choice", f"{value!r} is none of: {known}.", value=value)


class Attributes(Converter):
    """A JSON object made of named sources; what is missing is left out.

    An allow-list: nothing of the payload is stored but what is named here.
    """

    def __init__(self, **sources: Any) -> None:
        self.sources = {name: converter(source) for name, source in sources.items()}

    def extract(self, payload: Payload) -> Any:
        found = {name: source.extract(payload) for name, source in self.sources.items()}
        return {name: value for name, value in found.items() if value is not MISSING}


class Number(Converter):
    """A decimal number, perhaps written with another decimal mark or a thousands separator.

    ``places`` rounds half up to that many decimals, for sources that compute in floats.
    """

    def __init__(
        self, source: Any, *, decimal: str = ".", thousands: str = "", places: int | None = None
    ) -> None:
        self.source = converter(source)
        self.decimal = decimal
        self.thousands = thousands
        self.places = places

    def extract(self, payload: Payload) -> Any:
        return self.convert(self.source.extract(payload))

    def convert(self, value: Any) -> Any:
        """The same value with the usual decimal point, rounded if that was asked for."""
        if isinstance(value, str):
            value = value.strip()
            if self.thousands:
                value = value.replace(self.thousands, "")
            if self.decimal != ".":
                value = value.replace(".", "?").replace(self.decimal, ".")
        return rounded(value, self.places) if self.places is not None else value


class Money(Number):
    """An amount and, beside it, its currency.

    ``currency`` is the path of the ISO code; without it the code is taken from the text where
    it stands there (``15.00 USD``). It is stored in the field ``currency`` of the same row.
    """

    def __init__(self, source: Any, *, currency: Any = None, **options: Any) -> None:
        super().__init__(source, **options)
        self.currency = converter(currency) if currency is not None else None

    def fill(self, values: dict[str, Any], field: str, payload: Payload) -> None:
        amount = self.source.extract(payload)
        if amount is MISSING:
            return
        code: Any = MISSING
        if isinstance(amount, str):
            amount, code = split_currency(amount)
        if self.currency is not None:
            code = self.currency.extract(payload)
        values[field] = self.convert(amount)
        if code is not MISSING and code is not None:
            values["currency"] = code


class Moment(Converter):
    """A point in time: ``format`` as for ``strptime``, or ``unit`` (``s``, ``ms``) for an epoch.

    ``tz`` is the zone of a time that names none; the source knows it, we cannot.
    """

    def __init__(
        self, source: Any, *, format: str = "", unit: str = "", tz: str | tzinfo = UTC
    ) -> None:
        self.source = converter(source)
        self.format = format
        self.unit = unit
        self.tz = ZoneInfo(tz) if isinstance(tz, str) else tz

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        if value is MISSING or value is None or value == "":
            return value
        try:
            moment = self._parse(value)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise RecordError(
                "invalid_datetime", f"{value!r} is no time in the format expected.", value=value
            ) from error
        return moment if moment.tzinfo else self._placed(moment, value)

    def _placed(self, moment: datetime, value: Any) -> datetime:
        """The time in the source's zone, unless its clocks show it twice or never."""
        first, second = (moment.replace(tzinfo=self.tz, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            raise RecordError(
                "ambiguous_time",
                f"{value!r} comes twice or never in {self.tz}, where clocks are changed then; "
                "the source must send the offset.",
                value=value,
            )
        return first

    def _parse(self, value: Any) -> datetime:
        if self.unit:
            seconds = Decimal(str(value)) / (1000 if self.unit == "ms" else 1)
            if not -_END_OF_TIME < seconds < _END_OF_TIME:
                raise ValueError(f"{seconds} seconds are beyond the calendar")
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=int(seconds * 1_000_000)
            )
        if self.format:
            return datetime.strptime(value, self.format)
        return datetime.fromisoformat(value)


class Ref(Converter):
    """Another row: ``Ref("customers", "userId")``, ``Ref("products", key="sku")``, or both.

    The id in the feed is tried first, then the key. A record that names neither has no such
    row; one that names an unknown row is rejected as ``unresolved_reference``, unless
    ``optional``.
    """

    def __init__(
        self, stream: str, source: Any = None, *, key: Any = None, optional: bool = False
    ) -> None:
        if source is None and key is None:
            raise ConfigurationError(f"Ref('{stream}') needs a path to an id, a key, or both.")
        self.stream = stream
        self.source = converter(source) if source is not None else None
        self.key = converter(key) if key is not None else None
        self.optional = optional

    def extract(self, payload: Payload) -> Any:
        external_id = identifier(self.source.extract(payload)) if self.source else ""
        key = identifier(self.key.extract(payload)) if self.key else ""
        if not external_id and not key:
            return None
        return Reference(self.stream, external_id, key, self.optional)


class Lines(Converter):
    """Child rows from a list in the payload, each mapped by its own ``fields``."""

    def __init__(self, source: Any, fields: Mapping[str, Any]) -> None:
        self.source = converter(source)
        self.fields = Fields(fields)

    def extract(self, payload: Payload) -> Any:
        rows = self.source.extract(payload)
        if rows is MISSING:
            return MISSING
        if not isinstance(rows, list | tuple):
            raise RecordError("not_a_list", "A list of lines was expected.", value=rows)
        return [self._line(number, row) for number, row in enumerate(rows)]

    def _line(self, number: int, row: Any) -> dict[str, Any]:
        if not isinstance(row, Mapping):
            raise RecordError(
                "not_an_object", "An object was expected.", field=f"[{number}]", value=row
            )
        try:
            return self.fields.map(row)
        except RecordError as error:
            raise error.within(f"[{number}]") from error


def converter(source: Any) -> Converter:
    """Whatever may stand on the right side of a mapping, as a converter."""
    if isinstance(source, Converter):
        return source
    if isinstance(source, str):
        return Path(source)
    if callable(source):
        return Computed(source)
    raise ConfigurationError(
        f"{source!r} cannot be used in a mapping: give a dotted path, a converter or a callable."
    )


class Fields(dict[str, Converter]):
    """A mapping made ready: the converter of each model field."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__({field: converter(source) for field, source in fields.items()})
        # Most sources are names at the top of the payload: they are taken at once. What comes
        # after a source that fills other fields, too, has to wait for its turn.
        free = dict(takewhile(lambda item: _fills_one(item[1]), self.items()))
        plain = {f: s.path for f, s in free.items() if type(s) is Path and len(s.steps) == 1}
        self._plain = list(plain.items())
        self._others = [(field, source) for field, source in self.items() if field not in plain]

    @property
    def plain_names(self) -> dict[str, str]:
        """By model field, the name at the top of a payload, of sources that are nothing else."""
        return dict(self._plain)

    def map(self, payload: Payload) -> dict[str, Any]:
        """The values a payload carries, by model field.

        Raises ``RecordError`` with the field's name where a source cannot make sense of it.
        """
        values = {field: payload[name] for field, name in self._plain if name in payload}
        for field, source in self._others:
            try:
                source.fill(values, field, payload)
            except RecordError as error:
                raise error.within(field) from error
        return values


def _fills_one(source: Converter) -> bool:
    return type(source).fill in (Converter.fill, Path.fill)


def paths(source: Any) -> Iterator[str]:
    """Every dotted path that a source, or a collection of them, reads."""
    if isinstance(source, Path):
        yield source.path
    elif isinstance(source, Converter):
        yield from paths(vars(source))
    elif isinstance(source, Mapping):
        yield from paths(list(source.values()))
    elif isinstance(source, list | tuple):
        for part in source:
            yield from paths(part)


def own_identifier(value: Any) -> str:
    """A record's own id as text, or "" where there is none: missing, null or blank."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def identifier(value: Any) -> str:
    """An id that something is known by, or "" for none; where shops have nobody, they write 0."""
    return "" if type(value) is int and value == 0 else own_identifier(value)


def split_currency(text: str) -> tuple[str, Any]:
    """``"15.00 USD"`` or ``"USD 15.00"`` as amount and code; MISSING if there is no code."""
    parts = text.split()
    if len(parts) == 2:
        for amount, code in (parts, parts[::-1]):
            if len(code) == 3 and code.isascii() and code.isalpha():
                return amount, code
    return text, MISSING


def rounded(value: Any, places: int) -> Any:
    """A number rounded half up to ``places`` decimals; anything else comes back as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return value
    try:
        number = Decimal(str(value))
        return number.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")
    except InvalidOperation:
        return value
