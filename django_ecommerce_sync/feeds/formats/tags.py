"""Cutting the records out of an XML document by its tags, without building anything of it.

Only of text that is well-formed, without a document type, in an encoding of which ASCII is a part.
In such text no ``<`` stands for anything but the beginning of a tag, a comment, an instruction or a
section of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from ...exceptions import FeedError
from .base import MAX_DEPTH

#: What may look like tags and has none, each kind up to its end; last, one that has no end yet.
_SPECIAL = re.compile(
    rb"<!--[^-]*+(?:-(?!->)[^-]*+)*+-->"
    rb"|<!\[CDATA\[[^\]]*+(?:\](?!\]>)[^\]]*+)*+\]\]>"
    rb"|<\?[^?]*+(?:\?(?!>)[^?]*+)*+\?>"
    rb"|(<[!?].*)",
    re.DOTALL,
)
#: A tag: whether it closes an element, its name, its attributes, whether its element is empty.
TAG = re.compile(
    rb"<(/?)([^\s/>]++)((?:[^<>\"'/]++|\"[^\"]*+\"|'[^']*+'|/(?!>))*+)(/?)>", re.DOTALL
)
#: An element that has nothing but text.
_LEAF = re.compile(rb"<[^\s<>/!?]++(?:\s[^<>]*+(?<!/))?>[^<]*+</[^>]*+>")
_ATTRIBUTE = re.compile(rb"([^\s=]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


class Span(NamedTuple):
    """A stretch of the document: so many records, and the tag their namespaces are declared in.

    ``closing`` is the tag that ends each of them and stands nowhere else, where there is one.
    """

    start: int
    end: int
    rows: int
    head: bytes
    closing: bytes


class _Run(NamedTuple):
    """Records with nothing between them: where they begin, where each ends; ``closing`` as above.

    Without ``ends`` there are none; in any case, where to go on.
    """

    start: int
    ends: list[int]
    closing: bytes
    position: int


class Splitter:
    """Takes a document in piece by piece; holds on to what may go on in the next one."""

    def __init__(self, names: frozenset[bytes]) -> None:
        """``names`` are the local names of records."""
        self.names = names
        self.base = 0  # where in the document ``rest`` begins
        self.rest = b""
        #: What each element that is open around the records declares, by attribute.
        self.open: list[dict[bytes, bytes]] = []
        #: Whether an element, but none inside a record, ended in the last piece.
        self.cleared = False

    def take(self, piece: bytes) -> list[Span]:
        """The records that end in this piece, in stretches."""
        data = self.rest + piece
        self.cleared = False
        spans: list[Span] = []
        position = 0
        for run in self._runs(data):
            position = run.position
            if run.ends:
                places = self.base + run.start, self.base + run.ends[-1]
                _append(spans, Span(*places, len(run.ends), self._head(), run.closing))
        self.base += position
        self.rest = data[position:]
        return spans

    def records(self, stretch: bytes, closing: bytes) -> list[bytes]:
        """The records in a stretch."""
        if closing:
            return [part.lstrip() + closing for part in stretch.split(closing)[:-1]]
        found = []
        for start, ends, _, _ in self._runs(stretch):
            for end in ends:
                found.append(stretch[start:end].lstrip())
                start = end
        return found

    def _runs(self, data: bytes) -> Iterator[_Run]:
        text = _plain(data)
        position, are_plain = 0, True
        while tag := TAG.search(text, position):
            ends, mark = list[int](), b""
            if tag[1]:
                del self.open[-1:]
            elif local_name(tag[2]) not in self.names:
                self._enter(tag)
            elif are_plain and (ends := _ends_of_many(text, tag, len(self.open))):
                mark = _closing(tag) if text is data else b""
            elif end := _end_of_one(text, tag, len(self.open)):
                ends, are_plain = [end], False  # each look at many takes the whole text
            else:
                break
            self.cleared |= bool(tag[1] or tag[4] or ends)
            position = ends[-1] if ends else tag.end()
            yield _Run(tag.start(), ends, mark, position)
        begun = text.find(b"<", position)
        yield _Run(0, [], b"", begun if begun >= 0 else len(text))

    def _enter(self, tag: re.Match[bytes]) -> None:
        _check_depth(len(self.open) + 1, tag)
        if not tag[4]:
            self.open.append(dict(_declarations(tag[3])))

    def _head(self) -> bytes:
        declared = {name: value for tag in self.open for name, value in tag.items()}
        return b"<r%s>" % b"".join(b" %s=%s" % pair for pair in declared.items())


def _append(spans: list[Span], span: Span) -> None:
    """Add a span to others, or to the last of them."""
    if spans and spans[-1].head == span.head:
        last = spans.pop()
        span = Span(last.start, span.end, last.rows + span.rows, span.head, b"")
    spans.append(span)


def _ends_of_many(text: bytes, tag: re.Match[bytes], depth: int) -> list[int]:
    """The ends of all whole records, if nothing but records that are sure not to be deep follow."""
    opening, closing = b"<" + tag[2], _closing(tag)
    last = text.rfind(closing, tag.start())
    if last < 0:
        return []
    stretch = text[tag.start() : last]
    parts = stretch.split(closing)
    # Each has begun once just if each begins with the tag: then none is inside of another.
    begins = re.compile(rb"\s*+%s[\s>]" % re.escape(opening)).match
    if stretch.count(opening) != len(parts) or not all(map(begins, parts)):
        return []
    if _may_be_deep(parts, MAX_DEPTH - depth):
        return []
    return list(accumulate((len(part) + len(closing) for part in parts), initial=tag.start()))[1:]


def _may_be_deep(parts: list[bytes], levels: int) -> bool:
    """Whether a record, given without its end, may have more than so many levels.

    Each takes a tag to begin and one to end, but for an empty element. Elements of text cannot
    be more than one level beneath all others.
    """
    if max(part.count(b"<") for part in parts) < 2 * levels:
        return False
    return max(_LEAF.sub(b"", part).count(b"<") for part in parts) >= 2 * levels - 2


def _closing(tag: re.Match[bytes]) -> bytes:
    return b"</%s>" % tag[2]


def _end_of_one(text: bytes, tag: re.Match[bytes], depth: int) -> int:
    """The end of the record that begins at a tag, found tag by tag; 0 if it is not there yet."""
    level = depth
    for found in TAG.finditer(text, tag.start()):
        if found[1]:
            level -= 1
        else:
            _check_depth(level + 1, found)
            level += not found[4]
        if level == depth:
            return found.end()
    return 0


def _check_depth(depth: int, tag: re.Match[bytes]) -> None:
    if depth > MAX_DEPTH:
        name = local_name(tag[2]).decode(errors="replace")
        raise FeedError(
            "too_deep", f"elements are nested more than {MAX_DEPTH} levels deep at <{name}>"
        )


def _plain(data: bytes) -> bytes:
    """The text with blanks for all that is no tag and may look like one, up to where that ends."""
    # To look for one byte first is many times quicker.
    if not any(mark[1:] in data and mark in data for mark in (b"<!", b"<?")):
        return data
    return _SPECIAL.sub(lambda found: b"" if found[1] else b" " * len(found[0]), data)


def attributes(text: bytes) -> list[tuple[bytes, bytes]]:
    """The attributes in a tag, names and values in their quotes, but for declarations."""
    return [pair for pair in _ATTRIBUTE.findall(text) if not _declares(pair[0])]


def _declarations(text: bytes) -> list[tuple[bytes, bytes]]:
    if b"xmlns" not in text:
        return []
    return [pair for pair in _ATTRIBUTE.findall(text) if _declares(pair[0])]


def _declares(name: bytes) -> bool:
    return name.partition(b":")[0] == b"xmlns"


def local_name(name: bytes) -> bytes:
    """A name without its prefix."""
    return name.rpartition(b":")[2]
