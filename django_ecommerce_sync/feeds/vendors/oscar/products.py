"""Oscar's stock records, and the importer's rows, as products."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...mapping import Attributes, Converter, First, Money, OneOf, Path
from ...records import MISSING, Payload
from ..catalog import Gtin, Present, fitting
from .links import Tail

_GTIN = re.compile(r"[0-9]{8,14}")


class Upc(Gtin):
    """The UPC where it is a GTIN: Oscar takes any text."""

    def extract(self, payload: Payload) -> Any:
        value = super().extract(payload)
        return value if isinstance(value, str) and _GTIN.fullmatch(value) else MISSING


class Breadcrumbs(Converter):
    """A category as its levels between ``>``, as many as there is room for."""

    def __init__(self, path: str) -> None:
        self.source = Path(path)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return fitting(re.split(r"\s*>\s*", value), " > ") if isinstance(value, str) else value


class NotNull(Converter):
    """A text, or nothing where it says NULL, as the importer has it."""

    def __init__(self, path: str) -> None:
        self.source = Path(path)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return None if value == "NULL" else value


def availability(row: Payload) -> str:
    """Whether the stock record has anything left; one that is not counted always has."""
    count = row.get("num_in_stock")
    return (
        "in_stock" if count is None or count > (row.get("num_allocated") or 0) else "out_of_stock"
    )


def options(row: Payload) -> Any:
    """The product's attributes by name."""
    found = {
        one["name"]: one["value"]
        for one in row["parent"].get("attributes") or ()
        if isinstance(one.get("value"), str | int | Decimal)
    }
    return found or MISSING


IMPORTED: Mapping[str, Any] = {
    "sku": "sku",
    "name": "title",
    "description": NotNull("description"),
    "price": "price",
    "inventory_count": NotNull("stock"),
    "gtin": Upc("upc"),
    "category": Breadcrumbs("category"),
    "attributes": Attributes(
        upc=Present("upc"), partner=Present("partner"), product_class=Present("class")
    ),
}
STOCK_RECORD: Mapping[str, Any] = {
    "sku": "partner_sku",
    "name": "parent.title",
    "description": "parent.description",
    "price": Money(First("price", "price_excl_tax"), currency="price_currency"),
    "inventory_count": "num_in_stock",
    "reserved_count": "num_allocated",
    "availability": availability,
    "gtin": Upc("parent.upc"),
    "category": Breadcrumbs("parent.categories.0"),
    "group_key": Tail("parent.parent"),
    "image_url": "parent.images.0.original",
    "status": OneOf("parent.is_public", {True: "active", False: "draft"}),
    "attributes": Attributes(
        upc=Present("parent.upc"),
        product_class=Present("parent.product_class"),
        categories=Present("parent.categories"),
        options=options,
    ),
}
