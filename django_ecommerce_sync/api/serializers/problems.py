"""The shape of an error, for the schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class FieldProblemSerializer(serializers.Serializer[Any]):
    """What is wrong with one value."""

    pointer = serializers.CharField(help_text="JSON Pointer to the value (RFC 6901).")
    code = serializers.CharField(help_text="A stable code, for programs.")
    detail = serializers.CharField(help_text="A sentence, for people.")
    sku = serializers.CharField(required=False, help_text="With insufficient_stock.")
    wanted = serializers.IntegerField(required=False, help_text="With insufficient_stock.")
    available = serializers.IntegerField(required=False, help_text="With insufficient_stock.")
    allowed = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="With transition_not_allowed."
    )


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The phrase of the HTTP status.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="A stable code, for programs.")
    detail = serializers.CharField(help_text="A sentence, for people.")
    instance = serializers.CharField(help_text="The path that was asked for.")
    request_id = serializers.CharField(required=False, help_text="Also in X-Request-ID.")
    errors = FieldProblemSerializer(many=True, required=False)  # type: ignore[assignment]
