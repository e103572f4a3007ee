"""What the serializers of all resources share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any, ClassVar, TypeVar, cast

from django.db import IntegrityError, models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from ...models import CurrencyField, KeyField, SyncedModel
from ...sync.database import atomic
from .. import fields
from ..problems import Duplicate

Row = TypeVar("Row", bound=models.Model)

_INTEGERS = {"min_value": -(2**31), "max_value": 2**31 - 1}
#: What every resource has and nobody but the package writes.
AUTOMATIC = ("id", "version", "created_at", "updated_at", "archived_at")


class ModelSerializer(serializers.ModelSerializer[Row]):
    """A model serializer that no setting of the project changes."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.AutoField: fields.IntegerField,
        models.BigAutoField: fields.IntegerField,
        models.IntegerField: fields.IntegerField,
        models.BigIntegerField: fields.IntegerField,
        models.PositiveIntegerField: fields.IntegerField,
        models.PositiveSmallIntegerField: fields.IntegerField,
        models.SmallIntegerField: fields.IntegerField,
        models.PositiveBigIntegerField: fields.IntegerField,
        models.CharField: fields.TextField,
        models.TextField: fields.TextField,
        models.DecimalField: fields.MoneyField,
        models.DateTimeField: fields.MomentField,
        models.JSONField: fields.JSONField,
        KeyField: fields.KeyField,
        CurrencyField: fields.CurrencyField,
    }
    serializer_choice_field = fields.ChoiceField

    def get_fields(self) -> dict[str, Any]:
        """Copies of fields built once; to build them takes longer than to write a row."""
        return {name: _copy(field) for name, field in _built_fields(type(self)).items()}

    def get_validators(self) -> list[Any]:
        """Those the serializer names; of the model's none, for the database decides."""
        return list(getattr(cast(Any, self).Meta, "validators", None) or ())

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """The field's class and arguments; bounds are those of MySQL, the narrowest database."""
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if "validators" in kwargs:
            # The database decides who was first; asking beforehand only seems to.
            kwargs["validators"] = [
                check for check in kwargs["validators"] if not isinstance(check, UniqueValidator)
            ]
        if field_class is fields.KeyField:
            kwargs |= {"normalize": model_field.normalize, "pattern": model_field.pattern}
        if type(model_field) is models.IntegerField and not model_field.choices:
            kwargs |= _INTEGERS
        return field_class, kwargs


@cache
def _built_fields(serializer_class: type[Any]) -> dict[str, Any]:
    """The fields as DRF builds them from the model; they depend on nothing but the class."""
    return serializers.ModelSerializer.get_fields(serializer_class())


def _copy(field: Any) -> Any:
    """A field to be bound, with what is below it; serializers are made anew."""
    if isinstance(field, serializers.BaseSerializer):
        return deepcopy(field)
    twin = object.__new__(type(field))  # as copy() does, which asks first how it is done
    vars(twin).update(vars(field))
    if hasattr(twin, "child"):
        twin.child = _copy(twin.child)
        twin.child.parent = twin
    return twin


class PinnedNameField(serializers.CharField):
    """The name of a field of the serializer that has the list of them."""

    @property
    def pattern(self) -> str:
        """The names there are."""
        return fields.one_of(cast(Any, self.parent).parent.pinnable)


class ResourceSerializer(ModelSerializer[Row]):
    """A synced model: its key is unique, and only what changed is written."""

    pinned = serializers.ListField(
        child=PinnedNameField(max_length=64),
        required=False,
        max_length=100,
        help_text=_("Fields whose values no feed changes."),
    )

    @property
    def pinnable(self) -> list[str]:
        """The fields whose values can be kept from feeds."""
        writable = [name for name, field in self.fields.items() if not field.read_only]
        return [name for name in writable if name != "pinned"]

    def validate_pinned(self, names: list[str]) -> list[str]:
        known = self.pinnable
        if unknown := sorted(set(names) - set(known)):
            raise serializers.ValidationError(
                _("There is no field %(unknown)s to pin; there is: %(known)s.")
                % {"unknown": ", ".join(unknown), "known": ", ".join(known)},
                "unknown_field",
            )
        return sorted(set(names))

    def errors_of_rows(self, rows: Mapping[int, Any]) -> dict[int, Any]:
        """What only a query can tell to be wrong with rows in bulk; DRF's errors by index."""
        return {}

    def create(self, validated_data: dict[str, Any]) -> Row:
        row: Row = cast(Any, self.Meta).model(**validated_data)
        with unique_key(row):
            row.save(force_insert=True)
        return row

    def update(self, instance: Row, validated_data: dict[str, Any]) -> Row:
        if not self.partial:  # PUT leaves what it would create
            validated_data = {**self._defaults(), **validated_data}
        changed = changed_fields(instance, validated_data)
        model = cast(Any, instance)
        if {model.sync_key, model.sync_scope}.intersection(changed):
            with unique_key(instance):
                instance.save(update_fields=changed)
        elif changed:
            instance.save(update_fields=changed)
        return instance

    def _defaults(self) -> dict[str, Any]:
        """What a new row holds in the columns that clients may write."""
        columns = {field.name: field for field in cast(Any, self.Meta).model._meta.concrete_fields}
        named = [name for name in self.pinnable if name in columns]
        return {name: columns[name].get_default() for name in named}


def changed_fields(row: models.Model, values: dict[str, Any]) -> list[str]:
    """Give ``row`` the values it does not have yet; their names."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return changed


@contextmanager
def unique_key(row: models.Model) -> Iterator[None]:
    """Write ``row`` inside; if its key is taken, say so with a 409 that names the field."""
    try:
        with atomic():
            yield
    except IntegrityError:
        if not isinstance(row, SyncedModel):
            raise
        identity = [name for name in (row.sync_key, row.sync_scope) if name]
        others = type(row)._default_manager.exclude(pk=row.pk)
        other = others.filter(**{name: getattr(row, name) for name in identity}).first()
        if other is None:
            raise
        detail = _("%(value)s already belongs to %(model)s %(id)s.") % {
            "value": getattr(row, row.sync_key),
            "model": row._meta.verbose_name,
            "id": other.pk,
        }
        raise Duplicate(row.sync_key, detail) from None


class OptionsSerializer(serializers.Serializer[Any]):
    """The options of a request; nobody shall believe that one we do not know was heeded."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            allowed = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [_("There is no such option; there is: %s.") % allowed] for name in unknown},
                "unknown_field",
            )
        return super().to_internal_value(data)
