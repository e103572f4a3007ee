"""Google Merchant Center: https://support.google.com/merchants/answer/7052112."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import IO, Any, ClassVar

from ...exceptions import RecordError
from ..document import Document, chunks
from ..files import DocumentFeed
from ..formats import CSV, XML, Content, Format
from ..mapping import Attributes, Computed, Converter, First, Path
from ..records import MISSING, BadRow, Page, Payload
from ..streams import Stream
from .catalog import Gtin, Present, fitting
from .prices import Price

_SALE_DATES = "sale_price_effective_date"
_MENTIONS_SALE_DATES = re.compile(_SALE_DATES.replace("_", "[ _-]").encode(), re.IGNORECASE)
#: What Atom gives its own entries as an id: an absolute IRI.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")
#: The parts of a shipping rate that are kept.
_SHIPPING = ("country", "region", "postal_code", "service", "price")
#: Attributes that are kept as they are, under their own names.
_KEPT = """
    condition adult age_group gender color material pattern size size_type size_system multipack
    is_bundle identifier_exists availability_date expiration_date google_product_category
    shipping_weight unit_pricing_measure unit_pricing_base_measure
""".split()


class MerchantFormat(Format):
    """RSS, Atom or delimited text, as the document turns out to be.

    Attributes have one spelling in all of them: ``image_link`` for ``g:image_link`` and
    ``Image Link``.
    """

    option_names: ClassVar[tuple[str, ...]] = ("encoding", "delimiter", "quotechar")

    def __init__(self, **layout: Any) -> None:
        self.text = CSV(**layout)
        #: Whether the document read last says when sales begin and end.
        self.has_sale_dates = False

    def read(self, document: Document, stream: Stream) -> Content:
        self.has_sale_dates = _mentions_sale_dates(document.rewind())
        if _is_xml(document.rewind()):
            content = XML().read(document, stream)
        else:
            content = self.text.read(document, _with_spellings(stream))
        return replace(content, rows=_respelled(iter(content.rows)))


class GoogleMerchant(DocumentFeed):
    """A Merchant Center feed at ``url``; while a sale lasts the price is the sale's.

    ``currency`` is for prices that name none, ``decimal`` for feeds that write 15,00 EUR.
    """

    format_class = MerchantFormat
    streams: Sequence[Stream] = ()

    def __init__(self, **options: Any) -> None:
        own = {}
        if not (self.streams or "stream" in options or "streams" in options):
            own = {name: options.pop(name) for name in _OWN if name in options}
        super().__init__(**options)
        self.streams = self.streams or (products(**own),)

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        now = datetime.now(UTC)
        for page in super().fetch(stream, cursor):
            # A sale begins and ends by the clock, also in a document that stays the same: it
            # is to be read again, and its rows are what they say today.
            dated = isinstance(self.format, MerchantFormat) and self.format.has_sale_dates
            yield replace(
                page,
                rows=(as_of(now, row) for row in page.rows),
                validators={} if dated else page.validators,
            )


# -- reading ---------------------------------------------------------------------------------


def _is_xml(file: IO[bytes]) -> bool:
    start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\0<"))


def _mentions_sale_dates(file: IO[bytes]) -> bool:
    tail = b""
    for chunk in chunks(file):
        found = tail + chunk.replace(b"\0", b"")  # UTF-16 is ASCII with gaps, as far as it matters
        if _MENTIONS_SALE_DATES.search(found):
            return True
        tail = found[-len(_SALE_DATES) :]
    return False


def _with_spellings(stream: Stream) -> Stream:
    """A stream that maps every spelling of its attributes: what a header may have."""
    spellings: dict[str, str] = {}
    for path in stream.paths:
        name = path.partition(".")[0]
        for spelling in (name, name.replace("_", " "), name.replace("_", "-")):
            spellings |= {one: one for one in (spelling, f"g:{spelling}")}
    return replace(stream, fields=spellings or {"id": "id"}, external_id=None, since=None)


@lru_cache(maxsize=1024)
def _spelling(name: str) -> str:
    """The one spelling of an attribute's name."""
    return re.sub(r"[ -]", "_", name.strip().lower().removeprefix("g:"))


