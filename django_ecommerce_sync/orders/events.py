"""Entries of an order's log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..models import Order, OrderEvent, OrderEventKind


def record_creation(order: Order, *, by: Any, stock: Mapping[str, Any]) -> None:
    """That it was made, and what it has reserved."""
    _record(order, OrderEventKind.CREATED, by=by, to_state=order.status, data=dict(stock))


def record_change(
    order: Order, fields: Iterable[str], *, by: Any, stock: Mapping[str, Any]
) -> None:
    """That these fields were changed; not to what, for they may hold personal data."""
    data = {"fields": sorted(fields), **stock}
    _record(order, OrderEventKind.CHANGED, by=by, data=data)


def record_many(created: Collection[Any], changed: Mapping[Any, Iterable[str]], *, by: Any) -> None:
    """The same for orders by primary key that were written at once and moved no stock."""
    who = _known(by)
    states = Order.objects.filter(pk__in=created).values_list("pk", "status")
    entries = [
        OrderEvent(order_id=pk, kind=OrderEventKind.CREATED, to_state=state, by=who)
        for pk, state in sorted(states)
    ]
    entries += [
        OrderEvent(
            order_id=pk, kind=OrderEventKind.CHANGED, by=who, data={"fields": sorted(fields)}
        )
        for pk, fields in changed.items()
    ]
    OrderEvent.objects.bulk_create(entries, batch_size=500)


def record_transition(order: Order, before: str, to: str, **entry: Any) -> None:
    """That it went from one state to another."""
    _record(order, OrderEventKind.TRANSITION, from_state=before, to_state=to, **entry)


def _record(order: Order, kind: str, *, by: Any, **entry: Any) -> None:
    OrderEvent.objects.create(order=order, kind=kind, by=_known(by), **entry)


def _known(by: Any) -> Any:
    return by if by is not None and by.is_authenticated else None
