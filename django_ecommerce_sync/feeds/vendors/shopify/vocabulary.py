"""What Shopify's words mean here, whichever of its three spellings they come in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ....exceptions import RecordError
from ...mapping import Attributes, Converter, First, OneOf, Template, converter
from ...records import MISSING, Payload
from ..catalog import Gtin

#: The title of the only variant of a product that has no options.
NO_TITLE = "Default Title"
#: Digits of the codes that are printed as bars and known all over the world.
_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}", re.ASCII)

PRODUCT_STATUSES = {
    "active": "active",
    "unlisted": "active",  # on sale for whoever has its address
    "draft": "draft",
    "archived": "archived",
}
PAYMENTS = {
    "pending": "pending",
    "authorized": "authorized",
    "partially_paid": "partially_paid",
    "paid": "paid",
    "partially_refunded": "partially_refunded",
    "refunded": "refunded",
    "voided": "voided",
    "expired": "voided",
}
FULFILLMENTS = {
    "": "unfulfilled",
    None: "unfulfilled",
    "unfulfilled": "unfulfilled",
    "open": "unfulfilled",
    "pending": "unfulfilled",
    "pending_fulfillment": "unfulfilled",
    "in_progress": "unfulfilled",
    "on_hold": "unfulfilled",
    "scheduled": "unfulfilled",
    "request_declined": "unfulfilled",
    "partial": "partial",
    "partially_fulfilled": "partial",
    "fulfilled": "fulfilled",
    "restocked": "returned",
}


class Word(Converter):
    """A word of a fixed list, in lower case: REST writes ``paid``, GraphQL ``PAID``."""

    def __init__(self, source: Any) -> None:
        self.source = converter(source)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return value.strip().lower() if isinstance(value, str) else value


class Id(Converter):
    """A record's number: 9, whether it is written as 9 or as ``gid://shopify/Product/9``."""

    def __init__(self, source: Any) -> None:
        self.source = converter(source)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return value.rpartition("/")[2] if isinstance(value, str) else value


class StandIn(Converter):
    """A SKU made of the variant's id, for a variant that has none of its own."""

    def __init__(self, template: str, number: Any) -> None:
        self.template = Template(template)
        self.number = converter(number)

    def extract(self, payload: Payload) -> Any:
        return self.template.extract({"id": self.number.extract(payload)})


class Said(First):
    """The first of several sources that carries more than nothing; missing if none does."""

    def extract(self, payload: Payload) -> Any:
        value = super().extract(payload)
        return MISSING if value is None or value == "" else value


class VariantName(Converter):
    """The product's title, and the variant's behind it where there is more than one variant."""

    def __init__(self, product: Any, variant: Any) -> None:
        self.product = converter(product)
        self.variant = converter(variant)

    def extract(self, payload: Payload) -> Any:
        title, variant = self.product.extract(payload), self.variant.extract(payload)
        if not isinstance(variant, str) or variant.strip() in ("", NO_TITLE):
            return title
        return f"{title} - {variant}" if isinstance(title, str) else title


class Barcode(Gtin):
    """The barcode where it is a GTIN; Shopify takes any text for one."""

    def extract(self, payload: Payload) -> Any:
        code = super().extract(payload)
        return code if not isinstance(code, str) or _GTIN.fullmatch(code) else ""


class Tags(Converter):
    """A product's tags as a list; REST and the export have them in one text."""

    def __init__(self, source: Any) -> None:
        self.source = converter(source)

    def extract(self, payload: Payload) -> Any:
        tags = self.source.extract(payload)
        if isinstance(tags, str):
            tags = [tag for part in tags.split(",") if (tag := part.strip())]
        return tags or MISSING


class Stock(Converter):
    """Whether a variant can be had: by its quantity, and what the shop does at nought.

    ``tracked`` is false, null or blank where the shop does not count it.
    """

    def __init__(self, quantity: Any, policy: Any, tracked: Any) -> None:
        self.quantity = converter(quantity)
        self.policy = Word(policy)
        self.tracked = converter(tracked)

    def extract(self, payload: Payload) -> Any:
        if self.tracked.extract(payload) in (None, False, ""):
            return "in_stock"
        quantity = self.quantity.extract(payload)
        if quantity is MISSING or quantity is None or quantity == "":
            return MISSING
        if number(quantity) > 0:
            return "in_stock"
        return "backorder" if self.policy.extract(payload) == "continue" else "out_of_stock"


class OrderStatus(Converter):
    """How far an order is; Shopify has no single word for it.

    Cancelled, refunded and archived ones say so; the others by their payment and fulfillment.
    """

    def __init__(self, *, cancelled: Any, closed: Any, payment: Any, fulfillment: Any) -> None:
        self.cancelled = converter(cancelled)
        self.closed = converter(closed)
        self.payment = Word(payment)
        self.fulfillment = Word(fulfillment)

    def extract(self, payload: Payload) -> str:
        paid, sent = self.payment.extract(payload), self.fulfillment.extract(payload)
        if self.cancelled.extract(payload) or paid == "voided":
            return "cancelled"
        if paid == "refunded":
            return "refunded"
        if self.closed.extract(payload):
            return "completed"
        if sent == "fulfilled":
            return "shipped"
        if paid == "expired":
            return "on_hold"
        return "pending" if paid == "pending" else "processing"


class FullName(Converter):
    """The first of several names that says something; a pair of sources is first and last."""

    def __init__(self, *sources: Any) -> None:
        self.sources = [
            [converter(part) for part in (source if isinstance(source, tuple) else (source,))]
            for source in sources
        ]

    def extract(self, payload: Payload) -> str:
        for parts in self.sources:
            texts = [part.extract(payload) for part in parts]
            name = " ".join(text.strip() for text in texts if isinstance(text, str))
            if name.strip():
                return name.strip()
        return ""


class Total(Converter):
    """The sum of an amount over the objects of a list: taxes, discounts, shipping."""

    def __init__(self, source: Any, amount: Any) -> None:
        self.source = converter(source)
        self.amount = converter(amount)

    def extract(self, payload: Payload) -> Any:
        rows = self.source.extract(payload)
        if not isinstance(rows, list):
            return MISSING
        if not all(isinstance(row, Mapping) for row in rows):
            raise RecordError("not_an_object", "A list of objects was expected.", value=rows)
        return sum((number(self.amount.extract(row)) for row in rows), Decimal(0))


def number(value: Any) -> Decimal:
    """An amount or a quantity to reckon with; nothing is nought."""
    if value is MISSING or value is None or value == "":
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise RecordError("invalid_decimal", "It is not a number.", value=value)
    return found


def status(source: Any) -> OneOf:
    """A product's status; what Shopify may add is not on sale before we know what it means."""
    return OneOf(Word(source), PRODUCT_STATUSES, default="draft")


def payment(source: Any) -> OneOf:
    """How far an order is paid; words Shopify may add are unknown."""
    return OneOf(Word(source), PAYMENTS, default="unknown")


def fulfillment(source: Any) -> OneOf:
    """How far an order is sent; words Shopify may add are unknown."""
    return OneOf(Word(source), FULFILLMENTS, default="unknown")


def address(parts: Mapping[str, Sequence[str]], place: Callable[[str], Any]) -> Attributes:
    """An address of these parts, each the first of its names that says something.

    ``place`` is where a name is found: a path or a converter.
    """
    return Attributes(**{part: Said(*map(place, names)) for part, names in parts.items()})
