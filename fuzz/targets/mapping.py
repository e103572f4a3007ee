"""Every converter on payloads of every shape."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import atheris

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import (
    Attributes,
    Const,
    First,
    Lines,
    Moment,
    Money,
    Number,
    OneOf,
    Ref,
    Since,
    Stream,
    Template,
    Text,
)

from .base import Target
from .payloads import payload

SOURCES = (
    "a", "a.b", "a.0.c", "0",
    Text("a"), Text("b", unescape=True), Template("{id}-{a.b}"), First("a", "b", "c"), Const(1),
    OneOf("a", {"x": 1, 1: 2}), OneOf("b", {"x": 1}, default=0), Attributes(x="a", y="b.0"),
    Number("a", places=2), Number("a", decimal=",", thousands="."), Number("b", places=400),
    Money("a"), Money("a", currency="currency"), Money("b.a", decimal=",", places=2),
    Moment("a"), Moment("a", unit="s"), Moment("a", unit="ms"), Moment("b", format="%Y%m%d"),
    Moment("b", tz="Europe/Berlin"), Ref("customers", "a"), Ref("products", "a", key="b"),
    Lines("rows", {"quantity": "a", "unit_price": Money("b"), "on": Moment("c")}),
    lambda row: row["a"]["b"][0], lambda row: Decimal(row["a"]) * 100,
)  # fmt: skip
#: Each converter alone, as field and as id, and all together.
STREAMS = [
    Stream("products", fields={"sku": source}, external_id=source, since=Since(source))
    for source in SOURCES
] + [Stream("products", fields={f"f{number}": source for number, source in enumerate(SOURCES)})]


def mapped(data: bytes) -> None:
    """There are values, or a ``RecordError``, of the field and of the id."""
    given = atheris.FuzzedDataProvider(data)
    stream = given.PickValueInList(STREAMS)
    row = payload(given)
    steps: list[Callable[[], object]] = [
        lambda: stream.map(row),
        lambda: stream.identify(row, "sku"),
        lambda: stream.key_of(row, "sku"),
    ]
    for step in steps:
        try:
            step()
        except RecordError as error:
            str(error.within("field"))


TARGET = Target(mapped, [bytes(range(n, n + 64)) for n in range(0, 192, 16)])
