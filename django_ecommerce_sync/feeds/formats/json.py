"""A JSON document with a list of records in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any

import msgspec

from ...exceptions import FeedError
from ..document import Document
from ..streams import Stream
from .base import MAX_DEPTH, MAX_RECORD, Content, Format, Row, bad_row
from .decoding import decode_batch, decode_record
from .splitting import Span, Splitter, elements

_decode_list = msgspec.json.Decoder(list[Any], float_hook=Decimal).decode
_REJECTED = {
    "too_deep": f"The record is nested more than {MAX_DEPTH} levels deep.",
    "record_too_large": f"The record has more than {MAX_RECORD:,} bytes.",
}


class JSON(Format):
    """A list of objects at ``stream.records`` in a document, of any length.

    The whole document is checked before the first row is handed out.
    """

    def read(self, document: Document, stream: Stream) -> Content:
        scanner = Splitter(document.rewind(), document.label)
        scanner.enter(stream.records)
        start = scanner.offset
        spans = list(scanner.spans())
        end = scanner.offset
        levels = len(stream.records.split(".")) if stream.records else 0
        scanner.finish(levels)
        envelope = _envelope(document, start, end, scanner.offset)
        count = sum(span.rows for span in spans)
        return Content(_rows(document, spans), count, envelope)


def _envelope(document: Document, start: int, end: int, size: int) -> Mapping[str, Any] | None:
    """The document with an empty list instead of its records, None where the rest is huge."""
    if start + size - end > MAX_RECORD:
        return None
    file = document.rewind()
    head = file.read(start)
    file.seek(end - 1)
    raw = head + file.read()
    found = decode_record(raw.removeprefix(b"\xef\xbb\xbf"))
    if isinstance(found, Mapping):
        return found
    if found.error.code == "not_an_object":  # a bare list has nothing around it
        return {}
    raise FeedError(
        found.error.code, f"{document.label}, outside its records: {found.error.message}"
    )


def _rows(document: Document, spans: list[Span]) -> Iterator[Row]:
    for span in spans:
        if span.rejected:
            yield bad_row(span.rejected, _REJECTED[span.rejected])
            continue
        rows = _decoded(document.file, span)
        if len(rows) != span.rows:
            raise FeedError("feed_changed", f"{document.label} changed while it was read.")
        yield from rows


def _decoded(file: IO[bytes], span: Span) -> list[Row]:
    file.seek(span.start)
    raw = file.read(span.end - span.start)
    rows: list[Row] | None = decode_batch(b"[" + raw + b"]", _decode_list)  # type: ignore[assignment]
    if rows is None:
        rows = [decode_record(element) for element in elements(raw)]
    return rows
