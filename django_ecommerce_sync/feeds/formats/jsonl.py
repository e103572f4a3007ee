"""JSON Lines: a record on each line."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, repeat
from typing import IO, Any

from ...exceptions import FeedError
from ..document import Document
from ..records import Encoding, RawRow, RawRows
from ..streams import Stream
from .base import MAX_RECORD, Content, Format, Row, bad_row
from .decoding import decode_batch, decode_record, finder

#: What is read at a time: the rows of more are too much for the processor's cache.
CHUNK = 64 << 10
#: What may stand around a record on its line.
_SPACE = b" \t\r"


class JSONLines(Format):
    """An object on each line; blank lines are passed over, a bad line costs itself."""

    can_be_cut = True

    def read(self, document: Document, stream: Stream) -> Content:
        return Content(_Lines(document))

    def cuts(
        self, document: Document, stream: Stream, size: int, number: int
    ) -> tuple[bytes, list[int]]:
        file, found = document.rewind(), [0]
        for part in range(1, number):
            file.seek(size * part // number)
            file.readline()
            if found[-1] < file.tell() < size:
                found.append(file.tell())
        return b"", found


class _Line(Encoding):
    """A record written on a line."""

    def decode(self, rows: Sequence[RawRow]) -> list[Row]:
        lines = [content for content, _, _ in rows]
        # Each line for itself: the decoder's own ``decode_lines`` lets a value go on over several.
        found = decode_batch(lines)
        if found is not None:
            return found  # type: ignore[return-value]  # a list is not changed here
        return [decode_record(line.strip(_SPACE), f"Line {at}: ") for line, at, _ in rows]

    def finder(self, name: str) -> Callable[[Iterable[bytes]], list[Any]]:
        return finder(name)

    def __reduce__(self) -> str:
        return "_LINE"  # there is one


_LINE = _Line()


class _Lines(RawRows):
    def __init__(self, document: Document) -> None:
        self.document = document

    def __iter__(self) -> Iterator[Row]:
        for rows in self._stretches():
            yield from _LINE.decode(rows) if isinstance(rows, list) else [rows]

    def raw(self) -> Iterator[RawRow | Row]:
        for rows in self._stretches():
            yield from rows if isinstance(rows, list) else [rows]

    def _stretches(self) -> Iterator[list[RawRow] | Row]:
        """The lines that are not blank, many at a time, and between them why one is no row."""
        number = 1
        for block in _blocks(self.document.rewind(), self.document.label):
            if block is None:
                yield _too_large(number)
                number += 1
                continue
            lines = block.removesuffix(b"\n").split(b"\n")
            if len(block) <= MAX_RECORD and all(map(bytes.strip, lines)):
                yield list(zip(lines, count(number), repeat(_LINE), strict=False))
            else:
                yield from _one_by_one(lines, number)
            number += block.count(b"\n")


def _one_by_one(lines: list[bytes], number: int) -> Iterator[list[RawRow] | Row]:
    for at, line in enumerate(lines, number):
        if len(line) > MAX_RECORD:  # as it stands: so it is told where a line is read in pieces
            yield _too_large(at)
        elif line.strip(_SPACE):
            yield [(line, at, _LINE)]


def _too_large(number: int) -> Row:
    return bad_row("record_too_large", f"Line {number} has more than {MAX_RECORD:,} bytes.")


def _blocks(file: IO[bytes], label: str) -> Iterator[bytes | None]:
    """The file in stretches of whole lines; None for a line too long to be held."""
    rest = file.read(CHUNK)
    if rest.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in rest[:4]:
        raise FeedError("encoding", f"{label} is UTF-16 or UTF-32; JSON must be UTF-8.")
    rest = rest.removeprefix(codecs.BOM_UTF8)
    begun = False
    while True:
        if not begun and (text := rest.lstrip(_SPACE + b"\n")):
            begun = True
            if text.startswith(b"<"):
                raise FeedError(
                    "feed_not_a_list", f"{label} is an HTML or XML page, not JSON Lines."
                )
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
        rest = rest[end:]
        if len(rest) > MAX_RECORD:
            yield None
            rest = _after_line(file)
        chunk = file.read(CHUNK)
        if not chunk:
            break
        rest += chunk
    if rest:
        yield rest


def _after_line(file: IO[bytes]) -> bytes:
    """Pass over the rest of a line; what was read beyond it."""
    while chunk := file.read(CHUNK):
        _, newline, rest = chunk.partition(b"\n")
        if newline:
            return rest
    return b""
