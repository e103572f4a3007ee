"""XML documents, beside the standard library's tree."""

from __future__ import annotations

from xml.etree import ElementTree

from django_ecommerce_sync.feeds import XML

from .base import Target, agree, read

#: The records' element; the first byte of an input says which of them is meant.
NAMES = ("", "product", "g")
RSS = (
    b'<?xml version="1.0" encoding="utf-8"?><rss xmlns:g="http://g.example/ns"><channel><title>t'
    b"</title><item><g:sku>a</g:sku><link href='x'/><p>1</p><p>2</p></item><item/></channel></rss>"
)


def document(data: bytes) -> None:
    """What is accepted is well-formed for the standard library, too, with as many records."""
    name, content = NAMES[data[0] % len(NAMES)] if data else "", data[1:]
    ours = read(XML(), content, records=name)
    if ours is None:
        return
    names = {name} if name else {"item", "entry"}
    agree("number of records", len(ours), _count(ElementTree.fromstring(content), names))


def _count(element: ElementTree.Element, names: set[str]) -> int:
    """The records in a tree; one inside another is a part of it."""
    if element.tag.rpartition("}")[2] in names:
        return 1
    return sum(_count(child, names) for child in element)


TARGET = Target(
    document,
    [
        b"\0" + RSS,
        b'\0<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id></entry></feed>',
        b"\1<products><product sku='a'>text<name>b</name>tail</product></products>",
        b"\2<g><g/></g>",
        b"\0<!DOCTYPE r [<!ENTITY e 'x'>]><r><item>&e;</item></r>",
        b"\0<r><item><![CDATA[<b>]]>&amp;&#233;</item><!-- c --><?p i?></r>",
        b"\0<?xml version='1.0' encoding='windows-1252'?><r><item>\x80\xe9</item></r>",
        b"\0" + "<r><item>é</item></r>".encode("utf-16"),
        b"\0<r>" + b"<a>" * 40 + b"</a>" * 40 + b"</r>",
        b"\0<r><item>" + b"x" * 600 + b"</item>" + b"<item/>" * 30 + b"</r>",
    ],
    (
        b"<item>", b"</item>", b"<entry>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&#x80;",
        b"&amp;", b"<!DOCTYPE", b"encoding='", b"utf-16", b"xmlns:g=''", b"<g:a/>", b"<?", b"?>",
    ),
)  # fmt: skip
