"""Totals of orders kept here: the lines decide, whoever states something else."""

from __future__ import annotations

from ..exceptions import RecordError
from ..models import ZERO, Order
from .table import Row

_STATED = ("subtotal", "total_amount")
_PARTS = ("subtotal", "shipping_total", "tax_total", "discount_total")


def complete_order(values: Row, stored: Row) -> None:
    """Compute the totals of an order with lines; a new one without states them itself.

    ``stored`` is the order as it is now; without an id it is new. Raises ``RecordError`` for a
    new order of which nobody could tell in which currency its lines are, or whose discounts are
    more than what they are for.
    """
    is_new = "id" not in stored
    if values.get("lines"):
        for name in _STATED:
            values.pop(name, None)
        if is_new:
            _begin(values)
        Order.sync_complete(values, stored)
    elif is_new and "total_amount" in values:
        values.setdefault("subtotal", values["total_amount"])
    elif is_new:
        subtotal, shipping, tax, discount = (values.get(name, ZERO) for name in _PARTS)
        values["total_amount"] = subtotal + shipping + tax - discount
    if is_new:
        _check_discounts(values)


def _begin(values: Row) -> None:
    """What a new order with lines must say, and what follows from them where it says nothing."""
    if not values.get("currency"):
        raise RecordError("required", "A new order with lines needs it.", field="currency")
    taxes = (line.get("tax_amount", ZERO) for line in values["lines"])
    values.setdefault("tax_total", sum(taxes, ZERO))


def _check_discounts(values: Row) -> None:
    for number, line in enumerate(values.get("lines", ())):
        if line["line_total"] < 0:
            message = "It is more than the line costs."
            field = f"lines[{number}].discount_amount"
            raise RecordError("discount_too_large", message, field=field)
    if values.get("total_amount", ZERO) < 0:
        message = "It is more than the order comes to."
        raise RecordError("discount_too_large", message, field="discount_total")
