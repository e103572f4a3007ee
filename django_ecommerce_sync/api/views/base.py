"""What all views share: nothing here depends on the project's own settings for its API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any, ClassVar, TypeVar, cast
from uuid import uuid4

from django.db import models
from django.http import Http404
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.translation import get_language
from rest_framework import mixins, negotiation, viewsets
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import DEFAULTS, IMPORT_STRINGS, APISettings
from rest_framework.views import APIView

from ...models import SyncedModel
from ...sync.database import atomic
from ...sync.prepared import PLACEHOLDERS, for_update
from ..compiled import (
    CompiledList,
    CompiledSerializer,
    Unwritable,
    compiled,
    encode,
    prepared_list,
)
from ..conf import classes
from ..contention import persistent
from ..exports import export
from ..fields import MAX_INTEGER
from ..filters import FieldFilter, OrderingFilter, SearchFilter
from ..idempotency import idempotent
from ..pagination import PagePagination, ResourcePagination
from ..parsers import JSONParser
from ..permissions import RIGHTS, model_permission, rights_to_answer
from ..preconditions import check_match, etag, is_known
from ..problems import LengthRequired, exception_handler
from ..renderers import CSVRenderer, JSONLinesRenderer, JSONRenderer, ProblemRenderer
from ..schema import AutoSchema
from ..shaping import Shape
from .history import HistoryMixin

Row = TypeVar("Row", bound=models.Model)
Synced = TypeVar("Synced", bound=SyncedModel)

#: DRF as it comes. APISettings takes an empty dict for "read the project's", so it is not empty.
PRISTINE = APISettings({"EXCEPTION_HANDLER": exception_handler}, DEFAULTS, IMPORT_STRINGS)


class Negotiation(negotiation.DefaultContentNegotiation):
    """DRF's negotiation, with DRF's own settings."""

    settings = PRISTINE  # type: ignore[assignment]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        format = request.query_params.get("format")
        if format == "":  # as bad as any other that there is not
            raise Http404
        if format is format_suffix is None and request.headers.get("Accept", "*/*") == "*/*":
            return renderers[0], renderers[0].media_type  # as most clients would have it
        return super().select_renderer(request, renderers, format_suffix)


class ApiView(APIView):
    """The base of every view: JSON in, JSON or a problem out, an id for each request."""

    settings = PRISTINE
    schema = AutoSchema()
    renderer_classes: Any = [JSONRenderer]
    parser_classes: Any = [JSONParser]
    content_negotiation_class = Negotiation
    metadata_class = None
    versioning_class = None
    throttle_classes: Any = ()
    request_id = ""

    def get_authenticators(self) -> Any:
        return [authenticator() for authenticator in classes("AUTHENTICATION_CLASSES")]

    def get_permissions(self) -> Any:
        return [permission() for permission in classes("PERMISSION_CLASSES")]

    def required_permissions(self, method: str) -> list[str]:
        """The rights a request with ``method`` needs; every view says it itself."""
        raise NotImplementedError(f"{type(self).__name__} names no permissions.")

    def get_authenticate_header(self, request: Request) -> str:
        # Without this header DRF would answer 403 where nobody has been asked who he is.
        return super().get_authenticate_header(request) or 'Bearer realm="api"'

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        sent = request.headers.get("X-Request-ID", "")
        self.request_id = sent if re.fullmatch(r"[\w.:-]{1,64}", sent, re.ASCII) else uuid4().hex
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _check_length(request)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        # A problem is JSON, whatever the client would have liked to get.
        self.request.accepted_renderer = ProblemRenderer()
        self.request.accepted_media_type = ProblemRenderer.media_type
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["X-Request-ID"] = self.request_id
        return response


def _check_length(request: Request) -> None:
    """Whether the body can be read: one in chunks looks empty to Django, as if it said nothing."""
    is_chunked = "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH")
    if is_chunked and request.method not in SAFE_METHODS:
        raise LengthRequired()


class OpenView(ApiView):
    """A view for everybody: it does not even look who is asking."""

    permission_classes = (AllowAny,)

    def get_authenticators(self) -> Any:
        return []

    def get_permissions(self) -> Any:
        return [AllowAny()]


class ModelView(ApiView, viewsets.GenericViewSet[Row]):
    """Rows of one model; the rights are Django's for that model."""

    filter_backends: Any = (FieldFilter, SearchFilter, OrderingFilter)
    pagination_class = PagePagination
    paginator: PagePagination
    lookup_value_converter = "int"
    search_fields: ClassVar[tuple[str, ...]] = ()
    ordering_fields: ClassVar[tuple[str, ...]] = ("id",)
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    #: Action → rights, where they are not those of the method.
    action_permissions: ClassVar[dict[str, list[str]]] = {}
    #: Whether one row has an entity tag, and If-Match and If-None-Match are heeded.
    has_etags: ClassVar[bool] = False

    def usual_permissions(self) -> list[str]:
        """What a request with this method needs as a rule, whoever it comes from."""
        method = str(self.request.method)
        model = cast(Any, self).queryset.model
        return rights_to_answer(model, method) if method in RIGHTS else []

    def required_permissions(self, method: str) -> list[str]:
        if self.action in self.action_permissions:
            return self.action_permissions[self.action]
        return rights_to_answer(cast(Any, self).queryset.model, method)


