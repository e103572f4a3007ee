"""CSV in any dialect and encoding, beside the standard library's reader."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

from django_ecommerce_sync.feeds import CSV

from .base import Target, agree, read
from .limits import SMALL

COLUMNS = ["sku", "name"]
#: The dialects; the first byte of an input says which of them is meant.
DIALECTS: list[dict[str, Any]] = [
    {},
    {"delimiter": ";"},
    {"delimiter": "\t", "quotechar": ""},
    {"quotechar": "'", "escapechar": "\\", "delimiter": ","},
    {"columns": COLUMNS},
    {"encoding": "windows-1252"},
    {"encoding": "utf-16-le", "delimiter": ","},
    {"encoding": "shift_jis", "delimiter": ","},
    {"columns": COLUMNS, "delimiter": ","},
    {"quotechar": "", "escapechar": "\\", "delimiter": "|"},
]
PLAIN = DIALECTS.index({"columns": COLUMNS, "delimiter": ","})


def document(data: bytes) -> None:
    """What is accepted is what the standard library reads, row by row."""
    number, content = data[0] % len(DIALECTS) if data else 0, data[1:]
    ours = read(CSV(**DIALECTS[number]), content)
    if ours is not None and number == PLAIN:
        _compare(ours, content)


def _compare(ours: list[Any], content: bytes) -> None:
    """Check the rows of a document that needs no closer look for any of its lines."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or "\0" in text:
        return
    if text[:4].lower() == "sep=" or len(text) > SMALL["MAX_FIELD"]:
        return
    theirs = [
        dict(zip(COLUMNS, cells, strict=True)) if len(cells) == len(COLUMNS) else "column_count"
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True)
        if cells
    ]
    agree("rows", ours, theirs)


TARGET = Target(
    document,
    [
        b'\0sku,name\r\na,"Lamp, large"\r\nb,"two\nlines"\r\n',
        b"\0sep=;\nsku;name\na;b\n",
        b"\1sku;name;price\na;b;1,50\n;;\nx;y\n",
        b'\2sku\tname\na\t"b\n',
        b"\3sku,name\n'a','b\\'c'\n",
        b'\4a,b\n"c","d""e"\n\n"f\ng",h\n',
        b"\5sku;name\na;\xe9\x80\n",
        b"\6" + "sku,name\na,é\n".encode("utf-16-le"),
        b"\0" + "sku,name\na,é\n".encode("utf-16"),
        b"\7" + "sku,name\na,表\n".encode("shift_jis"),
        b'\10a,b\r"c\rd",e\r' * 3,
        b"\10a,b\n" * 60 + b"c,d,e\n\xff,f",
        b'\10"a","' + b"x" * 150 + b'"\nb,c\n',
        b"\11sku|name\na\\|b|c\n",
        b'\4"a' + b"x\n" * 300,
    ],
    (b'""', b'","', b"\r\n", b'"\n', b"sep=", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"sku", b"name"),
)
