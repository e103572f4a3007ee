"""Elements of XML into payloads: those that have but elements of text by a look, others parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from ..records import BadRow, Encoding, RawRow
from .base import MAX_RECORD, Row, bad_row
from .tags import TAG, attributes, local_name

#: C1 control characters: what Windows-1252 text becomes under the name of ISO-8859-1.
_MOJIBAKE = re.compile("[\x80-\x9f]")
#: An element that has nothing but text: its name, and the text.
_LEAF = re.compile(r"<([^\s<>/!?]++)>([^<]*+)</[^>]*+>")
#: What stands around the elements of a record that has no attributes and no text of its own.
_START = re.compile(r"<[^\s/>]++>\s*+").fullmatch
_END = re.compile(r"\s*+</[^>]*+>").fullmatch
_ENTITY = re.compile("&(?:amp|apos|gt|lt|quot);")
_ENTITIES = {"&amp;": "&", "&apos;": "'", "&gt;": ">", "&lt;": "<", "&quot;": '"'}
#: In the value of an attribute, what a parser would make something else of.
_NOT_PLAIN = re.compile(rb"[&\t\r\n]")


@dataclass(frozen=True, slots=True)
class XMLElement(Encoding):
    """A record written as an element; ``head`` is a tag with the namespaces around it."""

    head: bytes
    charset: str

    @property
    def context(self) -> bytes:  # type: ignore[override]
        return b"" if self.charset == "utf-8" else self.charset.encode()

    def decode(self, rows: Sequence[RawRow]) -> list[Row]:
        return [self._flat(content) or self._parsed(content) for content, _, _ in rows]

    def finder(self, name: str) -> Callable[[Iterable[bytes]], list[Any]]:
        look_closer = partial(self._value, name=name)
        wanted = name.removeprefix("@").encode(self.charset, "replace")
        find = _attributes if name.startswith("@") else _texts
        return find(wanted, self.charset, look_closer)

    def _value(self, content: bytes, *, name: str) -> str:
        payload = self._flat(content) or self._parsed(content)
        value = None if isinstance(payload, BadRow) else payload.get(name)
        if not isinstance(value, str):
            raise ValueError(f"The record has not one text as its {name}.")
        return value

    def _flat(self, content: bytes) -> dict[str, Any] | None:
        """The payload of a record that has nothing but elements of text, else None."""
        text = content.decode(self.charset)
        if len(text) > MAX_RECORD or "&#" in text:
            return None
        if not text.isascii() and _MOJIBAKE.search(text):
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        parts = _LEAF.split(text)
        names, between = parts[1::3], "".join(parts[3:-1:3])
        if between.strip() or not (_START(parts[0]) and _END(parts[-1])):
            return None
        if ":" in "".join(names):
            names = [name.rpartition(":")[2] for name in names]
        texts = list(map(str.strip, parts[2::3]))
        if "&" in text:
            texts = [_ENTITY.sub(_character, value) if "&" in value else value for value in texts]
        return _named(names, texts)

    def _parsed(self, content: bytes) -> Row:
        parser = XMLParser(encoding=self.charset)  # noqa: S314 - a part of what was checked
        try:
            parser.feed(self.head)
            parser.feed(content)
            parser.feed(b"</r>")
            (element,) = parser.close()
        except ParseError:  # the document was well-formed before somebody wrote into it
            return bad_row("xml_syntax", "The record is not well-formed.")
        return _row(element)


def _character(entity: re.Match[str]) -> str:
    return _ENTITIES[entity[0]]


def _named(names: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    node: dict[str, Any] = dict(zip(names, texts, strict=True))
    if len(node) < len(names):
        node = {}
        for name, text in zip(names, texts, strict=True):
            add(node, name, text)
    return node


# -- finding ids -----------------------------------------------------------------------------


def _texts(
    name: bytes, charset: str, look_closer: Callable[[bytes], str]
) -> Callable[[Iterable[bytes]], list[str]]:
    """A function that finds the text of each record's only element of that name.

    ``look_closer`` finds it where it is not plain, or stands behind any but elements of text.
    """
    tag = rb"<(?:[^\s<>/:]++:)?%s" % re.escape(name)
    leaves = rb"(?:(?!%s[\s/>])<[^\s<>/!?]++>[^<]*+</[^>]*+>\s*+)*+" % tag
    match = re.compile(rb"<[^\s/>]++>\s*+%s%s>([^<&\r]*+)</" % (leaves, tag)).match
    search = re.compile(rb"%s[\s/>]" % tag).search
    mentions = re.compile(rb"%s[\s/>]" % re.escape(name)).findall

    def find_one(content: bytes) -> str:
        found = match(content)
        if found is None or search(content, found.end()):
            return look_closer(content)
        return found[1].decode(charset).strip()

    def find(contents: Iterable[bytes]) -> list[str]:
        contents = list(contents)
        found = list(map(match, contents))
        # Each that matches has two tags of that name. If there are no more, none has another such.
        if None in found or len(mentions(b"".join(contents))) != 2 * len(contents):
            return list(map(find_one, contents))
        return [one[1].decode(charset).strip() for one in found]  # type: ignore[index]

    return find


def _attributes(
    name: bytes, charset: str, look_closer: Callable[[bytes], str]
) -> Callable[[Iterable[bytes]], list[str]]:
    """The same for an attribute of each record's own."""

    def find(content: bytes) -> str:
        tag = TAG.match(content)
        values = {local_name(key): value[1:-1] for key, value in attributes(tag[3])} if tag else {}
        value = values.get(name, b"&")
        return look_closer(content) if _NOT_PLAIN.search(value) else value.decode(charset)

    return lambda contents: list(map(find, contents))


# -- parsing ---------------------------------------------------------------------------------


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


@lru_cache(maxsize=1024)
def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]
