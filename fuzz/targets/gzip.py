"""Gzipped documents: as they come, and sound ones that were damaged."""

from __future__ import annotations

import gzip
import io

import atheris

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds.document import chunks, gunzip, unpacked

from .base import Target, agree
from .limits import tiny_pieces

MAX_BYTES = 1 << 16
PACKED = gzip.compress(b'[{"sku": "a"}]', mtime=0)


def document(data: bytes) -> None:
    """What is unpacked is what the standard library unpacks."""
    content = data[1:] if data[:1] < b"\x80" else _damaged(data[1:])
    ours = _gunzip(content)
    with tiny_pieces():
        agree("in tiny pieces", ours, _gunzip(content))
    if ours:
        agree("content", ours, gzip.decompress(content))
    try:
        unpacked(io.BytesIO(content), MAX_BYTES, "feed").close()
    except FeedError:
        return


def _gunzip(content: bytes) -> bytes | None:
    """The content, None if it is damaged."""
    try:
        return b"".join(gunzip(chunks(io.BytesIO(content)), "feed"))
    except FeedError:
        return None


def _damaged(data: bytes) -> bytes:
    """Some gzip members with padding between them, less their end, one byte changed."""
    given = atheris.FuzzedDataProvider(data)
    content = b""
    for _ in range(given.ConsumeIntInRange(1, 3)):
        text = given.ConsumeBytes(given.ConsumeIntInRange(0, 300))
        content += gzip.compress(text, given.ConsumeIntInRange(0, 9), mtime=0)
        content += b"\0" * given.ConsumeIntInRange(0, 40)
    if given.ConsumeBool():
        content = content[: given.ConsumeIntInRange(0, len(content))]
    if content and given.ConsumeBool():
        at = given.ConsumeIntInRange(0, len(content) - 1)
        content = content[:at] + bytes([given.ConsumeIntInRange(0, 255)]) + content[at + 1 :]
    return content


TARGET = Target(
    document,
    [
        b"\0" + PACKED,
        b"\0" + PACKED + PACKED,
        b"\0" + PACKED + b"\0" * 40,
        b"\0" + PACKED[:-4],
        b"\0" + gzip.compress(gzip.compress(gzip.compress(b"deep")), mtime=0),
        b"\0" + gzip.compress(b"\0" * 100_000, mtime=0),
        b"\x80" + bytes(range(256)),
        b"\xff" + b"some text and what follows it" * 10,
    ],
    (b"\x1f\x8b\x08", b"\0" * 8),
)
