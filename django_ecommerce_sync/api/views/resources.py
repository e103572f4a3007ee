"""Products and customers."""

from __future__ import annotations

from typing import ClassVar

from ...models import Customer, Product
from ..filtersets import CustomerFilterSet, ProductFilterSet
from ..serializers import CustomerSerializer, ProductSerializer
from .base import ResourceView


class ProductView(ResourceView[Product]):
    """What is sold."""

    queryset = Product.objects.all()
    serializer_class = ProductSerializer
    filterset_class = ProductFilterSet
    search_fields: ClassVar = ("sku", "name", "brand", "gtin", "mpn")
    ordering_fields: ClassVar = (
        "id",
        "sku",
        "name",
        "price",
        "inventory_count",
        "brand",
        "created_at",
        "updated_at",
    )


class CustomerView(ResourceView[Customer]):
    """Who buys."""

    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilterSet
    search_fields: ClassVar = ("email", "first_name", "last_name", "company", "phone")
    ordering_fields: ClassVar = (
        "id",
        "email",
        "last_name",
        "first_name",
        "created_at",
        "updated_at",
    )
