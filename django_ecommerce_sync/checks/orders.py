"""The settings of orders: the table of their states, the stock, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from ..models import OrderStatus
from ..orders import STATES
from ..orders.conf import STOCK_POLICIES
from .messages import API, error, guess


def orders(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Whether there are such states and such a policy."""
    api = configured.get("API", {})
    if not isinstance(api, Mapping):
        return
    yield from _table(api.get("ORDER_TRANSITIONS", {}))
    policy = api.get("ORDER_STOCK", STOCK_POLICIES[0])
    if policy not in STOCK_POLICIES:
        message = f"{API}['ORDER_STOCK'] is {policy!r}."
        yield error("022", message, guess(policy, STOCK_POLICIES))
    yield from _customer(api.get("CUSTOMER_OF_USER"))


def _table(table: Any) -> Iterator[CheckMessage]:
    place = f"{API}['ORDER_TRANSITIONS']"
    if not isinstance(table, Mapping):
        hint = 'Give it rows, {"pending": ["paid", "cancelled"]}; the others stay as they are.'
        yield error("023", f"{place} must be a dict.", hint)
        return
    for status, ways in table.items():
        if status not in OrderStatus.values:
            message = f"{place} has a row for {status!r}, which is no status of an order."
            yield error("024", message, _guess_status(status))
        if not isinstance(ways, Sequence) or isinstance(ways, str):
            message = f"{place}[{status!r}] must be a list of states."
            yield error("023", message, f"For example: {OrderStatus.PROCESSING.value!r}, 'paid'.")
            continue
        for state in ways:
            if state not in list(STATES):  # it may be of any type
                message = f"{place}[{status!r}] leads to {state!r}, which is no state."
                yield error("025", message, guess(state, list(STATES)))


def _guess_status(name: Any) -> str:
    column = STATES.get(name) if isinstance(name, str) else None
    if column is not None:
        return f"It is a {column}; the rows are those of the order's own status."
    return guess(name, OrderStatus.values)


def _customer(find: Any) -> Iterator[CheckMessage]:
    """Whether the function is there that tells which customer a user is."""
    place = f"{API}['CUSTOMER_OF_USER']"
    hint = "Give it the dotted path of a function: user -> Customer, or None."
    try:
        find = import_string(find) if isinstance(find, str) else find
    except ImportError as reason:
        yield error("026", f"{place} cannot be imported: {reason}", hint)
        return
    if find is not None and not callable(find):
        yield error("026", f"{place} is no function.", hint)
