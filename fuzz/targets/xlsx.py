"""XLSX: workbooks as they come, and a sound one with one of its parts replaced."""

from __future__ import annotations

import io
import re
import warnings
from datetime import datetime
from zipfile import ZipFile

import openpyxl

from django_ecommerce_sync.feeds.formats import XLSX

from .base import Target, read

SHEET, TYPES, SHARED = "xl/worksheets/sheet1.xml", "[Content_Types].xml", "xl/sharedStrings.xml"
#: The table of shared texts, which openpyxl reads but does not write.
TEXTS = (
    b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si>'
    b"<si><r><t>rich</t></r></si></sst>"
)
SHARED_TYPE = (
    f'<Override PartName="/{SHARED}" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sharedStrings+xml"/></Types>'
).encode()


def _book() -> bytes:
    """A workbook with numbers, dates, a formula, an error and texts."""
    made = openpyxl.Workbook()
    sheet = made.create_sheet("Stock", 0)
    sheet.append(["sku", "name", "price", "on", "sum"])
    sheet.append(["a", "Lamp", 1.5, datetime(2024, 2, 29, 12), "=1+1"])
    sheet.append(["b", None, 2, True, "#N/A"])
    made.create_sheet("Other").append(["sku"])
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def _parts(book: bytes) -> dict[str, bytes]:
    """What is in a workbook, with the text of its cell A2 among those that are shared."""
    with ZipFile(io.BytesIO(book)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    shared = b'<c r="A2" t="s"><v>0</v></c>'
    parts[SHEET] = re.sub(rb'<c r="A2"[^>]*>.*?</c>', shared, parts[SHEET])
    parts[TYPES] = parts[TYPES].replace(b"</Types>", SHARED_TYPE)
    return {**parts, SHARED: TEXTS}


BOOK = _book()
PARTS = _parts(BOOK)
NAMES = list(PARTS)


def document(data: bytes) -> None:
    """The first byte says which part the others are; beyond the last they are the workbook."""
    if not data:
        return
    content = data[1:]
    if data[0] < len(NAMES):
        content = _packed(PARTS | {NAMES[data[0]]: content})
    read(XLSX(), content)


def _packed(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


warnings.filterwarnings("ignore", module="openpyxl")
TARGET = Target(
    document,
    [bytes([number]) + PARTS[name] for number, name in enumerate(NAMES)] + [b"\xff" + BOOK],
    (
        b"<row>", b"</row>", b'<c r="A1"', b't="s"', b't="inlineStr"', b't="d"', b't="e"', b't="n"',
        b"<v>", b"</v>", b"<is><t>", b"</t></is>", b'r="XFD1048576"', b'r="0"', b'r="A0"', b"1e999",
        b's="1"', b"<si><t>", b"<f>", b"-1", b'ref="A1:XFD1048576"', b"<mergeCell", b"<sheet ",
        b'r:id="rId1"', b'Target="', b'numFmtId="14"', b"9" * 30, b"date1904=\"1\"",
    ),
)  # fmt: skip
