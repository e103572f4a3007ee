"""The OpenAPI document: built once, from our own addresses only, under settings of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from django.utils import translation
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import ResolvedComponent, build_bearer_security_scheme_object
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny

from .. import __version__
from ..models import (
    Availability,
    CustomerStatus,
    FulfillmentStatus,
    IssueState,
    OrderStatus,
    PaymentStatus,
    PlannedAction,
    ProductStatus,
    RunStatus,
)
from .conf import api_settings
from .renderers import ProblemRenderer
from .serializers.problems import ProblemSerializer

DESCRIPTION = """\
Products, customers and orders, kept in step with shops, suppliers and marketplaces.

Sign in with `POST /api/token/` and send the access token as `Authorization: Bearer …`.
Amounts are decimal strings. Errors are `application/problem+json` with a stable `code`.
"""

Method = TypeVar("Method", bound=Callable[..., Any])

#: In the order in which one gets to know them.
TAGS = {
    "token": "Sign in, stay signed in, sign out.",
    "products": "What is sold.",
    "customers": "Who buys.",
    "orders": "What was bought.",
    "refresh": "Bring feeds up to date.",
    "sync-runs": "What is being brought in, what was, and what was rejected.",
    "health": "For load balancers and monitors.",
}
_generator: Any = SchemaGenerator
_ENUMS = (
    Availability,
    CustomerStatus,
    FulfillmentStatus,
    IssueState,
    OrderStatus,
    PaymentStatus,
    PlannedAction,
    ProductStatus,
    RunStatus,
)
_ENUM_NAMES = {frozenset(enum.values): enum.__name__ for enum in _ENUMS}
_VERBS = {
    "list": "List %(all)s",
    "create": "Create one %(one)s",
    "retrieve": "Read one %(one)s",
    "update": "Replace one %(one)s",
    "partial_update": "Change one %(one)s",
    "destroy": "Delete one %(one)s",
}
_PROBLEMS = {
    "400": "The request is not valid.",
    "401": "Nobody is signed in, or the token is no good.",
    "403": "The user may not do this.",
    "404": "There is no such thing.",
    "406": "None of the formats asked for is there.",
    "409": "The request conflicts with what is stored.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many requests; Retry-After says when to come again.",
    "500": "Something went wrong on our side.",
    "503": "The database does not answer at the moment.",
}


class AutoSchema(SpectacularSchema):
    """An operation with every problem it can answer."""

    def get_summary(self) -> str | None:
        """What the list of operations shows beside the address."""
        verb = _VERBS.get(getattr(self.view, "action", ""))
        if verb is None or not isinstance(self.view, GenericAPIView):
            return super().get_summary()
        meta = cast(Any, self.view).queryset.model._meta
        return verb % {"one": str(meta.verbose_name), "all": str(meta.verbose_name_plural)}

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        for code in self._problem_codes():
            if code not in responses:
                problem = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    ProblemSerializer, code, [ProblemRenderer.media_type], direction
                )
                responses[code] = {**problem, "description": _PROBLEMS[code]}
        return dict(sorted(responses.items()))

    def _problem_codes(self) -> list[str]:
        codes = {"406", "500", "503"}
        if self.method in ("POST", "PUT", "PATCH") and self.get_request_serializer():
            codes |= {"400", "413", "415"}
        if self.method != "GET":
            codes.add("409")
        if self._is_list_view():
            codes |= {"400", "404"}
        if "{" in self.path or self.path.endswith("/api/refresh/"):
            codes.add("404")
        if self._is_open():
            codes -= {"409"}
            codes |= {"401"} if self.method == "POST" else set()
        else:
            codes |= {"401", "403"}
        if self.view.get_throttles():
            codes.add("429")
        return sorted(codes)

    def _is_open(self) -> bool:
        return any(isinstance(permission, AllowAny) for permission in self.view.get_permissions())


def operation(**description: Any) -> Callable[[Method], Method]:
    """spectacular's ``extend_schema`` for a method of a view.

    Left alone it builds on the project's DEFAULT_SCHEMA_CLASS, which need not be spectacular's.
    """

    def describe(method: Method) -> Method:
        cast(Any, method).schema = AutoSchema
        return extend_schema(**description)(method)

    return describe


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
        name = _ENUM_NAMES[frozenset(self.target.choices)]
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=name,
            type=ResolvedComponent.SCHEMA,
            schema={"type": "string", "enum": list(self.target.choices)},
            object=name,
        )
        auto_schema.registry.register_on_missing(component)
        return component.ref


class Schema:
    """The document of some addresses, built when it is first asked for."""

    def __init__(self, patterns: Sequence[Any]) -> None:
        self.patterns = patterns
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None

    def document(self, prefix: str = "") -> dict[str, Any]:
        """The document for a project that has our addresses under ``prefix``."""
        with self._lock:
            if self._document is None:
                self._document = self._build()
        servers = [{"url": prefix}] if prefix else []
        return {**self._document, **({"servers": servers} if servers else {})}

    def _build(self) -> dict[str, Any]:
        # spectacular's settings are one object for the whole process; they are put back at once.
        with patched_settings(_settings()), translation.override("en"):
            generator: Any = _generator(patterns=list(self.patterns))
            return cast(dict[str, Any], generator.get_schema(request=None, public=True))


def _settings() -> dict[str, Any]:
    """spectacular as it comes, with our title; nothing of the project's own document."""
    fixed = {
        name: value
        for name, value in SPECTACULAR_DEFAULTS.items()
        if not name.startswith("SERVE_") and name != "DEFAULT_GENERATOR_CLASS"
    }
    return {
        **fixed,
        "TITLE": api_settings.TITLE,
        "DESCRIPTION": DESCRIPTION,
        "VERSION": __version__,
        "OAS_VERSION": "3.1.0",
        "SCHEMA_PATH_PREFIX": "/api",
        "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
        "COMPONENT_SPLIT_REQUEST": True,
        "DISABLE_ERRORS_AND_WARNINGS": False,
    }
