"""What drf-spectacular cannot know by itself: how one signs in, and what exactly is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import (
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.plumbing import ResolvedComponent, build_bearer_security_scheme_object
from rest_framework import serializers

from ..models import (
    Availability,
    CandidateState,
    ChangeAction,
    CustomerStatus,
    FulfillmentStatus,
    IssueState,
    OrderEventKind,
    OrderStatus,
    PaymentStatus,
    PlannedAction,
    ProductStatus,
    RunStatus,
    SentRowStatus,
)
from ..orders import STATES
from .fields import VISIBLE, JSONField
from .serializers.bulk import OnError, RowOutcome

_ENUMS = (
    Availability,
    CandidateState,
    ChangeAction,
    CustomerStatus,
    FulfillmentStatus,
    IssueState,
    OrderEventKind,
    OrderStatus,
    PaymentStatus,
    PlannedAction,
    ProductStatus,
    RowOutcome,
    RunStatus,
    SentRowStatus,
    OnError,
)
_ENUM_NAMES = {frozenset(each.values): each.__name__ for each in _ENUMS}
_ENUM_NAMES[frozenset(STATES)] = "OrderState"
_ENUM_VALUES = {each.__name__: list(each.values) for each in _ENUMS} | {"OrderState": list(STATES)}


class JWTScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Our bearer tokens, under the name simplejwt's have."""

    target_class = "django_ecommerce_sync.api.authentication.JWTAuthentication"
    name = "jwtAuth"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return build_bearer_security_scheme_object(
            header_name="Authorization",
            token_prefix="Bearer",  # noqa: S106
            bearer_format="JWT",
        )


class AdminSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """The session of somebody signed in to the admin."""

    target_class = "django_ecommerce_sync.api.authentication.SessionAuthentication"


class ChoiceExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """A set of values under the name of its Python class, in whatever schema it appears."""

    target_class = "django_ecommerce_sync.api.fields.ChoiceField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        values = list(self.target.choices)
        return enum(auto_schema, _ENUM_NAMES[frozenset(values)], values)


class OptionsExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Options have these names and no others."""

    target_class = "django_ecommerce_sync.api.serializers.base.OptionsSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


def enum(auto_schema: Any, name: str, values: Sequence[str]) -> Any:
    """The component with this name, of a set of values."""
    component = ResolvedComponent(  # type: ignore[no-untyped-call]
        name=name,
        type=ResolvedComponent.SCHEMA,
        schema={"type": "string", "enum": _ENUM_VALUES.get(name, list(values))},
        object=name,
    )
    auto_schema.registry.register_on_missing(component)
    return component.ref


def named(auto_schema: Any, schema: Mapping[str, Any]) -> Any:
    """A parameter's schema: that of the component where its values are a set with a name."""
    values = schema.get("enum", ())
    name = _ENUM_NAMES.get(frozenset(values))
    return enum(auto_schema, name, values) if name else schema


def narrow(field: Any, schema: dict[str, Any]) -> None:
    """Say of a value that is sent what its field says of it beyond what spectacular looks at.

    Of values that are answered it is not said: clients would refuse what a later version adds.
    """
    if pattern := _pattern(field):
        schema["pattern"] = pattern
    if isinstance(field, JSONField) and not field.allow_null:
        schema["not"] = {"enum": [None]}
    if isinstance(field, serializers.ListField):
        narrow(field.child, schema["items"])
    elif isinstance(field, serializers.ListSerializer) and (limit := cast(Any, field).max_length):
        schema["maxItems"] = limit


def _pattern(field: Any) -> str | None:
    if pattern := getattr(field, "pattern", None):
        return str(pattern)
    is_text = isinstance(field, serializers.CharField)
    return VISIBLE if is_text and field.trim_whitespace and not field.allow_blank else None
