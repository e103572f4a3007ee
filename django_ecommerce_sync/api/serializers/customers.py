"""Customers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_serializer

from ...models import Customer
from ..examples.answers import CUSTOMER, answer
from .base import AUTOMATIC, ResourceSerializer


@extend_schema_serializer(examples=[answer("Somebody", CUSTOMER)])
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
