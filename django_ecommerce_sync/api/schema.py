"""The OpenAPI document: built once, from our own addresses only, under settings of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from django.utils import translation
from drf_spectacular.drainage import get_override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import (
    ResolvedComponent,
    build_examples_list,
    build_media_type_object,
)
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny

from .. import __version__
from ..models import Customer, Order, Product
from .conf import api_settings
from .examples import PATHS, PROBLEMS, bodies
from .examples.answers import csv_file, json_lines
from .extensions import enum, named, narrow
from .fields import trimmed
from .idempotency import HEADER, KEY_PATTERN, REPLAYED
from .renderers import CSVRenderer, JSONLinesRenderer, ProblemRenderer
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
    "duplicates": "Customers and products that look like the same thing.",
    "merges": "Rows that were merged into others, and taking that back.",
    "health": "For load balancers and monitors.",
}
_generator: Any = SchemaGenerator
_LOCATIONS = ("path", "query", "header")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Operations whose bodies name things that may not be there.
_SEEKING = ("refresh", "duplicates_create")
_VERBS = {
    "list": "List %(all)s",
    "create": "Create one %(one)s",
    "retrieve": "Read one %(one)s",
    "update": "Replace one %(one)s",
    "partial_update": "Change one %(one)s",
    "destroy": "Delete one %(one)s",
    "bulk": "Create or change many %(all)s",
}
_REQUEST_ID = {
    "X-Request-ID": {
        "description": "Names this request in our log; the one that was sent, or a new one.",
        "schema": {"type": "string"},
    }
}
#: How long the client should wait, in seconds.
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to come again.",
        "schema": {"type": "integer"},
    }
}


_ETAG = OpenApiParameter(
    "ETag",
    str,
    "header",
    response=[200, 201, 304],
    description="Names this state of the row; for If-Match and If-None-Match.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    "header",
    description="ETags one knows: 304 if the row is still in one of these states.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    "header",
    description="The ETag the row was read with, or *: 412 if it has been changed since.",
)
_IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": KEY_PATTERN},
    "header",
    description="Names this request: sent again with the same key, it is answered as before.",
)
_REPLAYED = OpenApiParameter(
    REPLAYED,
    str,
    "header",
    enum=["true"],
    response=[200, 201, 202],
    description="The request was carried out before; this is the answer it got.",
)
_NOT_MODIFIED = {"description": "The row is as the client knows it."}
_EXPANDING = "Related rows to be shown in place of their ids; their rights are needed."


def _names(parameter: str, each: Mapping[str, Any], description: str) -> OpenApiParameter:
    """A comma-separated list of names."""
    schema = {"type": "array", "items": each, "minItems": 1}
    return OpenApiParameter(parameter, schema, description=description, explode=False, style="form")


#: Component → the relation that ``expand=`` puts in place there, and the component of its rows.
_EXPANSIONS = {"Order": ("customer", "Customer"), "OrderLine": ("product", "Product")}
#: Component → the key by which rows are found that are sent in bulk.
_KEYS: dict[str, Any] = {
    model.__name__: model._meta.get_field(model.sync_key) for model in (Product, Customer, Order)
}
#: Components whose rows ``fields=`` and ``omit=`` cut when they are read.
_SHAPED = ("Product", "Customer", "Order")
#: Components that always have all their fields, whether a client must send them or not.
_WHOLE = frozenset({*_SHAPED, "OrderLine"})


class AutoSchema(SpectacularSchema):
    """An operation with every problem it can answer."""

    def get_override_parameters(self) -> list[Any]:
        """What conditional, repeatable and shaped requests have, and their answers."""
        return [
            *self._conditional_headers(),
            *self._idempotency_headers(),
            *self._shape_parameters(),
        ]

    def _shape_parameters(self) -> list[Any]:
        expandable = getattr(self.view, "expandable", None)
        if expandable is None or getattr(self.view, "action", "") not in ("list", "retrieve"):
            return []
        view = cast(Any, self.view)
        shown = list(view.get_serializer_class()().fields)
        field = enum(self, f"{view.queryset.model.__name__}Field", shown)
        related = {"type": "string", "enum": list(expandable)}
        return [
            _names("fields", field, "Comma-separated: only these are read and shown."),
            _names("omit", field, "Comma-separated: these are not read and not shown."),
            *([_names("expand", related, _EXPANDING)] if expandable else []),
        ]

    def _idempotency_headers(self) -> list[Any]:
        handler = getattr(self.view, self._action, None)
        return [_IDEMPOTENCY_KEY, _REPLAYED] if getattr(handler, "is_idempotent", False) else []

    def _conditional_headers(self) -> list[Any]:
        is_about_one = not (self._is_list_view() or self._action == "bulk")
        if not getattr(self.view, "has_etags", False) or not is_about_one:
            return []
        if "{" not in self.path:
            return [_ETAG]
        if self.method == "GET":
            return [_IF_NONE_MATCH, _ETAG]
        return [_IF_MATCH] if self.method == "DELETE" else [_IF_MATCH, _ETAG]

    def get_operation_id(self) -> str:
        """What generators of clients name their functions by."""
        name: str = super().get_operation_id()
        return name.removesuffix("_create") if self._action == "bulk" else name

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    def get_auth(self) -> Any:
        """What a client may sign in with; nothing at all where nobody is asked."""
        return [] if self._is_open() else super().get_auth()

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation; that nobody is asked is said, and not left to be guessed."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation.setdefault("security", [])
        return operation

    def get_summary(self) -> str | None:
        """What the list of operations shows beside the address."""
        verb = _VERBS.get(getattr(self.view, "action", ""))
        if verb is None or not isinstance(self.view, GenericAPIView):
            return super().get_summary()
        view = cast(Any, self.view)
        meta = view.queryset.model._meta
        if self._puts_new_rows():
            verb = "Create or replace one %(one)s"
        summary = verb % {"one": str(meta.verbose_name), "all": str(meta.verbose_name_plural)}
        if view.lookup_field != "pk":
            summary += f" by its {meta.get_field(view.lookup_field).verbose_name}"
        return summary

    def _puts_new_rows(self) -> bool:
        return self.method == "PUT" and getattr(self.view, "puts_new_rows", False)

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        if self._puts_new_rows():
            responses["201"] = self._created(responses["200"])
        if self._is_list_view() and self._shape_parameters():
            responses["200"]["content"] |= self._files()
        for code in self._problem_codes():
            responses.setdefault(code, self._problem(code))
        if _IF_NONE_MATCH in self.get_override_parameters():
            headers = self._get_response_headers_for_code("304", direction)
            responses["304"] = {**_NOT_MODIFIED, "headers": headers}
        return dict(sorted(responses.items()))

    def _files(self) -> dict[str, Any]:
        """A list as CSV and as JSON Lines, with the row the serializer has for an example."""
        (example,) = get_override(self.get_response_serializers(), "examples")
        files = {
            CSVRenderer.media_type: csv_file(example.value),
            JSONLinesRenderer.media_type: json_lines(example.value),
        }
        return {
            media_type: build_media_type_object({"type": "string"}, build_examples_list([file]))
            for media_type, file in files.items()
        }

    def _problem(self, code: str) -> dict[str, str]:
        """The answer that every operation gives with this status."""
        problem = PROBLEMS[code]
        described = self._get_response_for_code(  # type: ignore[no-untyped-call]
            ProblemSerializer, code, [ProblemRenderer.media_type]
        )
        described["description"] = problem.description
        described["headers"] = {**_REQUEST_ID, **(_RETRY_AFTER if problem.waits else {})}
        (content,) = described["content"].values()
        content["examples"] = build_examples_list(problem.examples(code))
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=problem.name, type=ResolvedComponent.RESPONSE, schema=described, object=code
        )
        self.registry.register_on_missing(component)
        return cast(dict[str, str], component.ref)

    def _get_examples(
        self, serializer: Any, direction: Any, media_type: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if direction == "request" and (named := bodies(self.get_operation_id()).get(media_type)):
            return build_examples_list([OpenApiExample(name, it) for name, it in named.items()])
        return super()._get_examples(serializer, direction, media_type, *args, **kwargs)  # type: ignore[no-untyped-call]

    def _get_filter_parameters(self) -> Any:
        """With the names of the sets of values that have one."""
        found = super()._get_filter_parameters()  # type: ignore[no-untyped-call]
        return [{**each, "schema": named(self, each["schema"])} for each in found]

    def _resolve_path_parameters(self, variables: Any) -> Any:
        """With a value for each, so that the operation can be tried as it stands."""
        values = PATHS.get(self.get_operation_id(), {})
        found = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        for each in found:
            each["schema"] |= self._key_in_address(each["name"])
        return [
            {**each, "example": values[each["name"]]} if each["name"] in values else each
            for each in found
        ]

    def _key_in_address(self, name: str) -> dict[str, Any]:
        """What more there is to say of a parameter that is a natural key."""
        view = cast(Any, self.view)
        if name == "pk" or name != getattr(view, "lookup_field", None):
            return {}
        key: Any = view.queryset.model._meta.get_field(name)
        return {"pattern": f"^{key.pattern}$", "maxLength": key.max_length}

    def _postprocess_serializer_schema(
        self, schema: Any, serializer: Any, direction: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """With what is narrower than spectacular says, where it is about what is sent."""
        if direction == "request":
            for name, described in schema.get("properties", {}).items():
                narrow(serializer.fields[name], described)
        return super()._postprocess_serializer_schema(  # type: ignore[no-untyped-call]
            schema, serializer, direction, *args, **kwargs
        )

    def _created(self, updated: dict[str, Any]) -> dict[str, Any]:
        location = {"schema": {"type": "string", "format": "uri"}}
        return {**updated, "headers": {**updated["headers"], "Location": location}}

    def get_request_serializer(self) -> Any:
        """The body; bulk requests have an array of rows, or a row a line."""
        if getattr(self.view, "action", None) != "bulk":
            return super().get_request_serializer()
        view = cast(Any, self.view)
        serializer_class = view.bulk_serializer_class or view.get_serializer_class()
        rows = serializer_class(many=True, partial=True)
        return {
            "application/json": rows,
            "application/x-ndjson": {"type": "string", "format": "ndjson"},
        }

    def _get_request_body(self, *args: Any, **kwargs: Any) -> Any:
        """The body; a bulk request without one is none."""
        body = super()._get_request_body(*args, **kwargs)  # type: ignore[no-untyped-call]
        return {**body, "required": True} if self._action == "bulk" else body

    def _problem_codes(self) -> list[str]:
        codes = {"406", "500", "503"}
        if self.method in ("POST", "PUT", "PATCH") and self.get_request_serializer():
            codes |= {"400", "411", "413", "415"}
        if self.method != "GET":
            codes.add("409")
        if self._is_list_view():
            codes |= {"400", "404"}
        if self._shape_parameters():
            codes.add("400")
        if "{" in self.path or self.get_operation_id() in _SEEKING:
            codes.add("404")
        if _IF_MATCH in self.get_override_parameters():
            codes.add("412")
        if self._idempotency_headers():
            codes |= {"400", "422"}
        if self._is_open():
            codes -= {"409"}
            codes |= {"401"} if self.method == "POST" else set()
        else:
            codes |= {"401", "403"}
        if self.view.get_throttles():
            codes.add("429")
        if self._puts_new_rows():
            codes.remove("404")
        if not getattr(self.view, "asks_database", True):
            codes.remove("503")
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
            document = cast(dict[str, Any], generator.get_schema(request=None, public=True))
        _describe_expansions(document["components"]["schemas"])
        _describe_bulk(document)
        _describe_shapes(document)
        return document


def _describe_expansions(schemas: dict[str, Any]) -> None:
    """Let each relation that can be shown in place be an id or a row."""
    for component, (name, related) in _EXPANSIONS.items():
        if component in schemas:
            row = {"$ref": f"#/components/schemas/{related}"}
            kinds = [{"type": "integer"}, row, {"type": "null"}]
            schemas[component]["properties"][name] = {"anyOf": kinds}


def _describe_bulk(document: dict[str, Any]) -> None:
    """Rows that are sent in bulk may lack anything but their key."""
    schemas = document["components"]["schemas"]
    for name, key in _KEYS.items():
        path = f"/api/{name.lower()}s/bulk/"
        if path not in document["paths"]:
            continue
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        partial = schemas[content["schema"]["items"]["$ref"].rpartition("/")[2]]
        told = {
            **partial["properties"][key.name],
            "type": "string",
            "pattern": trimmed(key.pattern),
        }
        told.pop("description", None)  # it is about rows that are sent one by one
        schemas[f"Bulk{name}Request"] = {
            **partial,
            "properties": {**partial["properties"], key.name: told},
            "required": [key.name],
        }
        content["schema"]["items"] = {"$ref": f"#/components/schemas/Bulk{name}Request"}
    schemas.pop("PatchedBulkOrderRequest", None)


def _describe_shapes(document: dict[str, Any]) -> None:
    """Rows are shown whole, unless ``fields=`` and ``omit=`` say what is wanted of them."""
    schemas = document["components"]["schemas"]
    for name in _WHOLE.intersection(schemas):
        schemas[name]["required"] = list(schemas[name]["properties"])
    for name in _SHAPED:
        if name in schemas:
            either = _whole_or_in_part(schemas, name)
            schemas[f"Paginated{name}List"]["properties"]["results"]["items"] = either
            for content in _read_one_by_one(document, name):
                content["schema"] = either
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _whole_or_in_part(schemas: dict[str, Any], name: str) -> dict[str, Any]:
    part = {key: value for key, value in schemas[name].items() if key != "required"}
    part["description"] = f"What was asked for of the fields of {name}."
    schemas[f"Partial{name}"] = part
    return {
        "anyOf": [{"$ref": f"#/components/schemas/{each}"} for each in (name, f"Partial{name}")]
    }


def _read_one_by_one(document: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The JSON that GET gives where it gives one row."""
    row = {"$ref": f"#/components/schemas/{name}"}
    for methods in document["paths"].values():
        answer = methods.get("get", {}).get("responses", {}).get("200", {})
        content = answer.get("content", {}).get("application/json", {})
        if content.get("schema") == row:
            yield content


def _place(endpoint: tuple[str, str, str, Any]) -> tuple[int, int, str, int]:
    """Where an operation stands: by group, what is short first, reading before writing."""
    path, _regex, method, _callback = endpoint
    return list(TAGS).index(path.split("/")[2]), len(path), path, _METHODS.index(method)


def _parameter_place(parameter: Mapping[str, Any]) -> tuple[int, str]:
    """Where a parameter stands: what must be filled in first, headers last."""
    return _LOCATIONS.index(parameter["in"]), parameter["name"]


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
        "SORT_OPERATIONS": _place,
        "SORT_OPERATION_PARAMETERS": _parameter_place,
        "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
        "COMPONENT_SPLIT_REQUEST": True,
        "DISABLE_ERRORS_AND_WARNINGS": False,
    }
