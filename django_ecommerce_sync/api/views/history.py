"""What became of a row, and on whose word."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ...conf import settings
from ...models import SyncChange
from ...sync.database import atomic
from ...sync.history import edits, provenance, record_edit
from ..schema import operation
from ..serializers.history import OriginSerializer, SyncChangeSerializer, origin_row


class HistoryMixin(mixins.CreateModelMixin, mixins.UpdateModelMixin):
    """Writes down what clients change, and shows what anybody changed."""

    def perform_create(self: Any, serializer: Any) -> None:
        given = dict.fromkeys(serializer.validated_data)
        # A transaction around one that makes do is two more trips to the database.
        with atomic() if settings.CHANGE_LOG else nullcontext():
            row = serializer.save()
            record_edit(row, given, self.request.user)

    def perform_update(self: Any, serializer: Any) -> None:
        children = set(serializer.validated_data) & set(serializer.Meta.model.sync_children)
        with edits(serializer.instance, self.request.user, children):
            serializer.save()

    @operation(
        summary="Where the values come from",
        responses=OriginSerializer(many=True),
    )
    @action(detail=True, pagination_class=None, filter_backends=[])
    def provenance(self: Any, request: Request, pk: int) -> Response:
        """For each field: the feed, the person or the merge its present value is from."""
        row = self.get_object()
        origins = provenance(row)
        names = [
            name for name, field in self.get_serializer().fields.items() if not field.read_only
        ]
        lines = [origin_row(n, origins.get(n), n in row.pinned) for n in names if n != "pinned"]
        return Response(OriginSerializer(lines, many=True).data)

    @operation(summary="List what changed", responses=SyncChangeSerializer(many=True))
    @action(detail=True, filter_backends=[])
    def changes(self: Any, request: Request, pk: int) -> Response:
        """The row's changes, the latest first, as far as they are recorded and kept."""
        row = self.get_object()
        found = SyncChange.objects.filter(model=row._meta.label_lower, object_id=str(row.pk))
        page = self.paginate_queryset(found.select_related("user").order_by("-id"))
        data = SyncChangeSerializer(page, many=True).data
        return cast(Response, self.get_paginated_response(data))
