"""Google Merchant Center: the product feed every shop can export."""

from __future__ import annotations

from typing import Any, ClassVar

from ..document import Document
from ..files import DocumentFeed
from ..formats import CSV, XML, Content, Format
from ..mapping import Attributes, First, Money
from ..records import Payload
from ..streams import Stream


class MerchantFormat(Format):
    """RSS, Atom or tab-separated text, as the document turns out to be."""

    option_names: ClassVar[tuple[str, ...]] = ("encoding",)

    def __init__(self, encoding: str = "utf-8-sig") -> None:
        self.text = CSV(encoding=encoding)

    def read(self, document: Document, stream: Stream) -> Content:
        start = document.rewind().read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        utf16 = start.startswith((b"\xff\xfe<", b"\xfe\xff\0<"))
        return (XML() if utf16 or start.startswith(b"<") else self.text).read(document, stream)


def tag(name: str) -> First:
    """An attribute by either spelling, and the first where an item has it several times."""
    spaced = name.replace("_", " ")
    return First(f"{name}.0", name, spaced)


def full_price(row: Payload) -> Any:
    """What the product costs when its sale is over, None outside a sale."""
    return tag("price").extract(row) if tag("sale_price").extract(row) else None


class GoogleMerchant(DocumentFeed):
    """A Merchant Center feed at ``url``; during a sale the price is the sale's."""

    format_class = MerchantFormat
    streams = (
        Stream(
            "products",
            fields={
                "sku": tag("id"),
                "name": tag("title"),
                "description": tag("description"),
                "price": Money(First(tag("sale_price"), tag("price"))),
                "compare_at_price": Money(full_price),
                "availability": tag("availability"),
                "brand": tag("brand"),
                "gtin": tag("gtin"),
                "mpn": tag("mpn"),
                "category": First(tag("product_type"), tag("google_product_category")),
                "group_key": tag("item_group_id"),
                "url": First("link.@href", tag("link")),
                "image_url": tag("image_link"),
                "attributes": Attributes(
                    condition=tag("condition"), color=tag("color"), size=tag("size")
                ),
            },
        ),
    )
