"""Entries of an order's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def record_transition(order: Order, before: str, to: str, **entry: Any) -> None:
    """That it went from one state to another."""
    _record(order, OrderEventKind.TRANSITION, from_state=before, to_state=to, **entry)


def _record(order: Order, kind: str, *, by: Any, **entry: Any) -> None:
    known = by if by is not None and by.is_authenticated else None
    OrderEvent.objects.create(order=order, kind=kind, by=known, **entry)
