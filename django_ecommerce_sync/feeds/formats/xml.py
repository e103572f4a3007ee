"""XML: each element of a given name is a record."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import IO
from xml.parsers.expat import ExpatError, ParserCreate

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from ...exceptions import FeedError
from ..document import IN_MEMORY, Document
from ..records import RawRow, RawRows
from ..streams import Stream
from .base import MAX_RECORD, Content, Format, Row
from .elements import XMLElement
from .tags import Span, Splitter

#: The records of RSS and of Atom.
DEFAULT_RECORDS = frozenset({"item", "entry"})
#: What is read on for this long without an element's end is more than memory should hold.
MAX_HELD = 32 << 20
_HEAD = 4 << 10
#: What is read at a time: the rows of more are too much for the processor's cache.
_PIECE = 64 << 10
_UTF_16 = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Span]).decode


class XML(Format):
    """Elements named ``stream.records`` (or item and entry), as dicts by local name.

    Repeated children become a list, attributes ``@name``; an element with attributes and text
    has its text under ``#text``. The whole document is checked before the first row.
    """

    def read(self, document: Document, stream: Stream) -> Content:
        names = frozenset({stream.records}) if stream.records else DEFAULT_RECORDS
        rows = _Records(document, names, declared_encoding(document))
        try:
            with _told(document.label):
                rows.find()
        except BaseException:
            rows.close()
            raise
        return Content(rows, rows.count)


class _Records(RawRows):
    """The records of a document, read once; where they are waits in a temporary file."""

    def __init__(self, document: Document, names: frozenset[str], charset: str) -> None:
        self.document = document
        self.names = names
        self.charset = charset
        self.count = 0
        self._spans = _temporary()
        #: The document in UTF-8, where it is in an encoding of which ASCII is no part.
        self._copy: IO[bytes] | None = None

    def __iter__(self) -> Iterator[Row]:
        for encoding, texts in self._stretches():
            yield from encoding.decode([(text, 0, encoding) for text in texts])

    def raw(self) -> Iterator[RawRow | Row]:
        for encoding, texts in self._stretches():
            if max(map(len, texts)) <= MAX_RECORD:
                yield from zip(texts, repeat(0), repeat(encoding), strict=False)
            else:  # a batch of such records would be too much to be held
                yield from encoding.decode([(text, 0, encoding) for text in texts])

    def find(self) -> None:
        """Check the document, and note where its records are."""
        recode = self._recoder()
        splitter, held = self._splitter(), 0
        parser = ParserCreate(None, "}")
        file = self.document.rewind()
        while piece := file.read(max(_PIECE, len(splitter.rest))):
            parser.Parse(piece, False)
            self._note(splitter.take(recode(piece)))
            held = 0 if splitter.cleared else held + len(piece)
            if held > MAX_HELD:
                raise FeedError("record_too_large", f"a record has more than {MAX_HELD:,} bytes")
        parser.Parse(b"", True)

    def close(self) -> None:
        """Let go of the temporary files."""
        self._spans.close()
        if self._copy is not None:
            self._copy.close()

    def _recoder(self) -> Callable[[bytes], bytes]:
        """What has to be done to a piece before it is split."""
        codec = _UTF_16.get(self.document.rewind().read(2))
        if codec is None:
            return bytes
        decode = codecs.getincrementaldecoder(codec)().decode
        copy = self._copy = _temporary()
        self.charset = "utf-8"

        def recode(piece: bytes) -> bytes:
            plain = decode(piece).encode()
            copy.write(plain)
            return plain

        return recode

    def _note(self, spans: Sequence[Span]) -> None:
        if spans:
            content = _encode(spans)
            self._spans.write(len(content).to_bytes(8) + content)
            self.count += sum(span.rows for span in spans)

    def _splitter(self) -> Splitter:
        return Splitter(frozenset(name.encode(self.charset, "replace") for name in self.names))

    def _stretches(self) -> Iterator[tuple[XMLElement, list[bytes]]]:
        encoding = XMLElement(b"", self.charset)
        try:
            for span in self._noted():
                if span.head != encoding.head:
                    encoding = XMLElement(span.head, self.charset)
                yield encoding, self._texts(span)
        finally:
            self.close()

    def _noted(self) -> Iterator[Span]:
        self._spans.seek(0)
        while size := self._spans.read(8):
            yield from _decode(self._spans.read(int.from_bytes(size)))

    def _texts(self, span: Span) -> list[bytes]:
        file = self._copy or self.document.file
        file.seek(span.start)
        stretch = file.read(span.end - span.start)
        texts = self._splitter().records(stretch, span.closing)
        if len(texts) != span.rows:
            raise FeedError("feed_changed", f"{self.document.label} changed while it was read.")
        return texts


def _temporary() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


@contextmanager
def _told(label: str) -> Iterator[None]:
    """Tell in our words what is wrong with a document."""
    try:
        yield
    except ExpatError as error:
        raise FeedError(
            "xml_syntax",
            f"{label} is not well-formed at {error.lineno}:{error.offset}: "
            f"{str(error).partition(':')[0]}.",
            position=error.lineno,
        ) from None
    except FeedError as error:
        raise FeedError(error.code, f"{label}: {error.message}.") from None
    except (ValueError, LookupError) as error:  # an encoding that is unknown or has many bytes
        raise FeedError("xml_syntax", f"{label} cannot be decoded: {error}.") from None


def declared_encoding(document: Document) -> str:
    """The encoding a document says it is in, UTF-8 unless it does.

    Refuses a document type, which can only stand before the first element.
    """
    begun: list[str] = []
    said = ["utf-8"]
    parser = XMLParser(target=object(), forbid_dtd=True)
    parser.parser.DefaultHandlerExpand = None
    parser.parser.XmlDeclHandler = lambda version, encoding, alone: said.append(encoding or "utf-8")
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
        pass  # reading the document says what is wrong with it
    return said[-1].lower()
