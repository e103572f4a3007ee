"""Products, customers and orders."""

from __future__ import annotations

from typing import ClassVar

from ...models import Customer, Order, Product
from ..filtersets import CustomerFilterSet, OrderFilterSet, ProductFilterSet
from ..serializers import CustomerSerializer, OrderSerializer, ProductSerializer
from ..serializers.bulk import BulkOrderSerializer
from .bulk import BulkView


class ProductView(BulkView[Product]):
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


class CustomerView(BulkView[Customer]):
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


class OrderView(BulkView[Order]):
    """What was bought."""

    queryset = Order.objects.prefetch_related("lines")
    serializer_class = OrderSerializer
    bulk_serializer_class = BulkOrderSerializer
    expandable: ClassVar = {"customer": CustomerSerializer, "lines.product": ProductSerializer}
    filterset_class = OrderFilterSet
    search_fields: ClassVar = ("order_id", "customer_email", "customer_name")
    ordering_fields: ClassVar = (
        "id",
        "order_id",
        "order_date",
        "total_amount",
        "status",
        "created_at",
        "updated_at",
    )
