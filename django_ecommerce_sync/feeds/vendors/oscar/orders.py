"""Oscar's orders, and the users who placed them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...mapping import Attributes, First, Lines, Ref, Text, rounded
from ...records import Payload
from ..catalog import Present
from .links import Tail

ORDER_STATUSES = {
    "new": "pending",
    "Pending": "pending",
    "Being processed": "processing",
    "Processing": "processing",
    "Shipped": "shipped",
    "Dispatched": "shipped",
    "Complete": "completed",
    "Completed": "completed",
    "Cancelled": "cancelled",
    "Refunded": "refunded",
    "Failed": "failed",
}
CUSTOMER: Mapping[str, Any] = {
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
}


def postal(kind: str) -> Attributes:
    """The billing or the shipping address of an order."""
    names = "first_name last_name line1 line2 line3 state phone_number".split()
    known = {"line4": "city", "postcode": "postal_code"}
    return Attributes(
        **{name: Present(f"{kind}.{name}") for name in names},
        **{ours: Present(f"{kind}.{theirs}") for theirs, ours in known.items()},
        country=Present(Tail(f"{kind}.country")),
    )


def charged(row: Payload) -> list[Any]:
    """What the order's total is made of beside shipping and tax: its lines, then surcharges."""
    surcharges = [
        {
            "name": one.get("name"),
            "quantity": 1,
            "price_excl_tax": one["excl_tax"],
            "price_incl_tax": one["incl_tax"],
            "price_excl_tax_excl_discounts": one["excl_tax"],
        }
        for one in row.get("surcharges") or ()
    ]
    return [*row["lines"], *surcharges]


def full_price(line: Payload) -> Decimal:
    """What a line costs before discounts and tax."""
    return Decimal(line["price_excl_tax_excl_discounts"])


def unit_price(line: Payload) -> Any:
    """What one piece cost before discounts and tax."""
    return rounded(full_price(line) / Decimal(line["quantity"]), 4) if line["quantity"] else 0


def discount(line: Payload) -> Decimal:
    """What offers and vouchers took off a line."""
    return full_price(line) - Decimal(line["price_excl_tax"])


def tax(line: Payload) -> Decimal:
    """The tax on a line."""
    return Decimal(line["price_incl_tax"]) - Decimal(line["price_excl_tax"])


def subtotal(row: Payload) -> Decimal:
    """The lines before discounts and tax."""
    return sum(map(full_price, charged(row)), Decimal(0))


def discount_total(row: Payload) -> Decimal:
    """What was taken off all lines."""
    return sum(map(discount, charged(row)), Decimal(0))


def tax_total(row: Payload) -> Decimal:
    """The tax on lines and shipping."""
    return Decimal(row["total_incl_tax"]) - Decimal(row["total_excl_tax"])


def full_name(row: Payload) -> str:
    """The name of whom the order is billed to, or else sent to."""
    address = row.get("billing_address") or row.get("shipping_address") or {}
    names = [address.get("first_name"), address.get("last_name")]
    return " ".join(name for name in names if name)


ORDER: Mapping[str, Any] = {
    "order_id": Text("number"),
    "customer": Ref("customers", Tail("owner"), key=First("email", "guest_email"), optional=True),
    "customer_email": First("email", "guest_email"),
    "customer_name": full_name,
    "order_date": "date_placed",
    "currency": "currency",
    "subtotal": subtotal,
    "discount_total": discount_total,
    "shipping_total": "shipping_excl_tax",
    "tax_total": tax_total,
    "total_amount": "total_incl_tax",
    "billing_address": postal("billing_address"),
    "shipping_address": postal("shipping_address"),
    "lines": Lines(
        charged,
        {
            "product": Ref("products", Tail("stockrecord"), optional=True),
            "name": Present(First("title", "name")),
            "sku": Present("partner_sku"),
            "unit_price": unit_price,
            "quantity": "quantity",
            "discount_amount": discount,
            "tax_amount": tax,
            "line_total": "price_excl_tax",
        },
    ),
}
