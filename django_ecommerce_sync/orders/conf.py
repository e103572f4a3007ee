"""The settings of orders. They are keys of ``ECOMMERCE_SYNC["API"]``, for that is where orders
are made and moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..conf import settings

#: Order status → where an order may go from there; a project's own rows replace these.
DEFAULT_TRANSITIONS: Mapping[str, Sequence[str]] = {
    "pending": (
        "authorized",
        "paid",
        "processing",
        "on_hold",
        "shipped",
        "completed",
        "cancelled",
        "failed",
    ),
    "on_hold": ("authorized", "paid", "pending", "processing", "cancelled", "failed"),
    "processing": (
        "authorized",
        "paid",
        "on_hold",
        "partial",
        "shipped",
        "completed",
        "cancelled",
    ),
    "shipped": ("paid", "completed", "returned", "partially_refunded", "refunded"),
    "completed": ("paid", "returned", "partially_refunded", "refunded"),
    "cancelled": ("voided", "refunded"),
    "failed": ("pending", "cancelled"),
    "refunded": ("returned",),
}
#: What an order does to the stock.
STRICT, BACKORDER, OFF = "strict", "backorder", "off"
STOCK_POLICIES = (STRICT, BACKORDER, OFF)


class OrderSettings:
    """Typed view of the keys of ``ECOMMERCE_SYNC["API"]`` that concern orders."""

    #: ``{status: [state, ...]}``, laid over the default table row by row.
    ORDER_TRANSITIONS: Mapping[str, Sequence[str]] = {}
    #: ``strict`` sells what is there, ``backorder`` any number, ``off`` leaves stock alone.
    ORDER_STOCK: str = STRICT

    def __getattribute__(self, name: str) -> Any:
        default = object.__getattribute__(self, name)
        return settings.API.get(name, default)


order_settings = OrderSettings()


def transitions() -> Mapping[str, Sequence[str]]:
    """The table in force."""
    return {**DEFAULT_TRANSITIONS, **order_settings.ORDER_TRANSITIONS}