def _respelled(rows: Iterator[Payload | BadRow]) -> Iterator[Payload | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        else:
            yield {_spelling(name): value for name, value in row.items()}


# -- sales -----------------------------------------------------------------------------------


def as_of(now: datetime, row: Payload | BadRow) -> Payload | BadRow:
    """The row without its sale price where the sale is not on."""
    if isinstance(row, BadRow) or "sale_price" not in row:
        return row
    with suppress(RecordError):  # the mapping meets it again, where it rejects the record
        dates = sale_dates(row)
        if dates and not dates[0] <= now < dates[1]:
            return {name: value for name, value in row.items() if name != "sale_price"}
    return row


def sale_dates(row: Payload) -> tuple[datetime, datetime] | None:
    """When the sale begins and ends, None for one without dates; raises ``RecordError``."""
    said = Tag(_SALE_DATES).extract(row)
    if not said:
        return None
    start, _, end = str(said).partition("/")
    try:
        return _moment(start), _moment(end, day_after=True)
    except (ValueError, OverflowError):
        raise RecordError(
            "invalid_datetime",
            f"The sale's dates are no two times such as 2026-01-01T00:00Z/2026-01-31T00:00Z in "
            f"'{_SALE_DATES}'.",
            value=said,
        ) from None


def _moment(text: str, *, day_after: bool = False) -> datetime:
    """A time with its zone, UTC where it names none; a mere day ends with its last second."""
    text = text.strip()
    moment = datetime.fromisoformat(text)
    if day_after and len(text) == len("2026-01-31"):
        moment += timedelta(days=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# -- mapping ---------------------------------------------------------------------------------


class Tag(Converter):
    """An attribute's text; the first, where an item has it several times."""

    def __init__(self, name: str) -> None:
        self.source = Path(name)

    def extract(self, payload: Payload) -> Any:
        found = several(self.source.extract(payload))
        return found[0] if found else MISSING


class Identity(Tag):
    """The product's own id, also in Atom, whose entries have another one beside it."""

    def extract(self, payload: Payload) -> Any:
        found = several(self.source.extract(payload))
        own = [text for text in found if not _IRI.fullmatch(str(text))]
        return (own or found or [MISSING])[0]


def several(value: Any) -> list[Any]:
    """Every value of an attribute: texts, and groups such as a shipping rate."""
    if value is MISSING:
        return []
    found = value if isinstance(value, list) else [value]
    return [one.get("#text", one) if isinstance(one, Mapping) else one for one in found]


def full_price(row: Payload) -> Any:
    """What the product costs when its sale is over, None outside a sale."""
    sale_dates(row)
    return Tag("price").extract(row) if Tag("sale_price").extract(row) else None


def category(row: Payload) -> Any:
    """The shop's own category or else Google's, with as many levels as there is room for."""
    text = First(Tag("product_type"), Tag("google_product_category")).extract(row)
    return fitting(re.split(r"\s*>\s*", text), " > ") if isinstance(text, str) else text


def link(row: Payload) -> Any:
    """The product's page: an element's text, or the address in an Atom link."""
    found = several(row.get("link", MISSING))
    pages = [one for one in found if not isinstance(one, Mapping)]
    pages += [
        one["@href"]
        for one in found
        if isinstance(one, Mapping) and one.get("@rel", "alternate") == "alternate"
    ]
    return pages[0] if pages else MISSING


def images(row: Payload) -> Any:
    """The addresses of more pictures; text has them in one column, between commas."""
    texts = [text for text in several(row.get("additional_image_link", MISSING)) if text]
    return [one for text in texts for one in re.split(r"\s*,\s*(?=https?:)", str(text))] or MISSING


def shipping(row: Payload) -> Any:
    """The shipping rates: groups of named parts, or texts such as ``DE::DHL:4.90 EUR``."""
    found: list[Any] = []
    for rate in several(row.get("shipping", MISSING)):
        if isinstance(rate, Mapping):
            found.append({part: rate[part] for part in _SHIPPING if rate.get(part)})
        elif rate:
            found += re.split(r"\s*,\s*(?=[A-Z]{2}:)", rate)
    return found or MISSING


_PRODUCT: Mapping[str, Any] = {
    "sku": Identity("id"),
    "name": Tag("title"),
    "description": First(Tag("description"), Tag("summary"), Tag("content")),
    "availability": Tag("availability"),
    "brand": Tag("brand"),
    "gtin": Gtin(Tag("gtin")),
    "mpn": Tag("mpn"),
    "category": category,
    "group_key": Tag("item_group_id"),
    "url": link,
    "image_url": Tag("image_link"),
    "attributes": Attributes(
        **{name: Present(Tag(name)) for name in _KEPT},
        images=images,
        shipping=shipping,
    ),
}
#: Options of the feed that shape its stream.
_OWN = ("currency", "decimal", "missing", "casefold", "allow_empty", "max_shrink")


def products(*, currency: str = "", decimal: str = ".", **attributes: Any) -> Stream:
    """The only stream of such a feed."""
    on_sale = First(Tag("sale_price"), Tag("price"))
    prices = {
        "price": Price(on_sale, currency=currency, decimal=decimal),
        "compare_at_price": Price(Computed(full_price), currency=currency, decimal=decimal),
    }
    return Stream("products", fields={**_PRODUCT, **prices}, **attributes)
