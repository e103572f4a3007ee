"""Best Buy's product catalogue: https://bestbuyapis.github.io/api-documentation/."""

from __future__ import annotations

from typing import Any, ClassVar

from ...exceptions import ConfigurationError
from ..auth import Query
from ..http import HTTPFeed
from ..mapping import Attributes, Const, First, Moment, OneOf, Text
from ..pagination import Answer, Cursor, PageNumber
from ..records import MISSING, Payload
from ..source import did_you_mean
from ..streams import Since, Stream
from .catalog import Joined, Names, Present

#: As many products as a page may have.
PAGE_SIZE = 100
#: The attributes to ask for; whatever else a product has never leaves Best Buy.
SHOW = (
    "sku",
    "name",
    "longDescription",
    "salePrice",
    "regularPrice",
    "onlineAvailability",
    "orderable",
    "active",
    "manufacturer",
    "modelNumber",
    "upc",
    "categoryPath",
    "url",
    "image",
    "color",
    "condition",
    "itemUpdateDate",
)
#: The catalogue's times are those of a zone it does not name: a day is more than any of them.
CHANGED = Since(Moment("itemUpdateDate"), overlap="1d", format="%Y-%m-%dT%H:%M:%S")
#: Other answers to the question whether a product can be had say no more than the next one.
ORDERABLE = {"PreOrder": "preorder", "BackOrder": "backorder"}


class CursorMark(Cursor):
    """A cursor that points to itself at the end."""

    def after(self, state: Any, answer: Answer) -> Any:
        following = super().after(state, answer)
        return None if following == state else following


def full_price(row: Payload) -> Any:
    """What the product costs when its sale is over, None outside a sale."""
    full, sale = row.get("regularPrice", MISSING), row.get("salePrice")
    return None if full == sale else full


def offers(row: Payload) -> list[dict[str, Any]]:
    """What the opened boxes cost, by the condition they are in."""
    return [
        {"condition": offer["condition"], "price": offer["prices"]["current"]}
        for offer in row.get("offers") or ()
    ]


PRODUCTS = Stream(
    "products",
    path="v1/products",
    records="products",
    paginator=CursorMark(
        "cursorMark", "nextCursorMark", start="*", total="total", partial="partial"
    ),
    params={"format": "json", "pageSize": PAGE_SIZE, "show": ",".join(SHOW)},
    since=CHANGED,
    external_id="sku",
    currency="USD",
    fields={
        "sku": Text("sku"),
        "name": Text("name", unescape=True),
        "description": Text("longDescription", unescape=True),
        "price": "salePrice",
        "compare_at_price": full_price,
        "availability": First(
            OneOf("orderable", ORDERABLE, default=None),
            OneOf("onlineAvailability", {True: "in_stock", False: "out_of_stock"}),
        ),
        "brand": "manufacturer",
        "mpn": "modelNumber",
        "gtin": "upc",
        "category": Joined(Names("categoryPath"), " > "),
        "url": "url",
        "image_url": "image",
        "status": OneOf("active", {True: "active", False: "archived"}),
        "attributes": Attributes(color=Present("color"), condition=Present("condition")),
    },
)
OPENBOX = Stream(
    "products",
    path="beta/products/openBox",
    records="results",
    paginator=PageNumber(
        size_param="pageSize",
        size=PAGE_SIZE,
        total_pages="metadata.page.total",
        total="metadata.resultSet.count",
    ),
    external_id="sku",
    currency="USD",
    fields={
        "sku": Text("sku"),
        "name": Text("names.title", unescape=True),
        "description": Text("descriptions.short", unescape=True),
        "price": "prices.current",
        "compare_at_price": "prices.regular",
        # Not ``links.product``: that address has the key in it.
        "url": "links.web",
        "image_url": "images.standard",
        "attributes": Attributes(condition=Const("open box"), offers=offers),
    },
)
SOURCES = {"catalogue": PRODUCTS, "openbox": OPENBOX}


class BestBuy(HTTPFeed):
    """The catalogue, or with ``source="openbox"`` the products that are sold from opened boxes.

    ``BestBuy(key_env="BESTBUY_API_KEY", search="categoryPath.id=abcat0502000")``
    """

    option_names: ClassVar[tuple[str, ...]] = (
        *HTTPFeed.option_names,
        "source",
        "key_env",
        "search",
    )
    base_url = "https://api.bestbuy.com/"
    #: What a key may ask.
    rate = "5/s"
    #: ``catalogue`` or ``openbox``.
    source: str = "catalogue"
    #: The environment variable with the API key.
    key_env: str = "BESTBUY_API_KEY"
    #: Which products, as Best Buy's queries write it: ``type=HardGood&manufacturer=canon``.
    search: str = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.source not in SOURCES:
            guess = did_you_mean(self.source, SOURCES)
            raise ConfigurationError(f"BestBuy has no source '{self.source}'{guess}")
        if set(self.search) & set("?#"):
            raise ConfigurationError(
                f"The search of BestBuy, '{self.search}', goes into a path; it can have no ? or #."
            )
        self.auth = self.auth or Query("apiKey", self.key_env)
        self.streams = self.streams or (SOURCES[self.source],)

    def asks_for_changes(self, stream: Stream) -> bool:
        """In the address, that is."""
        return stream.since is not None

    def address(self, stream: Stream) -> str:
        """Where the stream is; the query is a part of the path, in brackets."""
        terms = [self.search] if self.search else []
        if stream.since is not None and stream.since.value:
            terms.append(f"itemUpdateDate>={stream.since.value}")
        asked = f"({'&'.join(terms)})" if terms else ""
        return f"{super().address(stream)}{asked}"
