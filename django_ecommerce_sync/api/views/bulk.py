"""``bulk/`` below a list: create or change many rows by their keys."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.utils.translation import gettext_lazy as _
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ..bulk import bulk
from ..conf import api_settings
from ..idempotency import idempotent
from ..parsers import BulkJSONLinesParser, BulkJSONParser, BulkNDJSONParser
from ..permissions import model_permission
from ..problems import FieldProblem, InvalidBody
from ..queued import queue
from ..schema import operation
from ..serializers.bulk import (
    BulkOptionsSerializer,
    BulkResponseSerializer,
    QueuedBulkSerializer,
)
from ..serializers.runs import queued_bulk
from .base import ResourceView, Synced


class BulkView(ResourceView[Synced]):
    """A resource that takes many rows in one request, too."""

    #: The serializer that checks each row; the view's own if None.
    bulk_serializer_class: ClassVar[Any] = None

    def required_permissions(self, method: str) -> list[str]:
        if self.action == "bulk":
            model = cast(Any, self).queryset.model
            return [model_permission(model, each) for each in ("POST", "PATCH")]
        return super().required_permissions(method)

    @operation(
        parameters=[BulkOptionsSerializer],
        responses={200: BulkResponseSerializer, 202: QueuedBulkSerializer},
    )
    @action(
        detail=False,
        methods=["post"],
        parser_classes=[BulkJSONParser, BulkNDJSONParser, BulkJSONLinesParser],
    )
    @idempotent
    def bulk(self, request: Request) -> Response:
        """Create the rows whose key is not there, change those whose key is.

        A JSON array, or one JSON object a line. Of several rows with one key the last counts.
        Many rows are kept for a run to carry out: 202, with the addresses to follow it.
        """
        options = BulkOptionsSerializer(data=request.query_params.dict())
        try:
            options.is_valid(raise_exception=True)
        except ValidationError as error:
            error.location = "query"  # type: ignore[attr-defined]
            raise
        if not isinstance(request.data, list):  # nothing at all was sent
            raise InvalidBody([FieldProblem("", "not_a_list", _("Rows are expected."))])
        wish: dict[str, Any] = {
            "atomic": options.validated_data["on_error"] == "atomic",
            "dry_run": options.validated_data["dry_run"],
            "by": request.user,
        }
        name = f"{self.basename}s"
        if len(request.data) > api_settings.MAX_BULK_ROWS:
            data = queued_bulk(queue(name, request.data, **wish), request)
            return Response(data, status=202, headers={"Location": data["url"]})
        serializer_class = self.bulk_serializer_class or self.get_serializer_class()
        serializer = serializer_class(partial=True, context=self.get_serializer_context())
        return Response(bulk(name, serializer, request.data, **wish))
