"""CSV: comma, semicolon, tab or any other separator, with or without a header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import IO, Any, ClassVar

from ...exceptions import ConfigurationError, FeedError
from ..document import Document
from ..records import BadRow, Encoding, RawRow, RawRows
from ..streams import Stream
from .base import MAX_RECORD, Content, Format, Row, bad_row
from .columns import column_names
from .text import Lines, encoding_of, text_encoding

MAX_FIELD = 128 << 10
#: A record that goes on for longer has a quote that nobody closed.
MAX_OPEN = 4 * MAX_RECORD
_DELIMITERS = ",;\t|"
#: Between two cells, while they are one text.
_PART = "\x1f"
#: Encodings in which a byte below 128 stands for that character and for nothing else.
_BYTEWISE = re.compile("utf-8|ascii|latin|iso8859|iso-8859|cp125|koi8")
_UNDECODED = re.compile("[\ud800-\udfff]")
_TAB_NAME = re.compile(r"\.(tsv|tab)(\.gz)?$", re.IGNORECASE)


class CSV(Format):
    """Rows of text under the header's names, or under ``columns`` where there is no header.

    Without ``encoding`` it is taken from the byte order mark, else from the charset of the
    answer, else it is UTF-8. Without ``delimiter`` it is taken from the first line where only
    one can be meant. ``quotechar=""`` reads quotes as they stand.
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
        encoding: str = "",
        delimiter: str | None = None,
        quotechar: str = '"',
        escapechar: str | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        self.encoding = _known(encoding)
        self.delimiter = _character("delimiter", delimiter)
        self.quotechar = _character("quotechar", quotechar) or ""
        self.escapechar = _character("escapechar", escapechar)
        self.columns = list(columns)

    def read(self, document: Document, stream: Stream) -> Content:
        lines = Lines(document, encoding_of(document, self.encoding))
        delimiter = self._delimiter(lines, document, stream)
        if delimiter is None:  # an empty file
            return Content((), 0)
        table = _Table(lines, delimiter, self.quotechar, self.escapechar)
        names = self.columns or _header(table, stream)
        return Content(_Records(table.records(len(names)), _Cells(tuple(names))))

    can_be_cut = True

    def cuts(
        self, document: Document, stream: Stream, size: int, number: int
    ) -> tuple[bytes, list[int]]:
        """As ``Format.cuts``: quotes are followed from the first on, for a cell may have lines."""
        encoding = encoding_of(document, self.encoding)
        delimiter = self._delimiter(Lines(document, encoding), document, stream)
        if delimiter is None or not _BYTEWISE.match(encoding):
            return b"", [0]
        is_open = _quotes(delimiter, self.quotechar, self.escapechar)
        ends = _record_ends(document.rewind(), self.quotechar.encode(), is_open)
        head = self._head(ends)
        if not head and not self.delimiter:  # another part might look as if separated otherwise
            return b"", [0]
        found = [len(head)]
        for end, _ in ends:
            if end - found[0] >= (size - found[0]) * len(found) // number and end < size:
                found.append(end)
        return head, found

    def _head(self, ends: Iterator[tuple[int, bytes]]) -> bytes:
        """What comes before the records: the line ``sep=``, and the header."""
        head = b""
        for _, record in ends:
            if head or record.removeprefix(codecs.BOM_UTF8)[:4].lower() != b"sep=":
                return head if self.columns else head + record
            head += record
        return head

    def _delimiter(self, lines: Lines, document: Document, stream: Stream) -> str | None:
        """The separator, None of an empty document; the line ``sep=`` is passed over."""
        first = lines.peek()
        if first[:4].lower() == "sep=" and len(first.strip("\r\n")) == 5:
            lines.take()
            return self.delimiter or (first[4] if lines.peek() else None)
        if not first or self.delimiter:
            return self.delimiter if first else None
        return "\t" if _is_tabbed(document) else self._detected(first, lines.label, stream)

    def _detected(self, first: str, label: str, stream: Stream) -> str:
        """The separator that the first line leaves no doubt of."""
        quoting = _quoting(self.quotechar)
        splits = {mark: _width(first, mark, quoting) for mark in _DELIMITERS}
        found = [mark for mark, cells in splits.items() if cells > 1]
        if len(found) > 1:
            found = self._fitting(first, found, splits, stream)
        if len(found) > 1:
            raise FeedError(
                "delimiter_unclear",
                f"{label} may be separated by {' or '.join(map(repr, found))}; say which "
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


def _width(line: str, mark: str, quoting: dict[str, Any]) -> int:
    """How many cells a line has if that is the separator."""
    try:
        return len(next(csv.reader([line], delimiter=mark, **quoting), ()))
    except csv.Error:  # a cell that is too large
        return line.count(mark) + 1


def _known(encoding: str) -> str:
    name = text_encoding(encoding) if encoding else ""
    if encoding and not name:
        raise ConfigurationError(f"There is no encoding '{encoding}'.")
    return name


def _character(option: str, value: str | None) -> str | None:
    if value and len(value) > 1:
        raise ConfigurationError(f"The {option} {value!r} must be one character.")
    return value


def _is_tabbed(document: Document) -> bool:
    """Whether the document's name or type says that tabs separate it."""
    kind = document.headers.get("Content-Type", "").lower()
    return kind.startswith("text/tab-separated-values") or bool(_TAB_NAME.search(document.label))


def _quoting(quotechar: str) -> dict[str, Any]:
    """The csv module's arguments for that quote, or for none."""
    if quotechar:
        return {"quotechar": quotechar}
    return {"quotechar": None, "quoting": csv.QUOTE_NONE}


@dataclass(frozen=True, slots=True)
class _Cells(Encoding):
    """A record's cells, parted by a character that is in none of them."""

    names: tuple[str, ...]

    @property
    def context(self) -> bytes:  # type: ignore[override]
        return f"{_PART.join(self.names)}{_PART}".encode()

    def decode(self, rows: Sequence[RawRow]) -> list[Row]:
        names = self.names
        return [
            dict(zip(names, content.decode().split(_PART), strict=True)) for content, _, _ in rows
        ]

    def finder(self, name: str) -> Callable[[Iterable[bytes]], list[Any]] | None:
        if name not in self.names:
            return None
        at, part = self.names.index(name), _PART.encode()
        return lambda contents: [text.split(part, at + 1)[at].decode() for text in contents]


class _Records(RawRows):
    def __init__(self, records: Iterator[list[str] | BadRow], encoding: _Cells) -> None:
        self.records = records
        self.encoding = encoding

    def __iter__(self) -> Iterator[Row]:
        return map(self._payload, self.records)

    def raw(self) -> Iterator[RawRow | Row]:
        encoding, width = self.encoding, len(self.encoding.names)
        for record in self.records:
            if isinstance(record, BadRow):
                yield record
                continue
            text = _PART.join(record)
            if text.count(_PART) < width:
                yield text.encode(), 0, encoding
            else:
                yield self._payload(record)

    def _payload(self, record: list[str] | BadRow) -> Row:
        if isinstance(record, BadRow):
            return record
        return dict(zip(self.encoding.names, record, strict=True))


class _Table:
    """The records of a CSV file with their line numbers."""

    def __init__(
        self, lines: Lines, delimiter: str, quotechar: str, escapechar: str | None
    ) -> None:
        self.lines = lines
        self.delimiter = delimiter
        self.quotechar = quotechar
        self.escapechar = escapechar
        self.record: list[str] = []  # the lines of the record at hand
        self.size = 0
        self.pushed = ""
        self.reader: Iterator[list[str]] = self._reader(iter(self._next_line, ""))

    def records(self, width: int) -> Iterator[list[str] | BadRow]:
        """The cells of each record, so many, or why there are none."""
        lines = self.lines
        while True:
            ahead = lines.ahead
            if self._is_plain() and self._is_quoted():
                yield from self._parsed(width)
            else:
                yield from self._split(width)
            # A record that went on beyond these lines has loaded the next ones.
            if lines.ahead is ahead and not lines.load():
                return

    def _split(self, width: int) -> Iterator[list[str] | BadRow]:
        """The records of the lines in memory: what has no quote is split at once."""
        lines, delimiter, quote = self.lines, self.delimiter, self.quotechar or "\0"
        is_plain = self._is_plain()
        for line in lines.ahead:
            if not is_plain or quote in line:
                if record := self._record(line, width):
                    yield record
            elif line := line.rstrip("\r\n"):
                cells = line.split(delimiter)
                yield cells if len(cells) == width else _ragged(lines.number, len(cells), width)

    def _parsed(self, width: int) -> Iterator[list[str] | BadRow]:
        """The records of the lines in memory, all of them by the csv module."""
        lines = self.lines
        begun = lines.number
        reader = self._reader(map(str.__add__, lines.ahead, repeat(lines.end)))
        done = 0
        with suppress(csv.Error):  # whatever it is, a closer look at that record finds it
            for cells in reader:
                if reader.line_num > done + 1 and max(map(len, cells)) > MAX_FIELD:
                    break
                if len(cells) == width:
                    yield cells
                elif cells:
                    yield _ragged(begun + done + 1, len(cells), width)
                done = reader.line_num
            else:
                return
        lines.back_to(begun + done)
        if record := self._record(next(lines.ahead), width):
            yield record

    def cells(self) -> list[str] | None:
        """The next record's cells, none of a blank line; None if one is too large."""
        self.record, self.size = [], 0
        try:
            return next(self.reader)
        except csv.Error as error:
            if "field limit" in str(error):
                self._pass_over()
                return None
            if "unexpected end" in str(error):
                raise self._unclosed() from None
            number = self.lines.number
            raise FeedError(
                "csv_syntax",
                f"{self.lines.label} is not well-formed in line {number}: {error}.",
                position=number,
            ) from None

    def _reader(self, lines: Iterable[str]) -> Any:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            escapechar=self.escapechar,
            strict=True,
            **_quoting(self.quotechar),
        )

    def _is_quoted(self) -> bool:
        """Whether most lines in memory have quotes."""
        text = self.lines.text
        return bool(self.quotechar) and text.count(self.quotechar) > text.count("\n")

    def _is_plain(self) -> bool:
        """Whether a line in memory that has no quote is just cells between separators."""
        lines = self.lines
        marks = {"\0", self.escapechar or "\0"}
        return not (
            lines.undecoded
            or lines.longest() > MAX_FIELD
            or any(mark in lines.text for mark in marks)
        )

    def _record(self, line: str, width: int) -> list[str] | BadRow | None:
        """The cells of the record that begins with ``line``; None if that is blank."""
        first = self.lines.number
        self.pushed = line + self.lines.end
        cells = self.cells()
        if problem := self._problem(cells):
            code, reason = problem
            return bad_row(code, f"Line {first} {reason}.")
        if cells and len(cells) != width:
            return _ragged(first, len(cells), width)
        return cells or None

    def _problem(self, cells: list[str] | None) -> tuple[str, str] | None:
        """Why the record at hand cannot be used, as a code and the end of a sentence."""
        text = self.record[0] if len(self.record) == 1 else "".join(self.record)
        if "\0" in text:
            return "nul_character", "has a NUL character"
        if self.lines.undecoded and _UNDECODED.search(text):
            return "encoding", f"is not valid {self.lines.encoding}"
        if len(text) > MAX_RECORD:
            return "record_too_large", f"has more than {MAX_RECORD:,} characters"
        if cells is None or (len(text) > MAX_FIELD and max(map(len, cells)) > MAX_FIELD):
            return "field_too_large", f"has a field of more than {MAX_FIELD:,} characters"
        return None

    def _next_line(self) -> str:
        """The next line of the record, for the csv module; "" at the end."""
        line, self.pushed = self.pushed or self.lines.take(), ""
        self.record.append(line)
        self.size += len(line)
        if self.size > MAX_OPEN:
            raise self._unclosed()
        return line

    def _pass_over(self) -> None:
        """Go on after a record the csv module gave up on, also if a quote is open in it."""
        if not self._is_open():
            return
        while line := self._next_line():
            if line.count(self.quotechar) % 2:
                return
        raise self._unclosed()

    def _is_open(self) -> bool:
        """Whether the lines of the record end inside quotes."""
        return _quotes(self.delimiter, self.quotechar, self.escapechar)("".join(self.record))

    def _unclosed(self) -> FeedError:
        line = self.lines.number - len([line for line in self.record if line]) + 1
        return FeedError(
            "csv_syntax",
            f"{self.lines.label} has a quote in line {line} that is never closed.",
            position=line,
        )


