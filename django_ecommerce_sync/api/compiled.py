"""Rows as JSON without a serializer at work: straight from columns, as the serializer shows them.

The serializer stays the one description of a row. Here its fields are looked at once, and for
those that only pass on what a column holds, their meaning is kept: the column to read and how
its value is written. A serializer with a field that does more has no compiled form; then it
does the work itself, as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.db import connections, models
from django.db.models import ExpressionWrapper, F, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from rest_framework import serializers
from rest_framework.relations import PrimaryKeyRelatedField

from ..sync.prepared import PLACEHOLDERS, PreparedQuery
from . import fields
from .preconditions import tag
from .shaping import Shape
from .walks import Place, walk

Convert = Callable[[Any], Any]
Row = tuple[Any, ...]

_AS_IT_IS: dict[type, tuple[type[models.Field[Any, Any]], ...]] = {
    serializers.IntegerField: (models.IntegerField, models.AutoField),
    serializers.CharField: (models.CharField, models.TextField),
    fields.IntegerField: (models.IntegerField, models.AutoField),
    fields.TextField: (models.CharField, models.TextField),
    fields.KeyField: (models.CharField,),
    fields.CurrencyField: (models.CharField,),
}
_TEXTS = msgspec.json.Decoder(list[str])


class Unwritable(Exception):
    """A stored value that only the serializer itself can write."""


class CompiledSerializer:
    """The columns a serializer shows, and how their values are written."""

    def __init__(
        self,
        model: type[models.Model],
        names: Sequence[str],
        columns: Sequence[str],
        converts: Sequence[Convert | None],
    ) -> None:
        self.model = model
        self.columns = tuple(columns)
        self.converts = [(place, each) for place, each in enumerate(converts) if each]
        #: What its entity tag and its place in a walk need of a row, shown or not.
        self.state = _state(model)
        self.hidden = [each for each in dict.fromkeys(self.state) if each not in self.columns]
        read = [*self.columns, *self.hidden]
        self.places = {name: read.index(name) for name in self.state}
        attributes = {f"column_{place}": name for place, name in enumerate(names)}
        self.row_class: Any = msgspec.defstruct("Row", attributes, rename=attributes, gc=False)
        self._finders: dict[tuple[QuerySet[Any], str], PreparedQuery] = {}

    def select(self, queryset: QuerySet[Any]) -> QuerySet[Any, Row]:
        """The queryset's rows as tuples: what is shown, and behind it what else is needed."""
        as_text = _gives_text(connections[queryset.db])
        columns = [self._column(name, as_text) for name in (*self.columns, *self.hidden)]
        return queryset.prefetch_related(None).values_list(*columns)

    def find(self, queryset: QuerySet[Any], field: str, value: Any) -> Sequence[Row]:
        """The row whose unique ``field`` has this value, or none; the SQL is made only once."""
        if isinstance(value, int) and value >= 2**63:
            return []
        key = (queryset, field)  # each view has one queryset
        if key not in self._finders:
            placeholder = PLACEHOLDERS[type(value)]
            self._finders[key] = PreparedQuery(
                lambda wanted: self.select(queryset.filter(**{field: wanted}).order_by()),
                placeholder,
            )
        return self._finders[key].rows(value)

    def write(self, rows: Iterable[Row]) -> list[Any]:
        """The rows as ``encode`` takes them; raises ``Unwritable``."""
        columns: list[Any] = list(zip(*rows, strict=True))
        if not columns:
            return []
        try:
            for place, convert in self._converts():
                columns[place] = [None if v is None else convert(v) for v in columns[place]]
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise Unwritable from error
        return list(map(self.row_class, *columns[: len(self.columns)]))

    def tag(self, row: Row) -> str:
        """The entity tag of a row that ``select`` gave."""
        pk, version, _updated_at, *pointers = (row[self.places[name]] for name in self.state)
        return tag(pk, version, *pointers)

    def place(self, row: Row) -> Place:
        """Where in a walk a row is that ``select`` gave."""
        pk, _version, updated_at, *_pointers = (row[self.places[name]] for name in self.state)
        return _moment(updated_at), pk

    def _converts(self) -> Iterator[tuple[int, Convert]]:
        """How values are written now: moments are shown in the request's time zone."""
        in_utc = timezone.get_current_timezone_name() == "UTC"
        for place, convert in self.converts:
            yield place, _moment if in_utc and convert is _local_moment else convert

    def _column(self, name: str, as_text: bool) -> Any:
        """The column; of some its text, which costs less to read than to convert here."""
        field = self.model._meta.get_field(name)
        if isinstance(field, models.JSONField):
            return ExpressionWrapper(F(name), output_field=models.TextField())
        if as_text and isinstance(field, models.DecimalField | models.DateTimeField):
            return Cast(F(name), models.CharField())
        return name


