"""CSV: comma, semicolon, tab or any other separator, with or without a header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, ClassVar

from ...exceptions import ConfigurationError, FeedError
from ..document import Document
from ..streams import Stream
from .base import MAX_RECORD, Content, Format, Row, bad_row

MAX_FIELD = 128 << 10
#: A record that goes on for longer has a quote that nobody closed.
MAX_OPEN = 4 * MAX_RECORD
_DELIMITERS = ",;\t|"
_UNDECODED = re.compile("[\ud800-\udfff]")


class CSV(Format):
    """Rows of text under the header's names, or under ``columns`` where there is no header.

    Without ``delimiter`` it is taken from the first line where only one can be meant.
    """

    option_names: ClassVar[tuple[str, ...]] = (
        "encoding",
        "delimiter",
        "quotechar",
        "escapechar",
        "columns",
    )

    def __init__(
        self,
        encoding: str = "utf-8-sig",
        delimiter: str | None = None,
        quotechar: str = '"',
        escapechar: str | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ConfigurationError(f"There is no encoding '{encoding}'.") from None
        self.encoding = encoding
        self.delimiter = delimiter
        self.quotechar = quotechar
        self.escapechar = escapechar
        self.columns = list(columns)

    def read(self, document: Document, stream: Stream) -> Content:
        lines = _Lines(document, self.encoding)
        delimiter = self._delimiter(lines, stream)
        if delimiter is None:  # an empty file
            return Content(iter(()), 0)
        table = _Table(lines, delimiter, self.quotechar, self.escapechar)
        names = self.columns or _header(table, stream)
        return Content(table.rows(names))

    def _delimiter(self, lines: _Lines, stream: Stream) -> str | None:
        first = lines.peek()
        if first[:4].lower() == "sep=" and len(first.strip("\r\n")) == 5:
            next(lines)
            lines.peek()
            return self.delimiter or first[4]
        if not first or self.delimiter:
            return self.delimiter if first else None
        splits = {
            mark: len(next(csv.reader([first], delimiter=mark, quotechar=self.quotechar), ()))
            for mark in _DELIMITERS
        }
        found = [mark for mark, cells in splits.items() if cells > 1]
        if len(found) > 1:
            found = self._fitting(first, found, splits, stream)
        if len(found) > 1:
            raise FeedError(
                "delimiter_unclear",
                f"{lines.label} may be separated by {' or '.join(map(repr, found))}; say which "
                "with the option delimiter.",
            )
        return found[0] if found else ","

    def _fitting(
        self, first: str, found: list[str], splits: dict[str, int], stream: Stream
    ) -> list[str]:
        """The separators with which the first line is what the mapping expects."""
        if self.columns:
            return [mark for mark in found if splits[mark] == len(self.columns)] or found
        wanted = {path.casefold() for path in stream.paths}
        hits = {
            mark: sum(cell.strip(' "\r\n').casefold() in wanted for cell in first.split(mark))
            for mark in found
        }
        return [mark for mark in found if hits[mark] == max(hits.values())]


class _Text(io.TextIOWrapper):
    """Text of a file that belongs to somebody else, who closes it."""

    def close(self) -> None:
        with suppress(ValueError):
            self.detach()


class _Lines:
    """A file's lines for the csv module; notes what is wrong with those of the record at hand."""

    def __init__(self, document: Document, encoding: str) -> None:
        file: IO[bytes] = document.rewind()
        self.label = document.label
        if encoding.lower().startswith("utf-8") and file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise FeedError("encoding", f"{self.label} is UTF-16; say so with the option encoding.")
        # Bytes that are no text become lone surrogates: only their own record is lost.
        self.text = _Text(document.rewind(), encoding, errors="surrogateescape", newline="")
        self.number = 0
        self.begin()
        self._next: str | None = None

    def begin(self) -> None:
        """A record begins with the next line."""
        self.problem = ("", "")
        self.record: list[str] = []
        self.size = 0

    def peek(self) -> str:
        """The next line, left where it is; "" at the end."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._next = self.peek(), None
        if not line:
            raise StopIteration
        self.number += 1
        self.record.append(line)
        self.size += len(line)
        if self.size > MAX_OPEN:
            raise unclosed(self.label, self.number - len(self.record) + 1)
        if "\0" in line:
            self.problem = ("nul_character", "has a NUL character")
        if not line.isascii() and _UNDECODED.search(line):
            self.problem = ("encoding", f"is not valid {self.text.encoding}")
        if len(line) >= MAX_RECORD and line[-1] not in "\r\n":
            self.problem = ("record_too_large", f"has more than {MAX_RECORD:,} characters")
            while (line := self._read()) and line[-1] not in "\r\n":
                pass
            return "\n"
        return line

    def _read(self) -> str:
        try:
            return self.text.readline(MAX_RECORD)
        except UnicodeDecodeError:
            raise FeedError(
                "encoding", f"{self.label} is not valid {self.text.encoding}.", position=self.number
            ) from None


class _Table:
    """The records of a CSV file with their line numbers."""

    def __init__(
        self, lines: _Lines, delimiter: str, quotechar: str, escapechar: str | None
    ) -> None:
        self.lines = lines
        self.quotechar = quotechar
        self.reader = csv.reader(
            lines, delimiter=delimiter, quotechar=quotechar, escapechar=escapechar, strict=True
        )
        mark, quote = re.escape(delimiter), re.escape(quotechar)
        escaped = f"{re.escape(escapechar)}.|" if escapechar else ""
        inside = f"(?:{escaped}[^{quote}]|{quote}{quote})*+"
        self._closed = re.compile(f"(^|{mark}){quote}{inside}{quote}", re.DOTALL)
        self._open = re.compile(rf"(^|{mark}){quote}")

    def next_record(self) -> tuple[int, list[str] | None]:
        """The next record's first line and cells; None for a cell that is too large."""
        self.lines.begin()
        first = self.lines.number + 1
        try:
            return first, next(self.reader)
        except csv.Error as error:
            if "field limit" in str(error):
                self._pass_over(first)
                return first, None
            if "unexpected end" in str(error):
                raise unclosed(self.lines.label, first) from None
            raise FeedError(
                "csv_syntax",
                f"{self.lines.label} is not well-formed in line {self.lines.number}: {error}.",
                position=self.lines.number,
            ) from None

    def rows(self, names: list[str]) -> Iterator[Row]:
        """A payload for each record, or why there is none."""
        lines, width = self.lines, len(names)
        while True:
            try:
                first, cells = self.next_record()
            except StopIteration:
                return
            code, problem = lines.problem
            if code:
                yield bad_row(code, f"Line {first} {problem}.")
            elif cells is None or (lines.size > MAX_FIELD and max(map(len, cells)) > MAX_FIELD):
                yield bad_row(
                    "field_too_large", f"Line {first} has a field of more than {MAX_FIELD:,} bytes."
                )
            elif len(cells) == width:
                yield dict(zip(names, cells, strict=True))
            elif cells:  # a blank line has none
                yield bad_row(
                    "column_count", f"Line {first} has {len(cells)} columns instead of {width}."
                )

    def _pass_over(self, first: int) -> None:
        """Go on after a record the csv module gave up on, also if a quote is open in it."""
        rest = self._closed.sub(r"\1", "".join(self.lines.record))
        if not self._open.search(rest):
            return
        for line in self.lines:
            if line.count(self.quotechar) % 2:
                return
        raise unclosed(self.lines.label, first)


def unclosed(label: str, line: int) -> FeedError:
    """The error for a quote without an end."""
    return FeedError(
        "csv_syntax", f"{label} has a quote in line {line} that is never closed.", position=line
    )


def _header(table: _Table, stream: Stream) -> list[str]:
    """The names of the columns: as written, but spelled as in the mapping where it has them."""
    label = table.lines.label
    try:
        _, cells = table.next_record()
        while cells == []:
            _, cells = table.next_record()
    except StopIteration:
        return []
    written = [cell.strip() for cell in cells or ()]
    twice = {name for name in written if name and written.count(name) > 1}
    if twice:
        raise FeedError("duplicate_header", f"{label} has the column '{twice.pop()}' twice.")
    spelled = {path.casefold(): path for path in stream.paths if path not in written}
    names = [spelled.get(name.casefold(), name) for name in written]
    if stream.paths and not stream.paths & set(names):
        raise FeedError(
            "missing_columns", f"{label} has none of the mapped columns but: {', '.join(written)}."
        )
    return names
