"""Whether the process lives, and whether it can work."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpResponsePermanentRedirect
from django.urls import resolve
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from ..examples.answers import answer
from ..problems import Unavailable
from ..schema import operation
from .base import OpenView

logger = logging.getLogger("django_ecommerce_sync.api")


@extend_schema_serializer(examples=[answer("Well", {"status": "ok"})])
class HealthSerializer(serializers.Serializer[Any]):
    """All is well."""

    status = serializers.CharField(default="ok")


class HealthView(OpenView):
    """Never from a cache."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "no-store"}


class LiveView(HealthView):
    """The process answers. Nothing else is looked at, not even the database."""

    asks_database = False

    @operation(
        operation_id="health_live", summary="Is the process alive?", responses=HealthSerializer
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(HealthView):
    """The database answers too; 503 while it does not."""

    @operation(operation_id="health_ready", summary="Can it work?", responses=HealthSerializer)
    def get(self, request: Request) -> Response:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", error)
            raise Unavailable() from error
        return Response({"status": "ok"})


class NowhereView(OpenView):
    """Addresses under ``api/`` that do not exist: a problem too, not a page."""

    schema = None  # type: ignore[assignment]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """A reader who forgot the slash at the end is sent on; a writer must say it again."""
        if request.method in ("GET", "HEAD") and _only_lacks_slash(request):
            query = request.META.get("QUERY_STRING", "")
            return HttpResponsePermanentRedirect(f"{request.path}/{query and '?' + query}")
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = None
        if _only_lacks_slash(request):
            raise NotFound(_("There is nothing here; the address ends with a slash."))
        raise NotFound(_("There is nothing here."))


def _only_lacks_slash(request: Any) -> bool:
    if request.path_info.endswith("/"):
        return False
    match = resolve(f"{request.path_info}/", getattr(request, "urlconf", None))
    return match.url_name != "nowhere"
