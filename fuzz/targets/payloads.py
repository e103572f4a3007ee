"""Payloads made of a fuzzer's bytes: whatever shape a format may give."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import atheris

#: The keys the mappings read, so that there is often something to be found.
KEYS = ["id", "a", "b", "rows", "parent", "currency", "0", "a.b", "c"]
TEXTS = [
    "", " ", "0", "1", "15.00 USD", "EUR 1", "1.234,5", "1e5", "1E+999999", "-1E-999999", "NaN",
    "Infinity", "2024-02-29T12:00:00Z", "0001-01-01T00:00:00+23:59", "20240229", "&eacute;", "x",
    "&#0;", "９", "9" * 400, "true", "\0",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2**63, -(10**399), 10**12, True, False,
    Decimal("1.5"), Decimal("-0.0"), Decimal("1E+999999"), Decimal("1E-999999"),
]  # fmt: skip
MOMENTS = [datetime(1900, 1, 1), datetime.max, date.min, time(23), timedelta(days=-1)]
MAX_DEPTH = 4


def payload(given: atheris.FuzzedDataProvider, depth: int = 0) -> dict[str, Any]:
    """An object with some of the keys."""
    return {
        given.PickValueInList(KEYS): value(given, depth + 1)
        for _ in range(given.ConsumeIntInRange(0, 5))
    }


def value(given: atheris.FuzzedDataProvider, depth: int = 0) -> Any:
    """Null, text, a number, a time, or a list or object of such."""
    kind = given.ConsumeIntInRange(0, 7 if depth < MAX_DEPTH else 5)
    if kind == 0:
        return None
    if kind == 1:
        return given.PickValueInList(TEXTS)
    if kind == 2:
        return given.ConsumeUnicodeNoSurrogates(given.ConsumeIntInRange(0, 20))
    if kind == 3:
        return given.PickValueInList(NUMBERS)
    if kind == 4:
        return given.ConsumeInt(8)
    if kind == 5:
        return given.PickValueInList(MOMENTS)
    if kind == 6:
        return [value(given, depth + 1) for _ in range(given.ConsumeIntInRange(0, 3))]
    return payload(given, depth)
