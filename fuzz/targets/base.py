"""What a target is, and how one reads documents."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import BadRow, Content, Format, Stream
from django_ecommerce_sync.feeds.document import Document

from .limits import SMALL, tiny_pieces

FIELDS = {"sku": "sku", "name": "name", "price": "price.amount"}


class Mismatch(Exception):
    """Two readings of one input that should agree do not."""


@dataclass(frozen=True, slots=True)
class Target:
    """A function of bytes, and inputs to begin with.

    Whatever it raises is a finding: it handles the errors the package promises by itself.
    """

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    #: What the inputs are made of, for the fuzzer to put together.
    words: Sequence[bytes] = ()


def read(
    format: Format, content: bytes, headers: Mapping[str, str] | None = None, **stream: Any
) -> list[Any] | None:
    """The rows, each bad one as its code; None of a document that is refused.

    Raises ``Mismatch`` where the count is wrong, or small pieces make another reading. Of a row
    with two faults either may be named, and what a line too long to be held does to the next,
    with a quote open or not, nobody can say.
    """
    rows = _read(format, content, headers, stream)
    with tiny_pieces():
        again = _read(format, content, headers, stream)
    if max(map(len, content.splitlines()), default=0) <= SMALL["MAX_RECORD"]:
        agree("in tiny pieces", _sound(rows), _sound(again))
    return rows


def agree(what: str, ours: Any, theirs: Any) -> None:
    """Raise ``Mismatch`` unless both are the same."""
    if ours != theirs:
        raise Mismatch(f"{what}: {ours!r:.400} is not {theirs!r:.400}")


def _sound(rows: list[Any] | None) -> list[Any] | None:
    """The rows, with None in the place of each bad one."""
    return rows and [row if isinstance(row, dict) else None for row in rows]


def _read(
    format: Format, content: bytes, headers: Mapping[str, str] | None, stream: dict[str, Any]
) -> list[Any] | None:
    document = Document(io.BytesIO(content), "feed", headers or {})
    try:
        found: Content = format.read(document, Stream("products", fields=FIELDS, **stream))
        rows = [row.error.code if isinstance(row, BadRow) else row for row in found.rows]
    except FeedError:
        return None
    if found.count is not None:
        agree("count", found.count, len(rows))
    return rows