class CompiledList:
    """The rows of a list as a compiled serializer reads them: a slice, or those after a place."""

    def __init__(self, compiled: CompiledSerializer, queryset: QuerySet[Any]) -> None:
        self.compiled = compiled
        self.queryset = queryset

    def __getitem__(self, wanted: slice) -> Sequence[Row]:
        return list(self.compiled.select(self.queryset)[wanted])

    def after(self, place: Place | None, number: int) -> Sequence[Row]:
        """The next rows of a walk."""
        return list(self.compiled.select(walk(self.queryset, place))[:number])


class PreparedList(CompiledList):
    """The same with SQL that is made once. Nothing of a request may be in the queryset."""

    def __init__(self, compiled: CompiledSerializer, queryset: QuerySet[Any]) -> None:
        super().__init__(compiled, queryset)
        select, moment = compiled.select, PLACEHOLDERS[datetime]
        start, number, pk = (PLACEHOLDERS[int] + each for each in range(3))
        self._slice = PreparedQuery(
            lambda start, number: select(queryset)[start : start + number], start, number
        )
        self._first = PreparedQuery(lambda number: select(walk(queryset, None))[:number], number)
        self._after = PreparedQuery(
            lambda moment, pk, number: select(walk(queryset, (moment, pk)))[:number],
            moment,
            pk,
            number,
        )

    def __getitem__(self, wanted: slice) -> Sequence[Row]:
        number = wanted.stop - wanted.start
        return self._slice.rows(wanted.start, number) if number else []

    def after(self, place: Place | None, number: int) -> Sequence[Row]:
        return self._after.rows(*place, number) if place else self._first.rows(number)


@lru_cache(maxsize=256)
def prepared_list(
    compiled: CompiledSerializer, queryset: QuerySet[Any], ordering: tuple[str, ...]
) -> PreparedList:
    """All rows of a view's own queryset in this order."""
    return PreparedList(compiled, queryset.order_by(*ordering))


def encode(rows: Any) -> msgspec.Raw:
    """What ``write`` gave, a row or all of them, as JSON."""
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
    return CompiledSerializer(serializer_class.Meta.model, names, columns, converts)


def _state(model: type[Any]) -> tuple[str, ...]:
    """The columns of what is stored of a row beside its values: its pk first, its pointers last."""
    pointers = [each.attname for each in model._meta.concrete_fields if each.is_relation]
    return (model._meta.pk.attname, "version", "updated_at", *pointers)


def _gives_text(connection: Any) -> bool:
    """Whether the database is to give amounts and moments as text.

    MySQL sends nothing else, and its driver takes longer over them than over all the rest.
    """
    return bool(
        connection.vendor == "mysql" and settings.USE_TZ and connection.timezone_name == "UTC"
    )


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
    if kind in (PrimaryKeyRelatedField, fields.RowField) and column.is_relation:
        return field.pk_field is None, None
    if kind is fields.MoneyField and column.decimal_places == 4 == field.decimal_places:
        return True, _amount(field.to_representation)
    if kind is fields.MomentField and not hasattr(field, "timezone"):
        return True, _local_moment
    if isinstance(column, models.JSONField) and column.decoder is None:
        if kind is fields.JSONField:
            return True, msgspec.Raw
        if kind is serializers.ListField and _is_shown_as_text(field.child):
            return True, _TEXTS.decode
    return False, None


def _is_shown_as_text(field: Any) -> bool:
    return type(field).to_representation is serializers.CharField.to_representation


def _amount(write: Convert) -> Convert:
    """``write``, the field's own way, in short for the four decimals a column gives."""

    def written(value: Decimal | str) -> str:
        text = str(value)
        if text[-5:-4] != ".":
            return str(write(value))
        if text.endswith("00"):
            return text[:-2]
        return text[:-1] if text.endswith("0") else text

    return written


def _moment(value: datetime | str) -> datetime:
    """A moment as it was read; where as text, it is in UTC."""
    return datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def _local_moment(value: datetime | str) -> datetime:
    moment = _moment(value)
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
