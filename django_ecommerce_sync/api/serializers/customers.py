"""Customers."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from ...models import Customer
from .base import AUTOMATIC, ResourceSerializer

EXAMPLE = OpenApiExample(
    "Somebody",
    request_only=True,
    value={
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "address": {"city": "London", "country": "GB"},
    },
)


@extend_schema_serializer(examples=[EXAMPLE])
class CustomerSerializer(ResourceSerializer[Customer]):
    """A customer. The e-mail address is kept in lower case; it may be missing."""

    class Meta:
        model = Customer
        fields = (
            "id",
            "email",
            "first_name",
            "last_name",
            "phone",
            "company",
            "address",
            "status",
            "pinned",
            "version",
            "created_at",
            "updated_at",
            "archived_at",
        )
        read_only_fields = AUTOMATIC
