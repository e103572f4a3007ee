"""Rows put together and taken apart, of every shape."""

from __future__ import annotations

from itertools import product
from typing import Any

import atheris

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import BadRow, Stream
from django_ecommerce_sync.feeds.reshaping import reshaped

from .base import FIELDS, Mismatch, Target
from .payloads import payload

STREAMS = [
    Stream("products", fields=FIELDS, external_id="id", parent=parent, group_by=group, each=each)
    for parent, group, each in product(("", "parent"), ("", "a", "a.b"), ("", "rows", "b.0"))
]


def shaped(data: bytes) -> None:
    """There are rows, each an object or bad, and without ``each`` no more than before."""
    given = atheris.FuzzedDataProvider(data)
    stream = given.PickValueInList(STREAMS)
    rows = [_row(given) for _ in range(given.ConsumeIntInRange(0, 8))]
    found = list(reshaped(rows, stream))
    if not all(isinstance(row, dict | BadRow) for row in found):
        raise Mismatch(f"{found!r} has something that is no row")
    if len(found) > len(rows) and not stream.each:
        raise Mismatch(f"{len(rows)} rows became {len(found)}")


def _row(given: atheris.FuzzedDataProvider) -> Any:
    if given.ConsumeIntInRange(0, 9) == 0:
        return BadRow(RecordError("column_count", "A bad row.", value=1))
    return payload(given) | {
        name: given.PickValueInList(["", "1", "2", "3", 4, None])
        for name in ("id", "parent")
        if given.ConsumeBool()
    }


TARGET = Target(shaped, [bytes(range(n, n + 64)) for n in range(0, 192, 16)])
