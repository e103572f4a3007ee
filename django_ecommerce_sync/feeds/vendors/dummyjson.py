"""DummyJSON, a public test shop: https://dummyjson.com/docs."""

from __future__ import annotations

from typing import Any

from ..http import HTTPFeed
from ..mapping import Attributes, Lines, Number, Ref, Text, rounded
from ..pagination import Offset
from ..records import Payload
from ..streams import Stream


def discount(row: Payload) -> Any:
    """What a cart or a line costs less than its prices say; both are sums of floats."""
    return rounded(row["total"], 2) - rounded(row["discountedTotal"], 2)


class DummyJSON(HTTPFeed):
    """Its products, its users as customers and its carts as orders.

    Users come with passwords, bank cards and the like: only what is named below is used.
    """

    base_url = "https://dummyjson.com/"
    paginator = Offset("skip", total="total")
    streams = (
        Stream(
            "products",
            path="products",
            records="products",
            external_id="id",
            currency="USD",
            fields={
                "sku": "sku",
                "name": "title",
                "description": "description",
                "price": "price",
                "inventory_count": "stock",
                "availability": "availabilityStatus",
                "brand": "brand",
                "category": "category",
                "gtin": "meta.barcode",
                "image_url": "thumbnail",
                "attributes": Attributes(
                    tags="tags",
                    warranty="warrantyInformation",
                    shipping="shippingInformation",
                    returns="returnPolicy",
                ),
            },
        ),
        Stream(
            "customers",
            path="users",
            records="users",
            external_id="id",
            fields={
                "email": "email",
                "first_name": "firstName",
                "last_name": "lastName",
                "phone": "phone",
                "company": "company.name",
                "address": Attributes(
                    street="address.address",
                    city="address.city",
                    state="address.state",
                    postal_code="address.postalCode",
                    country="address.country",
                ),
            },
        ),
        Stream(
            "orders",
            path="carts",
            records="carts",
            currency="USD",
            fields={
                "order_id": Text("id"),
                "customer": Ref("customers", "userId"),
                "subtotal": Number("total", places=2),
                "discount_total": discount,
                "total_amount": Number("discountedTotal", places=2),
                "lines": Lines(
                    "products",
                    {
                        "product": Ref("products", "id"),
                        "name": "title",
                        "unit_price": Number("price", places=2),
                        "quantity": "quantity",
                        "discount_amount": discount,
                        "line_total": Number("discountedTotal", places=2),
                    },
                ),
            },
        ),
    )
