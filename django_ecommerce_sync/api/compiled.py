"""Rows as JSON without a serializer at work: straight from columns, as the serializer shows them.

The serializer stays the one description of a row. Here its fields are looked at once, and for
those that only pass on what a column holds, their meaning is kept: the column to read and how
its value is written. A serializer with a field that does more has no compiled form; then it
does the work itself, as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from django.db import models
from django.db.models import ExpressionWrapper, F, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.relations import PrimaryKeyRelatedField

from . import fields
from .preconditions import tag
from .prepared import PreparedQuery
from .shaping import Shape

Convert = Callable[[Any], Any]
Row = tuple[Any, ...]

#: What a list or an entity tag needs of every row; read behind the columns that are shown.
TAIL = ("version", "updated_at", "pk")
#: Values no query has in it otherwise.
_PLACEHOLDERS: dict[type, Any] = {int: 2_071_723_357, str: "\x00 somebody's key"}
_AS_IT_IS: dict[type, tuple[type[models.Field[Any, Any]], ...]] = {
    serializers.IntegerField: (models.IntegerField, models.AutoField),
    serializers.CharField: (models.CharField, models.TextField),
    fields.KeyField: (models.CharField,),
    fields.CurrencyField: (models.CharField,),
}
_JSON = msgspec.json.Decoder()
_TEXTS = msgspec.json.Decoder(list[str])


class Unwritable(Exception):
    """A stored value that only the serializer itself can write."""


class CompiledSerializer:
    """The columns a serializer shows, and how their values are written."""

    def __init__(self, names: Sequence[str], columns: Sequence[str], converts: Sequence[Any]):
        self.names = tuple(names)
        self.columns = tuple(columns)
        self.converts = [(place, each) for place, each in enumerate(converts) if each]
        self._finders: dict[tuple[QuerySet[Any], str], PreparedQuery] = {}

    def select(self, queryset: QuerySet[Any]) -> QuerySet[Any, Row]:
        """The queryset's rows as tuples of what is shown, with related keys and ``TAIL`` behind."""
        columns = [self._column(queryset.model, name) for name in self.columns]
        pointers = [
            each.attname for each in queryset.model._meta.concrete_fields if each.is_relation
        ]
        return queryset.prefetch_related(None).values_list(*columns, *pointers, *TAIL)

    def find(self, queryset: QuerySet[Any], field: str, value: Any) -> list[Row]:
        """The row whose unique ``field`` has this value, or none; the SQL is made only once."""
        if isinstance(value, int) and value >= 2**63:
            return []
        key = (queryset, field)  # each view has one queryset
        if key not in self._finders:
            placeholder = _PLACEHOLDERS[type(value)]
            self._finders[key] = PreparedQuery(
                lambda wanted: self.select(queryset.filter(**{field: wanted}).order_by()),
                placeholder,
            )
        return self._finders[key].rows(value)

    def write(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """The rows as ``encode`` takes them; raises ``Unwritable``."""
        columns: list[Any] = list(zip(*rows, strict=True))
        if not columns:
            return []
        # What is read is in UTC as a rule, and so is what is shown.
        in_utc = timezone.get_current_timezone_name() == "UTC"
        try:
            for place, convert in self.converts:
                if in_utc and convert is _moment:
                    continue
                columns[place] = [None if v is None else convert(v) for v in columns[place]]
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise Unwritable from error
        names = self.names
        shown = zip(*columns[: len(names)], strict=True)
        return [dict(zip(names, values, strict=True)) for values in shown]

    def tag(self, row: Row) -> str:
        """The entity tag of a row that ``select`` gave."""
        version, _updated_at, pk = row[-len(TAIL) :]
        return tag(pk, version, *row[len(self.names) : -len(TAIL)])

    def _column(self, model: type[models.Model], name: str) -> Any:
        """The column; of a JSON column its text, which is decoded here."""
        if isinstance(model._meta.get_field(name), models.JSONField):
            return ExpressionWrapper(F(name), output_field=models.TextField())
        return name


def encode(rows: Any) -> msgspec.Raw:
    """What ``write`` gave as JSON, letter by letter as our JSON renderer has it."""
    try:
        return msgspec.Raw(msgspec.json.encode(rows))
    except (ValueError, RecursionError, OverflowError) as error:
        raise Unwritable from error


@lru_cache(maxsize=256)
def compiled(serializer_class: type[Any], shape: Shape) -> CompiledSerializer | None:
    """The compiled form of a serializer that is cut to ``shape``; None where there is none.

    Raises ``InvalidQuery`` as ``Shape.cut`` does.
    """
    if shape.expanded or not _is_plain(serializer_class):
        return None
    serializer = serializer_class()
    shape.cut(serializer)
    names, columns, converts = [], [], []
    for field in serializer._readable_fields:
        column = _column_of(field, serializer_class.Meta.model)
        if column is None:
            return None
        known, convert = _convert(field, column)
        if not known:
            return None
        names.append(field.field_name)
        columns.append(column.attname)
        converts.append(convert)
    return CompiledSerializer(names, columns, converts)


def _is_plain(serializer_class: type[Any]) -> bool:
    """Whether rows are shown field by field, and nobody has a say in it."""
    ours = serializers.ModelSerializer
    return (
        issubclass(serializer_class, ours)
        and serializer_class.to_representation is ours.to_representation
    )


def _column_of(field: Any, model: type[models.Model]) -> models.Field[Any, Any] | None:
    by_name = {each.name: each for each in model._meta.concrete_fields}
    by_name |= {each.attname: each for each in model._meta.concrete_fields}
    return by_name.get(field.source)


def _convert(field: Any, column: Any) -> tuple[bool, Convert | None]:
    """Whether the field only passes on the column's value, and what is done to it on the way."""
    kind: Any = type(field)
    if isinstance(column, _AS_IT_IS.get(kind, ())):
        return True, None
    if kind is fields.ChoiceField and isinstance(column, models.CharField):
        return all(type(choice) is str for choice in field.choices), None
    if kind is PrimaryKeyRelatedField and column.is_relation:
        return field.pk_field is None, None
    if kind is fields.MoneyField and column.decimal_places == 4 == field.decimal_places:
        return True, _amount(field.to_representation)
    if kind is fields.MomentField and not hasattr(field, "timezone"):
        return True, _moment
    if isinstance(column, models.JSONField) and column.decoder is None:
        if kind is fields.JSONField:
            return True, _JSON.decode
        if kind is serializers.ListField and _is_shown_as_text(field.child):
            return True, _TEXTS.decode
    return False, None


def _is_shown_as_text(field: Any) -> bool:
    return type(field).to_representation is serializers.CharField.to_representation


def _amount(write: Convert) -> Convert:
    """``write``, the field's own way, in short for the four decimals a column gives."""

    def written(value: Decimal) -> str:
        text = str(value)
        if text[-5:-4] != ".":
            return str(write(value))
        if text.endswith("00"):
            return text[:-2]
        return text[:-1] if text.endswith("0") else text

    return written


def _moment(value: datetime) -> datetime:
    return timezone.localtime(value) if timezone.is_aware(value) else value