def _ragged(line: int, found: int, width: int) -> BadRow:
    return bad_row("column_count", f"Line {line} has {found} columns instead of {width}.")


def _quotes(delimiter: str, quotechar: str, escapechar: str | None) -> Callable[[str], bool]:
    """A function that tells whether the lines of a record end inside quotes."""
    if not quotechar:
        return lambda record: False
    mark, quote = re.escape(delimiter), re.escape(quotechar)
    escaped = f"{re.escape(escapechar)}.|" if escapechar else ""
    inside = f"(?:{escaped}[^{quote}]|{quote}{quote})*+"
    closed = re.compile(f"(^|{mark}){quote}{inside}{quote}", re.DOTALL)
    opened = re.compile(f"(^|{mark}){quote}")
    return lambda record: opened.search(closed.sub(r"\1", record)) is not None


def _record_ends(
    file: IO[bytes], quote: bytes, is_open: Callable[[str], bool]
) -> Iterator[tuple[int, bytes]]:
    """Each record's bytes with the place of its end; nothing after a quote that nobody closed."""
    at, record = 0, b""
    for line in file:
        at, record = at + len(line), record + line
        if len(record) > MAX_OPEN:
            return
        is_plain = len(record) == len(line) and (not quote or quote not in line)
        if is_plain or not is_open(record.decode("latin-1")):
            yield at, record
            record = b""


def _header(table: _Table, stream: Stream) -> list[str]:
    """The columns' names: the first record that is not blank."""
    cells: list[str] | None = []
    while cells == [] and table.lines.peek():
        cells = table.cells()
    if cells is None:
        raise FeedError(
            "field_too_large",
            f"{table.lines.label} has a column name of more than {MAX_FIELD:,} characters.",
        )
    return column_names(cells or [], stream, table.lines.label)
