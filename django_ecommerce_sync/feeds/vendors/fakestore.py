"""Fake Store API, a public test shop: https://fakestoreapi.com/docs."""

from __future__ import annotations

from ..http import HTTPFeed
from ..mapping import Attributes, Lines, Moment, Ref, Template, Text
from ..streams import Stream


class FakeStore(HTTPFeed):
    """Its products, users and carts, each a bare list; carts have no prices."""

    base_url = "https://fakestoreapi.com/"
    streams = (
        Stream(
            "products",
            path="products",
            external_id="id",
            currency="USD",
            fields={
                "sku": Template("FS-{id}"),
                "name": "title",
                "description": "description",
                "price": "price",
                "category": "category",
                "image_url": "image",
            },
        ),
        Stream(
            "customers",
            path="users",
            external_id="id",
            fields={
                "email": "email",
                "first_name": "name.firstname",
                "last_name": "name.lastname",
                "phone": "phone",
                "address": Attributes(
                    street="address.street",
                    number="address.number",
                    city="address.city",
                    postal_code="address.zipcode",
                ),
            },
        ),
        Stream(
            "orders",
            path="carts",
            currency="USD",
            fields={
                "order_id": Text("id"),
                "order_date": Moment("date"),
                "customer": Ref("customers", "userId"),
                "lines": Lines(
                    "products",
                    {"product": Ref("products", "productId"), "quantity": "quantity"},
                ),
            },
        ),
    )
