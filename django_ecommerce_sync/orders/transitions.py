"""Moving an order from one state to another."""

from __future__ import annotations

from typing import Any

from ..exceptions import TransitionNotAllowed
from ..models import Order
from . import stock
from .editing import standing
from .events import record_transition
from .states import STATES, allowed_transitions, consequences, is_released


def transition(
    order: Order, to: str, *, column: str | None = None, note: str = "", by: Any = None
) -> None:
    """Move the order, and the stock with it; the caller holds the order's row lock.

    ``column`` is given where one column is to be changed: ``refunded`` is a state of the whole
    order, so its payment alone cannot become it. Raises ``TransitionNotAllowed``, or
    ``InsufficientStock`` where an order comes back for goods that were sold to others meanwhile.
    """
    _check(order, to, column)
    changes = consequences(order, to)
    before = {name: getattr(order, name) for name in changes}
    was_released = is_released(order)
    for name, state in changes.items():
        setattr(order, name, state)
    moved = stock.settle(order, was_released=was_released)
    order.save(update_fields=list(changes))
    data = {"changes": {name: [before[name], state] for name, state in changes.items()}, **moved}
    record_transition(order, before[STATES[to]], to, note=note, by=by, data=data)


def _check(order: Order, to: str, column: str | None) -> None:
    allowed = allowed_transitions(order)
    if to in allowed and column in (None, STATES[to]):
        return
    choice = f"It can become: {', '.join(allowed)}." if allowed else "It cannot be moved any more."
    what = "The order" if column in (None, STATES.get(to)) else f"Its {column} alone"
    message = f"{what} is {standing(order)} and cannot become {to}. {choice}"
    raise TransitionNotAllowed(message, allowed, column or "to")
