"""A JSON document with a list of records in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, repeat
from typing import Any

from ...exceptions import FeedError
from ..document import Document
from ..records import Encoding, RawRow, RawRows
from ..streams import Stream
from .base import MAX_DEPTH, MAX_RECORD, Content, Format, Row, bad_row
from .decoding import decode_batch, decode_record, finder
from .splitting import Span, Splitter, elements

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
        number = sum(span.rows for span in spans)
        return Content(_Elements(document, spans), number, envelope)


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


class _Element(Encoding):
    """A record written as an element of a list."""

    def decode(self, rows: Sequence[RawRow]) -> list[Row]:
        texts = [content for content, _, _ in rows]
        found = decode_batch(texts)
        return list(map(decode_record, texts)) if found is None else found  # type: ignore[return-value]

    def finder(self, name: str) -> Callable[[Iterable[bytes]], list[Any]]:
        return finder(name)

    def __reduce__(self) -> str:
        return "_ELEMENT"  # there is one


_ELEMENT = _Element()


class _Elements(RawRows):
    def __init__(self, document: Document, spans: list[Span]) -> None:
        self.document = document
        self.spans = spans

    def __iter__(self) -> Iterator[Row]:
        for rows in self._stretches():
            yield from _ELEMENT.decode(rows) if isinstance(rows, list) else [rows]

    def raw(self) -> Iterator[RawRow | Row]:
        for rows in self._stretches():
            yield from rows if isinstance(rows, list) else [rows]

    def _stretches(self) -> Iterator[list[RawRow] | Row]:
        number = 1
        for span in self.spans:
            if span.rejected:
                yield bad_row(span.rejected, _REJECTED[span.rejected])
            else:
                texts = self._texts(span)
                yield list(zip(texts, count(number), repeat(_ELEMENT), strict=False))
            number += span.rows

    def _texts(self, span: Span) -> list[bytes]:
        file = self.document.file
        file.seek(span.start)
        texts = elements(file.read(span.end - span.start))
        if len(texts) != span.rows:
            raise FeedError("feed_changed", f"{self.document.label} changed while it was read.")
        return texts
