"""JSON documents and JSON Lines, beside the standard library's decoder."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django_ecommerce_sync.feeds import JSON, JSONLines

from .base import Target, agree, read
from .limits import SMALL

#: Where the records are; the first byte of an input says which of them is meant.
PATHS = ("", "items", "data.items", "a.b.c")
SPACE = b" \t\r\n"
#: Rows that are passed over without a look at what is in them.
UNREAD = {"record_too_large", "too_deep"}
WORDS = (
    b'{"sku": "a"}', b'"items": [', b'"data": {', b"\\u00e9", b"\\ud800", b"\\\"", b"1e400", b"-0",
    b"0.1", b"NaN", b"null", b"true", b"\xef\xbb\xbf", b"[[[[[[[[[[", b"]]]]]]]]]]", b"9" * 450,
)  # fmt: skip
ROWS = b'[{"sku": "a", "price": {"amount": 1.50}}, {"sku": "\\u00e9\\n", "tags": [1, null, true]}]'


def document(data: bytes) -> None:
    """What is accepted is what the standard library reads, row by row."""
    path, content = PATHS[data[0] % len(PATHS)] if data else "", data[1:]
    ours = read(JSON(), content, records=path)
    if ours is None or UNREAD & {row for row in ours if isinstance(row, str)}:
        return
    theirs = _loads(content.removeprefix(b"\xef\xbb\xbf"))
    for step in path.split(".") if path else ():
        theirs = theirs[step]
    _compare(ours, theirs)


def lines(data: bytes) -> None:
    """Each line is read as the standard library reads it, or it is a bad row."""
    ours = read(JSONLines(), data)
    if ours is None:
        return
    found = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    kept = [line for line in found if line.strip(SPACE) or len(line) > SMALL["MAX_RECORD"]]
    agree("number of lines", len(ours), len(kept))
    for row, line in zip(ours, kept, strict=True):
        if isinstance(row, dict):
            agree("line", row, _loads(line))


def _compare(ours: list[Any], theirs: list[Any]) -> None:
    agree("number of rows", len(ours), len(theirs))
    for row, expected in zip(ours, theirs, strict=True):
        if isinstance(row, dict):
            agree("row", row, expected)


def _loads(text: bytes) -> Any:
    """As the standard library decodes it, numbers exact and of any length."""
    return json.loads(text.decode(), parse_float=Decimal, parse_int=_integer)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 1000 else digits


JSON_TARGET = Target(
    document,
    [
        b"\0" + ROWS,
        b'\1{"total": 2, "items": ' + ROWS + b', "next": "x"}',
        b'\2{"data": {"n": [1], "items": ' + ROWS + b'}, "e": {"f": ""}}',
        b"\0[]",
        b"\0[" + b'{"sku": "a", "name": "b"},' * 40 + b'{"sku": "z"}]',
        b"\0[" + b"[" * 40 + b"]" * 40 + b"]",
        b'\0[{"sku": 1, "sku": 2}, {"sku": "\\ud800"}, {"n": NaN}]',
        b'\0[{"sku": "' + b"a" * 600 + b'"}, {"sku": "b"}]',
    ],
    WORDS,
)
LINES_TARGET = Target(
    lines,
    [
        b'{"sku": "a"}\n{"sku": "b", "price": {"amount": 1.5}}\n',
        b'\xef\xbb\xbf{"sku": "a"}\r\n\r\n{"sku": \n[1]\n{"sku": "\xff"}',
        b'{"sku": "' + b"a" * 600 + b'"}\n{"sku": "b"}',
        b'{"sku": 1, "sku": 2}\n' * 20,
    ],
    (*WORDS, b"\r\n", b"\n\n"),
)
