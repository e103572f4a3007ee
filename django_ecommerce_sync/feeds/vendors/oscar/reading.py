"""How Oscar writes lists: pages of the API, and the importer's file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import Any

from ...document import CHUNK, Document
from ...formats import CSV, JSON, Content, Format
from ...formats.base import Row, bad_row
from ...pagination import NextURL
from ...records import BadRow
from ...streams import Stream

COLUMNS = ("class", "category", "upc", "title", "description", "partner", "sku", "price", "stock")
#: In files with semicolons the first three of them may stand between commas all the same.
HEAD = ("class", "category", "upc")


@dataclass(frozen=True)
class From(NextURL):
    """Pages from a given address on."""

    start: str | None = None


class ListOrPage(JSON):
    """A page with its records under ``results``, or the mere list of a shop without pages."""

    def read(self, document: Document, stream: Stream) -> Content:
        if document.rewind().read(CHUNK).lstrip().startswith(b"["):
            stream = replace(stream, records="")
        return super().read(document, stream)


class PartnerFormat(Format):
    """The importer's file: nine columns without a header, quotes escaped by a backslash."""

    def __init__(self, encoding: str = "", delimiter: str | None = None) -> None:
        self.delimiter = delimiter
        self.layout: dict[str, Any] = {
            "encoding": encoding,
            "delimiter": delimiter,
            "escapechar": "\\",
        }

    def read(self, document: Document, stream: Stream) -> Content:
        if not self._has_head(document):
            return CSV(columns=COLUMNS, **self.layout).read(document, stream)
        content = CSV(columns=("head", *COLUMNS[len(HEAD) :]), **self.layout).read(document, stream)
        return replace(content, rows=map(_with_head, content.rows))

    def _has_head(self, document: Document) -> bool:
        if self.delimiter in (None, ","):
            return False
        line = document.rewind().readline(CHUNK).decode("utf-8", "replace")
        cells = next(csv.reader([line], delimiter=self.delimiter, escapechar="\\"), [""])
        return len(_parts(cells[0])) == len(HEAD)


def _with_head(row: Row) -> Row:
    """The row with the columns that its first one is made of."""
    if isinstance(row, BadRow):
        return row
    parts = _parts(row["head"])
    if len(parts) != len(HEAD):
        message = f"The first column has {len(parts)} parts between commas instead of {len(HEAD)}."
        return bad_row("column_count", message)
    return {**row, **dict(zip(HEAD, parts, strict=True))}


def _parts(head: str) -> list[str]:
    return next(csv.reader(head.splitlines()), [])
