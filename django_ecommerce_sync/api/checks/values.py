"""The values of the settings: their names, types and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage

from ...checks.messages import API, error, guess
from ..conf import DEFAULT_RATES, ApiSettings

#: The least and the greatest each number may be.
RANGES: Mapping[str, tuple[int, int]] = {
    "NUM_PROXIES": (0, 10),
    "PAGE_SIZE": (1, 1000),
    "MAX_PAGE_SIZE": (1, 1000),
    "MAX_BODY_SIZE": (1, 2**30),
    "MAX_BULK_BODY_SIZE": (1, 2**30),
    "MAX_BULK_ROWS": (1, 10_000),
    "MAX_QUEUED_BULK_ROWS": (0, 1_000_000),
    "MAX_EXPORT_ROWS": (1, 10_000_000),
}
#: The size of a page, and the greatest there is.
PAGE_SIZES = ("PAGE_SIZE", "MAX_PAGE_SIZE")
LIFETIMES = ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME", "IDEMPOTENCY_KEY_LIFETIME")


def names(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    known = ApiSettings.names()
    for name in configured:
        if name not in known:
            yield error("027", f"{API} has an unknown key {name!r}.", guess(name, known))


def numbers(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name in RANGES.keys() & configured.keys():
        value, (low, high) = configured[name], RANGES[name]
        if type(value) is not int or not low <= value <= high:
            message = f"{API}['{name}'] is no whole number from {low} to {high}."
            yield error("028", message, f"The default is {vars(ApiSettings)[name]}.")
    yield from _page_sizes(configured)


def _page_sizes(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    sizes = [configured.get(name, vars(ApiSettings)[name]) for name in PAGE_SIZES]
    if all(type(size) is int for size in sizes) and sizes[0] > sizes[1]:
        message = f"{API}['PAGE_SIZE'] is {sizes[0]}, and 'MAX_PAGE_SIZE' is {sizes[1]}."
        yield error("033", message, "Make it no larger than what a client may ask for.")


def lifetimes(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name in LIFETIMES:
        value = configured.get(name, timedelta(1))
        if not isinstance(value, timedelta) or value <= timedelta(0):
            message = f"{API}['{name}'] is no timedelta above 0."
            yield error("029", message, f"The default is {vars(ApiSettings)[name]!r}.")


def rates(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    rates = configured.get("THROTTLE_RATES", {})
    if not isinstance(rates, Mapping):
        yield error("030", f"{API}['THROTTLE_RATES'] is no dict.", "{'login': '5/min'}")
        return
    for scope, rate in rates.items():
        place = f"{API}['THROTTLE_RATES']"
        if scope not in DEFAULT_RATES:
            hint = guess(scope, list(DEFAULT_RATES))
            yield error("030", f"{place} has an unknown scope {scope!r}.", hint)
        elif rate is not None and not re.fullmatch(r"[1-9][0-9]*/(s|m|h|d)[a-z]*", str(rate)):
            hint = "Write a number per second, minute, hour or day: '5/min'. None switches it off."
            yield error("030", f"{place}[{scope!r}] is {rate!r}.", hint)
