"""Where an order stands and where it may go.

A state is a value of one of an order's three columns. The table says for each ``status`` which
states may follow; payment and fulfillment only ever go forward, so they remember what has been.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..models import FulfillmentStatus, Order, OrderStatus, PaymentStatus
from .conf import transitions

#: The columns whose values stand in the order of their progress.
_LADDERS: Mapping[str, list[str]] = {
    "payment_status": PaymentStatus.values,
    "fulfillment_status": FulfillmentStatus.values,
}
#: State → the column that holds it; where several have it, it is the order's own status.
STATES: Mapping[str, str] = {
    **dict.fromkeys(OrderStatus.values, "status"),
    **{
        state: column
        for column, ladder in _LADDERS.items()
        for state in ladder
        if state not in (*OrderStatus.values, "unknown")
    },
}
#: What else comes with a state, as far as it is a way forward.
_CONSEQUENCES: Mapping[str, Mapping[str, str]] = {
    "paid": {"status": OrderStatus.PROCESSING},
    "shipped": {"fulfillment_status": FulfillmentStatus.FULFILLED},
    "completed": {"fulfillment_status": FulfillmentStatus.FULFILLED},
    "refunded": {"payment_status": PaymentStatus.REFUNDED},
}
#: Orders that want nothing out of the stock, or nothing any more.
_RELEASED = frozenset({OrderStatus.CANCELLED, OrderStatus.FAILED, OrderStatus.REFUNDED})
_GONE = frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED})
_DELIVERED = frozenset({FulfillmentStatus.FULFILLED, FulfillmentStatus.RETURNED})


def allowed_transitions(order: Order) -> list[str]:
    """The states the order may go to now, in the order of the table."""
    row = transitions().get(order.status, ())
    return [state for state in row if state in STATES and _is_way(order, STATES[state], state)]


def consequences(order: Order, to: str) -> dict[str, str]:
    """The columns that change when the order goes to a state: {column: value}."""
    others = {
        column: str(state)
        for column, state in _CONSEQUENCES.get(to, {}).items()
        if _follows(order, column, state)
    }
    return {STATES[to]: to, **others}


def _follows(order: Order, column: str, state: str) -> bool:
    if column == "status" and state not in transitions().get(order.status, ()):
        return False
    return _is_way(order, column, state)


def _is_way(order: Order, column: str, state: str) -> bool:
    """Whether a column is not there yet, nor past it."""
    now = getattr(order, column)
    ladder = _LADDERS.get(column)
    return bool(now != state if ladder is None else ladder.index(state) > ladder.index(now))


def is_released(order: Order) -> bool:
    """Whether the order has no claim on the stock."""
    return order.status in _RELEASED


def is_gone(order: Order) -> bool:
    """Whether the goods have left the stock."""
    return not is_released(order) and (
        order.status in _GONE or order.fulfillment_status in _DELIVERED
    )
