"""Serializer fields that mean the same in every project and on every database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from ..models import CURRENCIES, UNPRINTABLE, is_too_large

#: How deep a stored JSON value may be nested; MariaDB refuses 32.
MAX_JSON_DEPTH = 30
#: The largest number an id can be.
MAX_INTEGER = 2**63 - 1
#: What Python takes for blanks; some of them are none in the patterns of other languages.
BLANKS = r"\s\x1c-\x1f\x85"
#: Text in which there is something to see.
VISIBLE = f"[^{BLANKS}]"
#: Digits as JSON has them. Python reads underscores between them, too, and those of all scripts.
_WHOLE = re.compile(r"-?[0-9]+(\.0*)?")
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)")


def one_of(texts: Iterable[str], *, or_blank: bool = False) -> str:
    """The pattern of any of these texts."""
    return f"^({'|'.join(map(re.escape, texts))}){'?' * or_blank}$"


def trimmed(pattern: str, *, or_blank: bool = False) -> str:
    """The pattern of a text that fits once the blanks around it are gone."""
    return rf"^\s*({pattern}){'?' * or_blank}\s*$"


def amount(*, signed: bool) -> str:
    """The pattern of an amount of money."""
    return rf"^{'-?' * signed}([0-9]{{1,15}}(\.[0-9]{{0,4}})?|\.[0-9]{{1,4}})$"


def _is_other_text(data: Any, digits: re.Pattern[str]) -> bool:
    return isinstance(data, str) and not digits.fullmatch(data.strip())


class TextField(serializers.CharField):
    """Text without control characters, but for tabs and ends of lines."""

    default_error_messages = {"control_character": _("It has control characters.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if UNPRINTABLE.search(text):
            self.fail("control_character")
        return text


class IntegerField(serializers.IntegerField):
    """A whole number, or its digits."""

    def to_internal_value(self, data: Any) -> int:
        if _is_other_text(data, _WHOLE):
            self.fail("invalid")
        return super().to_internal_value(data)


class RowField(serializers.PrimaryKeyRelatedField):  # type: ignore[type-arg]
    """A row, by its id."""

    def to_internal_value(self, data: Any) -> Any:
        if _is_other_text(data, _WHOLE):
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class KeyField(serializers.CharField):
    """A natural key, in the one spelling its model field stores."""

    def __init__(
        self, *, normalize: Callable[[str], str] = str.strip, pattern: str = ".+", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.normalize = normalize
        self.pattern = trimmed(pattern, or_blank=self.allow_null or self.allow_blank)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # Only one row could have the empty text; any number may have no key at all.
        if self.allow_null and isinstance(data, str) and not data.strip():
            data = None
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        try:
            return self.normalize(super().to_internal_value(data))
        except DjangoValidationError as error:
            raise ValidationError(error.messages, error.code or "invalid") from error


class CurrencyField(serializers.CharField):
    """An ISO 4217 code; lower case is taken too."""

    @property
    def pattern(self) -> str:
        """The codes there are, in capitals."""
        return one_of(sorted(CURRENCIES), or_blank=self.allow_blank)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).upper()


class MoneyField(serializers.DecimalField):
    """An amount, exact, as text: at least two decimals, more only where they are there."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 19)
        kwargs.setdefault("decimal_places", 4)
        super().__init__(**{**kwargs, "coerce_to_string": True, "localize": False})

    @property
    def pattern(self) -> str:
        """The digits that are taken."""
        return amount(signed=self.min_value is None or self.min_value < 0)

    def to_internal_value(self, data: Any) -> Decimal:
        if _is_other_text(data, _DECIMAL):
            self.fail("invalid")
        return super().to_internal_value(data)

    def validate_precision(self, value: Decimal) -> Decimal:
        value = super().validate_precision(value)
        whole_digits = (self.max_digits or 0) - (self.decimal_places or 0)
        if is_too_large(value, whole_digits):
            self.fail("max_whole_digits", max_whole_digits=whole_digits)
        return value

    def to_representation(self, value: Any) -> str:
        whole, _point, decimals = f"{self.quantize(Decimal(value)):f}".partition(".")
        return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


class MomentField(serializers.DateTimeField):
    """A moment in ISO 8601."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "format": "iso-8601", "input_formats": ["iso-8601"]})


class ChoiceField(serializers.ChoiceField):
    """One of the values a model allows; the schema knows each set by its own name."""


class JSONField(serializers.JSONField):
    """Any JSON value a database can keep."""

    default_error_messages = {
        "too_deep": _("It is nested deeper than {limit} levels."),
        "out_of_range": _("A number in it is out of range."),
    }

    def to_internal_value(self, data: Any) -> Any:
        return self._plain(data, 0)

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict | list):
            if depth >= MAX_JSON_DEPTH:
                self.fail("too_deep", limit=MAX_JSON_DEPTH)
            if isinstance(value, dict):
                return {name: self._plain(item, depth + 1) for name, item in value.items()}
            return [self._plain(item, depth + 1) for item in value]
        return self._number(value) if isinstance(value, Decimal) else value

    def _number(self, value: Decimal) -> float | str:
        """JSON knows only binary floats; what would lose digits stays text."""
        number = float(value)
        if number in (float("inf"), float("-inf")):
            self.fail("out_of_range")
        return number if Decimal(repr(number)) == value else str(value)
