"""Products."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from ...models import Product
from .base import AUTOMATIC, ResourceSerializer

EXAMPLE = OpenApiExample(
    "A sock",
    request_only=True,
    value={
        "sku": "SOCK-RED-42",
        "name": "Red sock",
        "price": "9.90",
        "currency": "EUR",
        "inventory_count": 12,
        "brand": "Acme",
        "category": "Socks",
        "attributes": {"colour": "red", "size": 42},
    },
)


@extend_schema_serializer(examples=[EXAMPLE])
class ProductSerializer(ResourceSerializer[Product]):
    """A product. Amounts are decimal strings; ``reserved_count`` is kept by the shop itself."""

    class Meta:
        model = Product
        fields = (
            "id",
            "sku",
            "name",
            "description",
            "price",
            "compare_at_price",
            "currency",
            "inventory_count",
            "reserved_count",
            "availability",
            "brand",
            "gtin",
            "mpn",
            "category",
            "group_key",
            "url",
            "image_url",
            "attributes",
            "status",
            "pinned",
            "version",
            "created_at",
            "updated_at",
            "archived_at",
        )
        read_only_fields = (*AUTOMATIC, "reserved_count")
