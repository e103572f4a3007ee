"""What of an order may be changed when, and which orders may be deleted."""

from __future__ import annotations

from collections.abc import Collection

from ..exceptions import OrderLocked
from ..models import FulfillmentStatus, Order, OrderStatus, PaymentStatus
from .states import is_gone

#: What is sold, and for how much.
DEAL = frozenset(
    {
        "order_id",
        "order_date",
        "currency",
        "lines",
        "subtotal",
        "discount_total",
        "shipping_total",
        "tax_total",
        "total_amount",
    }
)
_OPEN = frozenset({OrderStatus.PENDING, OrderStatus.ON_HOLD})
_ENDED = frozenset({OrderStatus.CANCELLED, OrderStatus.FAILED, OrderStatus.REFUNDED})
_UNPAID = frozenset({PaymentStatus.UNKNOWN, PaymentStatus.PENDING})
_UNSENT = frozenset({FulfillmentStatus.UNKNOWN, FulfillmentStatus.UNFULFILLED})


def check_editable(order: Order, fields: Collection[str]) -> None:
    """Raise ``OrderLocked`` if one of these fields cannot be changed in the order's state."""
    locked: set[str] = set()
    if order.status not in _OPEN or order.payment_status not in _UNPAID:
        locked |= DEAL.intersection(fields)
    if "shipping_address" in fields and (is_gone(order) or order.status in _ENDED):
        locked.add("shipping_address")
    if locked:
        names = ", ".join(sorted(locked))
        raise OrderLocked(
            "not_editable", f"It is {standing(order)}: {names} cannot be changed.", sorted(locked)
        )


def check_deletable(order: Order) -> None:
    """Raise ``OrderLocked`` unless the order was made here and nothing was paid or sent yet."""
    if not order.is_local:
        message = f"It comes from {order.source}; its next run would bring it again."
        raise OrderLocked("not_deletable", message)
    was_sold = order.payment_status not in _UNPAID or order.fulfillment_status not in _UNSENT
    if was_sold or is_gone(order) or order.status == OrderStatus.REFUNDED:
        message = f"It is {standing(order)}: what was paid or sent is kept. Cancel it instead."
        raise OrderLocked("not_deletable", message)


def standing(order: Order) -> str:
    """The order's state in words: its status, and what is known of payment and fulfillment."""
    parts = (order.status, order.payment_status, order.fulfillment_status)
    return ", ".join(dict.fromkeys(part for part in parts if part != "unknown"))
