"""Where values come from, and what changed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from ...models import SyncChange
from ...sync.history import Origin
from ..fields import MomentField
from .base import ModelSerializer

ORIGIN_EXAMPLE = OpenApiExample(
    "A price from a feed",
    response_only=True,
    value={
        "field": "price",
        "pinned": False,
        "action": "updated",
        "feed": "shop",
        "stream": "products",
        "run": 12,
        "merge": None,
        "user": None,
        "at": "2026-11-20T06:00:00Z",
    },
)
CHANGE_EXAMPLE = OpenApiExample(
    "A new price",
    response_only=True,
    value={
        "id": 501,
        "action": "updated",
        "fields": {"price": ["9.9000", "12.5000"]},
        "feed": "shop",
        "stream": "products",
        "run": 12,
        "user": None,
        "at": "2026-11-20T06:00:00Z",
    },
)


@extend_schema_serializer(examples=[ORIGIN_EXAMPLE])
class OriginSerializer(serializers.Serializer[Any]):
    """Where the present value of one field comes from; what is not known is null."""

    field = serializers.CharField()
    pinned = serializers.BooleanField(help_text="Whether a person fixed it: no feed changes it.")
    action = serializers.CharField(
        allow_null=True,
        help_text="As in a change, or `merged`, or `linked`: one feed's record is all there is.",
    )
    feed = serializers.CharField(allow_null=True)
    stream = serializers.CharField(allow_null=True)
    run = serializers.IntegerField(allow_null=True)
    merge = serializers.IntegerField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    at = MomentField(allow_null=True)


@extend_schema_serializer(examples=[CHANGE_EXAMPLE])
class SyncChangeSerializer(ModelSerializer[SyncChange]):
    """One change of one row. Personal values are not kept: their fields are null."""

    user: Any = serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)

    class Meta:
        model = SyncChange
        fields = ("id", "action", "fields", "feed", "stream", "run", "user", "at")
        read_only_fields = fields


def origin_row(field: str, origin: Origin | None, pinned: bool) -> dict[str, Any]:
    """One field's line; ``origin`` is None where nothing is known of it."""
    return {
        "field": field,
        "pinned": pinned,
        "action": origin.action if origin else None,
        "feed": (origin and origin.feed) or None,
        "stream": (origin and origin.stream) or None,
        "run": origin.run if origin else None,
        "merge": origin.merge if origin else None,
        "user": origin.user.get_username() if origin and origin.user else None,
        "at": origin.at if origin else None,
    }
