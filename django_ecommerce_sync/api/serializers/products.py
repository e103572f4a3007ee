"""Products."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_serializer

from ...models import Product
from ..examples.answers import PRODUCT, answer
from .base import AUTOMATIC, ResourceSerializer


@extend_schema_serializer(examples=[answer("A sock", PRODUCT)])
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
