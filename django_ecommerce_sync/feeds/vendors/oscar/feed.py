"""The feed of a shop made with Oscar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ....exceptions import ConfigurationError
from ...formats.base import Row, bad_row
from ...formats.decoding import decode_record
from ...http import HTTPFeed
from ...mapping import First, OneOf
from ...pagination import NextURL, NoPages
from ...records import BadRow, Page
from ...streams import Stream
from .links import Tail
from .orders import CUSTOMER, ORDER, ORDER_STATUSES
from .products import IMPORTED, STOCK_RECORD
from .reading import From, ListOrPage, PartnerFormat

SOURCES = ("admin", "api", "csv")
#: A stream needs a mapping, also where its rows are only looked at.
_ANY = {"sku": "id"}
#: What follows from the source.
_FIXED = ("base_url", "format", "paginator")


class DjangoOscar(HTTPFeed):
    """A shop made with Oscar.

    ``source="admin"`` reads products, customers and orders from the admin API below ``url``,
    ``source="api"`` the products of the public one, ``source="csv"`` a file of products for
    the partner importer at ``url``. A product is a stock record: what one partner sells under
    one SKU.
    """

    option_names: ClassVar[tuple[str, ...]] = (
        *(name for name in HTTPFeed.option_names if name not in _FIXED),
        "url",
        "source",
        "currency",
        "encoding",
        "delimiter",
        "order_statuses",
    )
    #: The root of the API, or the file's address or path.
    url: Any = ""
    source: str = "admin"
    #: What prices are in that do not say it; those of a file never do.
    currency: str = ""
    encoding: str = ""
    delimiter: str | None = None
    #: The statuses of the shop's own pipeline, each with one of ours.
    order_statuses: Mapping[str, str] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.source not in SOURCES:
            raise ConfigurationError(f"source='{self.source}' is none of: {', '.join(SOURCES)}.")
        self.base_url = str(self.url)
        if self.source == "csv":
            self.paginator, self.format = NoPages(), PartnerFormat(self.encoding, self.delimiter)
        else:
            self.paginator, self.format = NextURL("next"), ListOrPage()
        self.streams = self.streams or self.own_streams()

    def check(self) -> list[str]:
        return [problem.replace("base_url", "url") for problem in super().check()]

    def own_streams(self) -> Sequence[Stream]:
        """The streams of the source."""
        if self.source == "csv":
            return (Stream("products", currency=self.currency, fields=IMPORTED),)
        if self.source == "api":
            return (self._products("products/"),)
        return (self._products("admin/products/"), self._customers(), self._orders())

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        expand = {"products": self._sold, "orders": self._ordered}.get(stream.name)
        if self.source == "csv" or expand is None:
            yield from super().fetch(stream, cursor)
            return
        for page in super().fetch(stream, cursor):
            yield replace(page, rows=[one for row in page.rows for one in expand(row)])

    def _products(self, path: str) -> Stream:
        return Stream(
            "products",
            path=path,
            records="results",
            external_id=First("id", Tail("url")),
            currency=self.currency,
            fields=STOCK_RECORD,
        )

    def _customers(self) -> Stream:
        return Stream(
            "customers",
            path="admin/users/",
            records="results",
            external_id=Tail("url"),
            allow_empty=True,
            fields=CUSTOMER,
        )

    def _orders(self) -> Stream:
        status = OneOf("status", {**ORDER_STATUSES, **self.order_statuses})
        return Stream(
            "orders",
            path="admin/orders/",
            records="results",
            external_id="number",
            allow_empty=True,
            fields={**ORDER, "status": status},
        )

    def _sold(self, row: Row) -> Iterator[Row]:
        """What can be bought of a product: nothing of a parent, and what each partner has."""
        if isinstance(row, Mapping) and "stockrecords" not in row and "url" in row:
            row = self._object(row["url"])
        if isinstance(row, BadRow):
            yield row
            return
        records = row.get("stockrecords") or []
        if isinstance(records, str):
            records = self._list(records)
        if not isinstance(records, list):
            yield bad_row("not_a_list", "A list of stock records was expected.")
            return
        for record in records:
            found = record if isinstance(record, Mapping) else self._object(record)
            yield {**found, "parent": row} if isinstance(found, Mapping) else found

    def _ordered(self, row: Row) -> Iterator[Row]:
        """An order with its lines, which have an address of their own."""
        if isinstance(row, Mapping) and isinstance(row.get("lines"), str):
            lines = self._list(row["lines"])
            row = next(
                (line for line in lines if isinstance(line, BadRow)), {**row, "lines": lines}
            )
        yield row

    def _object(self, address: Any) -> Row:
        """The object at an address the shop gave."""
        if isinstance(address, BadRow):
            return address
        if not isinstance(address, str):
            return bad_row("not_an_object", "An object or its address was expected.")
        with self._get(self._own(address), {}, self.max_page_bytes) as document:
            return decode_record(document.rewind().read())

    def _list(self, address: str) -> list[Row]:
        """The whole list at an address the shop gave, also if it has pages."""
        stream = Stream("products", records="results", fields=_ANY, paginator=From(start=address))
        return [row for page in super().fetch(stream, None) for row in page.rows]
