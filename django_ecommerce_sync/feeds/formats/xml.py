"""XML: each element of a given name is a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from ...exceptions import FeedError
from ..document import CHUNK, Document
from ..records import BadRow
from ..streams import Stream
from .base import MAX_DEPTH, MAX_RECORD, Content, Format, Row, bad_row

#: The records of RSS and of Atom.
DEFAULT_RECORDS = frozenset({"item", "entry"})
#: C1 control characters: what Windows-1252 text becomes under the name of ISO-8859-1.
_MOJIBAKE = re.compile("[\x80-\x9f]")


class XML(Format):
    """Elements named ``stream.records`` (or item and entry), as dicts by local name.

    Repeated children become a list, attributes ``@name``; an element with attributes and text
    has its text under ``#text``. The whole document is checked before the first row.
    """

    def read(self, document: Document, stream: Stream) -> Content:
        names = frozenset({stream.records}) if stream.records else DEFAULT_RECORDS
        check = _Check(names)
        for _ in _parsed(document, check):
            pass
        return Content(_rows(document, names), check.count)


def _rows(document: Document, names: frozenset[str]) -> Iterator[Row]:
    builder = _Builder(names)
    for _ in _parsed(document, builder):
        yield from builder.rows
        builder.rows.clear()


class _Check:
    """Counts the records and holds the depth; keeps nothing."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.depth = 0
        self.inside = 0  # the depth of the record's own element
        self.count = 0

    def start(self, tag: str, attributes: list[str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FeedError("too_deep", f"elements are nested more than {MAX_DEPTH} levels deep")
        if not self.inside and local(tag) in self.names:
            self.inside = self.depth
            self.count += 1

    def end(self, tag: str) -> None:
        if self.depth == self.inside:
            self.inside = 0
        self.depth -= 1

    text = None


class _Builder:
    """Builds a payload from each record's events; what is outside records is not kept."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.rows: list[Row] = []
        self.stack: list[tuple[str, dict[str, Any], list[str]]] = []
        self.size = 0
        self.bad: BadRow | None = None

    def start(self, tag: str, attributes: list[str]) -> None:
        name = local(tag)
        if not self.stack:
            if name not in self.names:
                return
            self.size, self.bad = 0, None
        node: dict[str, Any] = {}
        for at in range(0, len(attributes), 2):
            node[f"@{local(attributes[at])}"] = attributes[at + 1]
        self.stack.append((name, node, []))

    def text(self, text: str) -> None:
        if not self.stack:
            return
        self.size += len(text)
        if self.size > MAX_RECORD:
            message = f"The record has more than {MAX_RECORD:,} characters."
            self.bad = bad_row("record_too_large", message)
            return
        if not text.isascii() and _MOJIBAKE.search(text):
            self.bad = bad_row("bad_unicode", "The text is not in the encoding it claims.")
        self.stack[-1][2].append(text)

    def end(self, tag: str) -> None:
        if not self.stack:
            return
        name, node, texts = self.stack.pop()
        text = "".join(texts).strip()
        if not self.stack:
            if text:
                node["#text"] = text
            self.rows.append(self.bad or node)
            return
        value: Any = text
        if node:
            value = node
            if text:
                node["#text"] = text
        add(self.stack[-1][1], name, value)


def add(node: dict[str, Any], name: str, value: Any) -> None:
    """Put a child into its parent; the second of a name makes a list."""
    if name not in node:
        node[name] = value
    elif isinstance(node[name], list):
        node[name].append(value)
    else:
        node[name] = [node[name], value]


def _parsed(document: Document, target: _Check | _Builder) -> Iterator[None]:
    """Feed the document to ``target``, pausing after each stretch."""
    parser = XMLParser(target=object(), forbid_dtd=True)
    expat = parser.parser  # its events, without a second call in Python for each of them
    expat.DefaultHandlerExpand = None
    expat.StartElementHandler = target.start
    expat.EndElementHandler = target.end
    expat.CharacterDataHandler = target.text
    file, label = document.rewind(), document.label
    try:
        while chunk := file.read(CHUNK):
            parser.feed(chunk)
            yield
        parser.close()
    except DefusedXmlException:
        raise FeedError("xml_forbidden", f"{label} has a DTD; none is read.") from None
    except ParseError as error:
        line, column = error.position
        raise FeedError(
            "xml_syntax",
            f"{label} is not well-formed at {line}:{column}: {str(error).partition(':')[0]}.",
            position=line,
        ) from None
    except FeedError as error:
        line = expat.CurrentLineNumber
        raise FeedError(
            error.code, f"{label}, line {line}: {error.message}.", position=line
        ) from None
    except (ValueError, LookupError) as error:  # an encoding that is unknown or has many bytes
        raise FeedError("xml_syntax", f"{label} cannot be decoded: {error}.") from None
    yield


@lru_cache(maxsize=1024)
def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]
