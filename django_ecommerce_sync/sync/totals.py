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
    new order of which nobody could tell in which currency its lines are.
    """
    is_new = "id" not in stored
    if values.get("lines"):
        for name in _STATED:
            values.pop(name, None)
        if is_new and not values.get("currency"):
            raise RecordError("required", "A new order with lines needs it.", field="currency")
        Order.sync_complete(values, stored)
    elif is_new and "total_amount" in values:
        values.setdefault("subtotal", values["total_amount"])
    elif is_new:
        subtotal, shipping, tax, discount = (values.get(name, ZERO) for name in _PARTS)
        values["total_amount"] = subtotal + shipping + tax - discount
