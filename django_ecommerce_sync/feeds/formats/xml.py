"""XML: each element of a given name is a record."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from ...exceptions import FeedError
from ..document import IN_MEMORY, Document
from ..records import BadRow
from ..streams import Stream
from .base import MAX_DEPTH, MAX_RECORD, Content, Format, Row, bad_row

#: The records of RSS and of Atom.
DEFAULT_RECORDS = frozenset({"item", "entry"})
#: What is read on for this long without an element's end is more than memory should hold.
MAX_HELD = 32 << 20
_HEAD = 4 << 10
#: What is parsed at a time; the elements of a larger piece are many objects for the collector.
_PIECE = 64 << 10
#: C1 control characters: what Windows-1252 text becomes under the name of ISO-8859-1.
_MOJIBAKE = re.compile("[\x80-\x9f]")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class XML(Format):
    """Elements named ``stream.records`` (or item and entry), as dicts by local name.

    Repeated children become a list, attributes ``@name``; an element with attributes and text
    has its text under ``#text``. The whole document is read before the first row; its rows wait
    in a temporary file.
    """

    def read(self, document: Document, stream: Stream) -> Content:
        names = frozenset({stream.records}) if stream.records else DEFAULT_RECORDS
        forbid_dtd(document)
        store = _Store()
        try:
            for rows in _parsed(document, _Records(names)):
                store.put(rows)
        except BaseException:
            store.file.close()
            raise
        return Content(store.rows(), store.count)


class _Store:
    """Rows put away in a temporary file."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self.count = 0

    def put(self, rows: list[Row]) -> None:
        """Add rows; a bad one as the list of its code and message."""
        plain = [
            [row.error.code, row.error.message] if isinstance(row, BadRow) else row for row in rows
        ]
        content = _encode(plain)
        self.file.write(len(content).to_bytes(8) + content)
        self.count += len(rows)

    def rows(self) -> Iterator[Row]:
        """The rows, once."""
        with self.file as file:
            file.seek(0)
            while size := file.read(8):
                for row in _decode(file.read(int.from_bytes(size))):
                    yield row if type(row) is dict else bad_row(*row)


class _Records:
    """Finds the records among a parser's elements; keeps only those that are still open."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.open: list[Element] = []
        self.inside = 0  # the depth of the record's own element
        self.cleared = False

    def take(self, events: Iterator[Any]) -> list[Row]:
        """The records that end among these starts and ends of elements."""
        rows: list[Row] = []
        stack, inside = self.open, self.inside
        self.cleared = False
        for event, element in events:
            if event == "start":
                stack.append(element)
                if len(stack) > MAX_DEPTH:
                    raise FeedError(
                        "too_deep",
                        f"elements are nested more than {MAX_DEPTH} levels deep at "
                        f"<{local(element.tag)}>",
                    )
                if not inside and local(element.tag) in self.names:
                    inside = len(stack)
                continue
            stack.pop()
            if inside > len(stack):
                rows.append(_row(element))
                inside = 0
            if not inside and stack:
                stack[-1].clear()
                self.cleared = True
        self.inside = inside
        return rows


def _row(element: Element) -> Row:
    """A record's payload, or why there is none."""
    texts: list[str] = []
    value = _value(element, texts)
    if sum(map(len, texts)) > MAX_RECORD:
        return bad_row("record_too_large", f"The record has more than {MAX_RECORD:,} characters.")
    text = "".join(texts)
    if not text.isascii() and _MOJIBAKE.search(text):
        return bad_row("bad_unicode", "The text is not in the encoding it claims.")
    return value if isinstance(value, dict) else {"#text": value} if value else {}


def _value(element: Element, texts: list[str]) -> str | dict[str, Any]:
    """An element as text, or as an object where it has more than text; notes all its texts."""
    node: dict[str, Any] = {}
    if element.attrib:
        node = {f"@{local(name)}": value for name, value in element.attrib.items()}
        texts += element.attrib.values()
    text = element.text or ""
    for child in element:
        value: Any
        if len(child) or child.attrib:
            value = _value(child, texts)
        else:  # the usual case, made short
            value = (child.text or "").strip()
            texts.append(value)
        if child.tail:
            text += child.tail
        name = local(child.tag)
        if name in node:
            add(node, name, value)
        else:
            node[name] = value
    text = text.strip()
    texts.append(text)
    if not node:
        return text
    if text:
        node["#text"] = text
    return node


def add(node: dict[str, Any], name: str, value: Any) -> None:
    """Put a child into its parent; the second of a name makes a list."""
    if name not in node:
        node[name] = value
    elif isinstance(node[name], list):
        node[name].append(value)
    else:
        node[name] = [node[name], value]


def _parsed(document: Document, records: _Records) -> Iterator[list[Row]]:
    """The document's records, stretch by stretch."""
    parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
    file, label = document.rewind(), document.label
    held = 0
    try:
        while chunk := file.read(_PIECE):
            parser.feed(chunk)
            yield records.take(parser.read_events())
            held = 0 if records.cleared else held + len(chunk)
            if held > MAX_HELD:
                raise FeedError("record_too_large", f"a record has more than {MAX_HELD:,} bytes")
        parser.close()
        yield records.take(parser.read_events())  # newer versions of expat may have put some off
    except ParseError as error:
        line, column = error.position
        raise FeedError(
            "xml_syntax",
            f"{label} is not well-formed at {line}:{column}: {str(error).partition(':')[0]}.",
            position=line,
        ) from None
    except FeedError as error:
        raise FeedError(error.code, f"{label}: {error.message}.") from None
    except (ValueError, LookupError) as error:  # an encoding that is unknown or has many bytes
        raise FeedError("xml_syntax", f"{label} cannot be decoded: {error}.") from None


def forbid_dtd(document: Document) -> None:
    """Refuse a document type: it can only stand before the first element."""
    begun: list[str] = []
    parser = XMLParser(target=object(), forbid_dtd=True)
    parser.parser.DefaultHandlerExpand = None
    parser.parser.StartElementHandler = lambda tag, attributes: begun.append(tag)
    file = document.rewind()
    try:
        while not begun and (chunk := file.read(_HEAD)):
            parser.feed(chunk)
        if not begun:
            parser.close()  # what expat has put off
    except DefusedXmlException:
        raise FeedError("xml_forbidden", f"{document.label} has a DTD; none is read.") from None
    except (ParseError, ValueError, LookupError):
        return  # reading the document says what is wrong with it


@lru_cache(maxsize=1024)
def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]
