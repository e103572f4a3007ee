"""What a source says about its quota, so that we slow down before it refuses us.

Three families of headers are understood, the names in any case:

- ``RateLimit: "default";r=0;t=5``, and its older form ``limit=100, remaining=0, reset=5``;
- ``RateLimit-Remaining`` and ``RateLimit-Reset``, also with ``X-`` or as ``X-Rate-Limit-``;
- Shopify's ``X-Shopify-Shop-Api-Call-Limit: 39/40``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

_FAMILIES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")
_NUMBER = re.compile(r"\s*(-?[0-9]{1,18})(?:\.[0-9]*)?")
_PAIR = re.compile(r"([a-z]+)\s*=\s*([0-9]{1,18})")
#: A reset beyond this many seconds is a point in time, beyond the second number in milliseconds.
_EPOCH, _EPOCH_MS = 10**9, 10**12
#: Shopify's bucket runs empty in this many seconds, on every plan.
_SHOPIFY_SECONDS = 20
_SHOPIFY_RESERVE = 0.1


def pause(headers: Mapping[str, str]) -> float:
    """Seconds the source would have us wait before the next request; 0 where it says nothing."""
    waits = [_structured(headers.get("RateLimit", "")), _shopify(headers)]
    waits += [_counted(headers, family) for family in _FAMILIES]
    return max(waits)


def _structured(value: str) -> float:
    """The longest wait of the quotas that are used up."""
    whole = dict(_PAIR.findall(value))
    if "remaining" in whole:
        return _wait(whole["remaining"], whole.get("reset", "0"))
    quotas = [dict(_PAIR.findall(quota)) for quota in value.split(",")]
    return max(_wait(quota.get("r", "1"), quota.get("t", "0")) for quota in quotas)


def _counted(headers: Mapping[str, str], family: str) -> float:
    remaining = _number(headers.get(f"{family}-Remaining", ""))
    reset = _number(headers.get(f"{family}-Reset", ""))
    if remaining is None or remaining > 0 or reset is None:
        return 0.0
    if reset >= _EPOCH_MS:
        reset //= 1000
    return max(reset - _now(headers) if reset >= _EPOCH else reset, 0.0)


def _shopify(headers: Mapping[str, str]) -> float:
    """Time for as many calls to run out as the bucket lacks of a tenth."""
    used, _, limit = headers.get("X-Shopify-Shop-Api-Call-Limit", "").partition("/")
    calls, size = _number(used), _number(limit)
    if calls is None or size is None or size <= 0:
        return 0.0
    lacking = size * _SHOPIFY_RESERVE - (size - calls) + 1
    return max(lacking, 0.0) * _SHOPIFY_SECONDS / size


def _wait(remaining: str, reset: str) -> float:
    return 0.0 if int(remaining) > 0 else float(reset)


def _now(headers: Mapping[str, str]) -> float:
    """The source's clock, or ours where it shows none."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return time()


def _number(text: str) -> int | None:
    match = _NUMBER.match(text)
    return int(match[1]) if match else None
