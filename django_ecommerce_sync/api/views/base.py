"""What all views share: nothing here depends on the project's own settings for its API."""

from __future__ import annotations

import re
from typing import Any, ClassVar, TypeVar, cast
from uuid import uuid4

from django.db import models, transaction
from django.urls import reverse
from rest_framework import mixins, negotiation, viewsets
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import DEFAULTS, IMPORT_STRINGS, APISettings
from rest_framework.views import APIView

from ...models import SyncedModel
from ..conf import classes
from ..filters import FieldFilter, OrderingFilter, SearchFilter
from ..pagination import PagePagination
from ..parsers import JSONParser
from ..permissions import model_permission
from ..problems import exception_handler
from ..renderers import JSONRenderer, ProblemRenderer
from ..schema import AutoSchema
from .history import HistoryMixin

Row = TypeVar("Row", bound=models.Model)
Synced = TypeVar("Synced", bound=SyncedModel)

#: DRF as it comes. APISettings takes an empty dict for "read the project's", so it is not empty.
PRISTINE = APISettings({"EXCEPTION_HANDLER": exception_handler}, DEFAULTS, IMPORT_STRINGS)


class Negotiation(negotiation.DefaultContentNegotiation):
    """DRF's negotiation, with DRF's own settings."""

    settings = PRISTINE  # type: ignore[assignment]


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
    lookup_value_converter = "int"
    search_fields: ClassVar[tuple[str, ...]] = ()
    ordering_fields: ClassVar[tuple[str, ...]] = ("id",)
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    #: Action → rights, where they are not those of the method.
    action_permissions: ClassVar[dict[str, list[str]]] = {}

    def required_permissions(self, method: str) -> list[str]:
        if self.action in self.action_permissions:
            return self.action_permissions[self.action]
        return [model_permission(cast(Any, self).queryset.model, method)]


class ResourceView(
    HistoryMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    ModelView[Synced],
):
    """A synced model, to list, read, create, change and delete."""

    def get_queryset(self) -> models.QuerySet[Synced]:
        queryset = super().get_queryset()
        # Two clients changing one row wait for each other; neither undoes the other's fields.
        return queryset.select_for_update() if self.action in _WRITING else queryset

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return super().update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return super().destroy(request, *args, **kwargs)

    def get_success_headers(self, data: Any) -> dict[str, str]:
        # DRF would take a field called "url" for the row's own address.
        return {"Location": self.reverse_action("detail", args=[data["id"]])}

    def reverse_action(self, url_name: str, *args: Any, **kwargs: Any) -> str:
        """The absolute address of one of this view's routes."""
        name = f"ecommerce_sync:{self.basename}-{url_name}"
        return str(self.request.build_absolute_uri(reverse(name, *args, **kwargs)))


_WRITING = frozenset({"update", "partial_update", "destroy", "transition"})