class ResourceView(
    HistoryMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    ModelView[Synced],
):
    """A synced model, to list, read, create, change and delete."""

    pagination_class = ResourcePagination
    has_etags = True
    #: Relations whose rows can be shown in place, and their serializers.
    expandable: ClassVar[Mapping[str, Any]] = {}

    @cached_property
    def shape(self) -> Shape:
        """What of each row the request wants to see."""
        return Shape.asked_for(self.request, self.expandable)

    @cached_property
    def compiled(self) -> CompiledSerializer | None:
        """The serializer's compiled form; None where only the serializer itself will do."""
        if self.request.accepted_renderer.format != JSONRenderer.format:
            return None
        return compiled(cast(Any, self.get_serializer_class()), self.shape)

    def required_permissions(self, method: str) -> list[str]:
        """Whoever wants to see related rows needs the right to see those."""
        required = super().required_permissions(method)
        if self.action not in _READING:
            return required
        expanded = [
            self.expandable[name] for name in self.shape.expanded if name in self.expandable
        ]
        return required + [model_permission(each.Meta.model, method) for each in expanded]

    def get_renderers(self) -> Any:
        if self.action == "list":
            return [JSONRenderer(), CSVRenderer(), JSONLinesRenderer()]
        return super().get_renderers()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)
        if self.action in _READING:
            self.shape.cut(getattr(serializer, "child", serializer))
        return serializer

    def get_queryset(self) -> models.QuerySet[Synced]:
        queryset = super().get_queryset()
        if self.action in _READING and not self.shape.is_whole and not self.compiled:
            return self.shape.narrow(queryset, self.get_serializer())
        # Two clients changing one row wait for each other; neither undoes the other's fields.
        return queryset.select_for_update() if self.action in _WRITING else queryset

    def get_object(self) -> Synced:
        if self.action not in _WRITING:
            return super().get_object()
        # The row is locked: nobody changes it after this look.
        row = self._locked_row() if self._is_the_same_for_all(_NOTHING) else super().get_object()
        check_match(self.request, etag(row))
        return row

    def _locked_row(self) -> Synced:
        ((field, value),) = self.lookup().items()
        if isinstance(value, int) and value > MAX_INTEGER:
            raise Http404
        found = for_update(cast(Any, self).queryset, field, PLACEHOLDERS[type(value)])
        rows = found.objects(value)
        if not rows:
            raise Http404
        self.check_object_permissions(self.request, rows[0])
        return cast(Synced, rows[0])

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.insert(request)

    def insert(self, request: Request) -> Response:
        """Make the body a new row."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        row = cast(Synced, serializer.instance)
        return self.show(serializer, status=201, headers=self.location(row))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if self.compiled and not self._asks_about_rows():
            with suppress(Unwritable, Http404):  # then it is found, or not, in the ordinary way
                return self._retrieve_compiled(request, self.compiled)
        row = self.get_object()
        if not self.shape.is_whole:  # a related row may change while this one does not
            return Response(self.get_serializer(row).data)
        headers = {"ETag": etag(row)}
        if is_known(request, headers["ETag"]):
            return Response(status=304, headers=headers)
        return Response(self.get_serializer(row).data, headers=headers)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        self.headers["Vary"] = "Accept"
        format = request.accepted_renderer.format
        if format == JSONRenderer.format:
            if self.compiled:
                with suppress(Unwritable):
                    return self._list_compiled(self.compiled)
            return super().list(request, *args, **kwargs)
        self.paginator.check(request)
        rows = self.filter_queryset(self.get_queryset())
        return export(rows, self.get_serializer(), format, f"{self.basename}s")

    def _list_compiled(self, compiled: CompiledSerializer) -> Response:
        page: Any = self.paginate_queryset(cast(Any, self._all_rows(compiled)))
        return self.get_paginated_response(encode(compiled.write(page)))

    def _all_rows(self, compiled: CompiledSerializer) -> CompiledList:
        if self._is_the_same_for_all(_PAGING):
            order = OrderingFilter().names(self.request, self)
            return prepared_list(compiled, cast(Any, self).queryset, order)
        return CompiledList(compiled, self.filter_queryset(self.get_queryset()))

    def _retrieve_compiled(self, request: Request, compiled: CompiledSerializer) -> Response:
        rows = self._rows(compiled)
        if not rows:
            raise Http404
        (row,) = compiled.write(rows)
        if not self.shape.is_whole:
            return Response(encode(row))
        headers = {"ETag": compiled.tag(rows[0])}
        if is_known(request, headers["ETag"]):
            return Response(status=304, headers=headers)
        return Response(encode(row), headers=headers)

    def _rows(self, compiled: CompiledSerializer) -> Sequence[Any]:
        """The row the address names, as ``compiled`` reads it, or none."""
        (lookup,) = self.lookup().items()
        if self._is_the_same_for_all(_SHAPING):
            return compiled.find(cast(Any, self).queryset, *lookup)
        queryset = self.filter_queryset(self.get_queryset())
        return list(compiled.select(queryset.filter(lookup))[:1])

    def _is_the_same_for_all(self, harmless: Set[str]) -> bool:
        """Whether the rows are the view's own, whoever asks and with whatever query.

        ``harmless`` are parameters that do not choose among them.
        """
        ours, view = ResourceView, type(self)
        return (
            self.request.query_params.keys() <= harmless
            and view.get_queryset is ours.get_queryset
            and view.filter_queryset is ours.filter_queryset
            and view.filter_backends is ours.filter_backends
            and not vars(self).keys() & {"queryset", "filter_backends"}
        )

    def _asks_about_rows(self) -> bool:
        """Whether a permission of the project wants to look at the row itself."""
        return any(
            type(permission).has_object_permission is not BasePermission.has_object_permission
            for permission in self.get_permissions()
        )

    def lookup(self) -> dict[str, Any]:
        """What the address says of the one row it names; raises ``Http404``."""
        return {self.lookup_field: self.kwargs[self.lookup_field]}

    @persistent
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.change(request, partial=kwargs.get("partial", False))

    def change(self, request: Request, *, partial: bool) -> Response:
        """Give the row the values of the body."""
        with atomic():
            row = self.get_object()
            serializer = self.get_serializer(row, data=request.data, partial=partial)
            serializer.is_valid(raise_exception=True)
            self.perform_update(serializer)
            return self.show(serializer)

    @persistent
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with atomic():
            return super().destroy(request, *args, **kwargs)

    def show(
        self, serializer: Any, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        """The row a serializer has just written, as it is now."""
        row = serializer.instance
        models.prefetch_related_objects([row], *row.sync_children)
        headers = {**(headers or {}), "ETag": etag(row)}
        return Response(serializer.data, status=status, headers=headers)

    def location(self, row: Synced) -> dict[str, str]:
        """The header with a new row's own address."""
        name = f"ecommerce_sync:{self.basename}-detail"
        pattern = _pattern(name, get_urlconf(), get_script_prefix(), get_language())
        address = pattern.replace(_ANY, str(row.pk))
        return {"Location": str(self.request.build_absolute_uri(address))}

    def reverse_action(self, url_name: str, *args: Any, **kwargs: Any) -> str:
        """The absolute address of one of this view's routes."""
        name = f"ecommerce_sync:{self.basename}-{url_name}"
        return str(self.request.build_absolute_uri(reverse(name, *args, **kwargs)))


#: Query parameters that say what of the rows is shown, and which page of them.
_SHAPING = frozenset({"fields", "omit"})
_PAGING = _SHAPING | {"page", "page_size", "with_count", "cursor", "ordering", "format"}
_READING = frozenset({"list", "retrieve"})
_WRITING = frozenset({"update", "partial_update", "destroy", "transition"})
_NOTHING: frozenset[str] = frozenset()
#: In the address of a row, where its key is to stand.
_ANY = str(PLACEHOLDERS[int])


@lru_cache(maxsize=256)
def _pattern(name: str, *circumstances: Any) -> str:
    """The address of any row; to find it takes longer than to read one.

    ``circumstances`` are what it depends on besides: URLconf, prefix, language.
    """
    return reverse(name, args=[_ANY])
