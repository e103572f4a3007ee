"""XLSX: a sheet of a workbook, read by openpyxl."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from importlib import import_module
from itertools import chain
from typing import Any, ClassVar
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile, ZipInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from ...exceptions import ConfigurationError, FeedError
from ..document import CHUNK, MAX_RATIO, RATIO_FREE, Document
from ..streams import Stream
from .base import Content, Format, Row, bad_row
from .columns import column_names
from .elements import local

#: What a workbook may unpack to, and of that the texts its cells share, which are held in memory.
MAX_UNPACKED = 2 << 30
MAX_SHARED = 128 << 20
#: What a row may have, as XML, and a sheet of rows.
MAX_ROW = 16 << 20
MAX_ROWS = 1 << 20
#: What reading a damaged workbook ends in. Not ``Exception``: time limits are among those.
_DAMAGED = (
    BadZipFile,
    zlib.error,
    EOFError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


class XLSX(Format):
    """Rows of a sheet, the first one unless ``sheet`` names another.

    The first row that is not blank has the columns' names, unless ``columns`` gives them. Text
    stays as it is, numbers are decimals, a formula is the value it had when the file was saved.
    """

    option_names: ClassVar[tuple[str, ...]] = ("sheet", "columns")

    def __init__(self, sheet: str = "", columns: Sequence[str] = ()) -> None:
        try:
            self.openpyxl: Any = import_module("openpyxl")
        except ImportError:
            raise ConfigurationError(
                "XLSX needs openpyxl; install django-ecommerce-sync[xlsx]."
            ) from None
        self.sheet = sheet
        self.columns = list(columns)

    def read(self, document: Document, stream: Stream) -> Content:
        try:
            _check(document)
            book = self.openpyxl.load_workbook(
                document.rewind(), read_only=True, data_only=True, keep_links=False
            )
        except _DAMAGED as error:
            raise _damaged(document.label, error) from None
        sheet = self._found(book, document.label)
        rows = _numbered(sheet, document.label)
        header: tuple[int, Sequence[Any]] = (0, self.columns)
        if not self.columns:
            header = next(rows, (0, ()))
        names = column_names([_text(cell) for cell in _trimmed(header[1])], stream, document.label)
        return Content(_rows(rows, names, sheet.title))

    def _found(self, book: Any, label: str) -> Any:
        """The sheet to read."""
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if not sheets or self.sheet not in ("", *sheets):
            named = f" '{self.sheet}'" if self.sheet else ""
            raise FeedError(
                "missing_sheet", f"{label} has no sheet{named}; it has: {', '.join(sheets)}."
            )
        return sheets[self.sheet] if self.sheet else next(iter(sheets.values()))


def _rows(
    rows: Iterator[tuple[int, Sequence[Any]]], names: Sequence[str], title: str
) -> Iterator[Row]:
    """A payload for each row that is not blank, or why there is none."""
    width = len(names)
    for number, row in rows:
        cells = [_value(cell) for cell in _trimmed(row)]
        if len(cells) > width:
            yield bad_row(
                "column_count",
                f"Row {number} of sheet '{title}' has {len(cells)} columns instead of {width}.",
            )
        else:
            yield dict(zip(names, chain(cells, [None] * (width - len(cells))), strict=True))


def _numbered(sheet: Any, label: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows of a sheet that are not blank, each with its number."""
    sheet.reset_dimensions()  # what the file says of its size may be anything
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    number = 0
    while True:
        try:
            number, row = next(rows)
        except StopIteration:
            return
        except _DAMAGED as error:
            raise _damaged(f"{label}, sheet '{sheet.title}', row {number + 1}", error) from None
        if number > MAX_ROWS:
            raise FeedError("feed_too_large", f"{label} has more than {MAX_ROWS:,} rows.")
        if any(cell is not None for cell in row):
            yield number, row


def _trimmed(row: Sequence[Any]) -> Sequence[Any]:
    """The row without the blank cells at its end."""
    width = len(row)
    while width and row[width - 1] is None:
        width -= 1
    return row[:width]


def _value(cell: Any) -> Any:
    """A cell's value; of a binary number the shortest decimal that is read as the same."""
    return Decimal(repr(cell)) if isinstance(cell, float) else cell


def _text(cell: Any) -> str:
    return "" if cell is None else str(_value(cell))


def _damaged(label: str, error: Exception) -> FeedError:
    if isinstance(error, DefusedXmlException):
        return FeedError("xml_forbidden", f"{label} has a DTD; none is read.")
    return FeedError("xlsx_syntax", f"{label} is no sound XLSX file: {type(error).__name__}.")


def _check(document: Document) -> None:
    """Read through the workbook once: whole, well-formed, of bounded size, without a DTD."""
    with closing(ZipFile(document.rewind())) as archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        packed = sum(part.compress_size for part in parts)
        if unpacked > MAX_UNPACKED or unpacked > max(RATIO_FREE, packed * MAX_RATIO):
            raise FeedError(
                "feed_too_large", f"{document.label} unpacks to far more than is sound."
            )
        for part in parts:
            if part.filename.lower().endswith((".xml", ".rels")):
                _check_part(archive, part, document.label)


def _check_part(archive: ZipFile, part: ZipInfo, label: str) -> None:
    parser = XMLParser(target=object(), forbid_dtd=True)
    gap = _Gap(parser.parser, f"{label}, {part.filename}")
    parser.parser.DefaultHandlerExpand = None
    parser.parser.StartElementHandler = gap.start
    with archive.open(part) as file:
        try:
            while chunk := file.read(CHUNK):
                parser.feed(chunk)
            parser.close()
            gap.check(part.file_size)
            gap.check_shared(part.file_size)
        except ParseError as error:
            line, column = error.position
            raise FeedError(
                "xlsx_syntax",
                f"{label}, {part.filename}, is not well-formed at {line}:{column}.",
                position=line,
            ) from None


class _Gap:
    """Holds what is between one row, or shared text, and the next to a limit; and shared texts."""

    def __init__(self, expat: Any, label: str) -> None:
        self.expat = expat
        self.label = label
        self.since = 0
        self.is_shared = False

    def start(self, tag: str, attributes: list[str]) -> None:
        at = self.expat.CurrentByteIndex
        self.check(at)
        name = local(tag)
        if name in ("row", "si"):
            self.since = at
            self.is_shared |= name == "si"

    def check(self, at: int) -> None:
        if at - self.since > MAX_ROW:
            raise FeedError(
                "feed_too_large", f"{self.label}, has a row of more than {MAX_ROW:,} bytes."
            )

    def check_shared(self, size: int) -> None:
        """Refuse too much of the text that openpyxl keeps in memory for all cells."""
        if self.is_shared and size > MAX_SHARED:
            raise FeedError(
                "feed_too_large", f"{self.label}, has more than {MAX_SHARED:,} bytes of text."
            )
