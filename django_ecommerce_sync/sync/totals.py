"""Totals of orders kept here: the lines decide, whoever states something else."""

from __future__ import annotations

from ..exceptions import RecordError
from ..models import ZERO, Order
from .table import Row

_STATED = ("subtotal", "total_amount")
_ADDED = ("shipping_total", "tax_total", "discount_total")


def settled(field: str) -> RecordError:
    """Why a field of a row that is there already cannot be written in bulk."""
    message = "It cannot be changed in bulk once the row is there."
    return RecordError("settled", message, field=field)


def complete_order(values: Row, stored: Row) -> None:
    """Compute the totals of an order with lines; a new one without states them itself.

    ``stored`` is the order as it is now; without an id it is new. Raises ``RecordError`` for a
    new order of which nobody could tell in which currency its lines are, and where the stated
    total of one that is there would change.
    """
    if values.get("lines"):
        _drop_stated(values)
        if "id" not in stored and not values.get("currency"):
            raise RecordError("required", "A new order with lines needs it.", field="currency")
        Order.sync_complete(values, stored)
    elif "id" in stored:
        for name in _STATED:
            if values.get(name, stored[name]) != stored[name]:
                raise settled(name)
        _drop_stated(values)
        if set(_ADDED) & set(values):
            values["total_amount"] = _total({**stored, **values})
    elif "total_amount" in values:
        values.setdefault("subtotal", values["total_amount"])
    else:
        values["total_amount"] = _total({**dict.fromkeys((*_STATED, *_ADDED), ZERO), **values})


def _drop_stated(values: Row) -> None:
    for name in _STATED:
        values.pop(name, None)


def _total(order: Row) -> object:
    added = order["subtotal"] + order["shipping_total"] + order["tax_total"]
    return added - order["discount_total"]
