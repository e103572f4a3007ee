"""The OpenAPI document and the page to try it out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from rest_framework.request import Request
from rest_framework.response import Response

from ..conf import api_settings, classes
from ..renderers import HTMLRenderer
from ..schema import Schema
from .base import ApiView


class DocumentationView(ApiView):
    """Open to everybody unless ``SCHEMA_PERMISSION_CLASSES`` says otherwise."""

    schema = None  # type: ignore[assignment]

    def get_permissions(self) -> Any:
        return [permission() for permission in classes("SCHEMA_PERMISSION_CLASSES")]

    def required_permissions(self, method: str) -> list[str]:
        return []


class SchemaView(DocumentationView):
    """The document, as JSON or (``?format=yaml``) as YAML."""

    renderer_classes: Any = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]
    document: Schema | None = None

    def get(self, request: Request) -> Response:
        if self.document is None:
            raise NotImplementedError("SchemaView.as_view() needs a document.")
        prefix = reverse("ecommerce_sync:schema").removesuffix("/api/schema/")
        return Response(self.document.document(prefix))


class SwaggerView(DocumentationView):
    """Swagger UI from this server, with a small box to sign in."""

    renderer_classes: Any = [HTMLRenderer]

    def get(self, request: Request) -> HttpResponse:
        context = {
            "title": api_settings.TITLE,
            "username_field": get_user_model().USERNAME_FIELD,
            "csrf_header": _header_name(django_settings.CSRF_HEADER_NAME),
        }
        response = render(request._request, "ecommerce_sync/swagger.html", context)
        response.setdefault("Content-Security-Policy", content_security_policy())
        return response


def content_security_policy() -> str:
    """Nothing but what this server, or the one with the static files, sends."""
    place = urlsplit(static("ecommerce_sync/swagger.js"))
    origin = f" {place.scheme or 'https'}://{place.netloc}" if place.netloc else ""
    return "; ".join(
        (
            f"default-src 'self'{origin}",
            f"img-src 'self' data:{origin}",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        )
    )


def _header_name(meta_name: str) -> str:
    """``HTTP_X_CSRFTOKEN`` as clients send it."""
    return meta_name.removeprefix("HTTP_").replace("_", "-")
