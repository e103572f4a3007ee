"""Documents of text, in whatever encoding they are, in stretches of whole lines."""

from __future__ import annotations

import codecs
import io
import operator
import re
from collections.abc import Iterator
from email.message import Message

from ...exceptions import FeedError
from ..document import CHUNK, Document
from .base import MAX_RECORD

#: The UTF-32 marks begin like those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Encodings of names and of source code; some of them raise what no decoder should.
_NO_DOCUMENTS = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
_LINE_END = re.compile("[\r\n]")
#: Stands for a line too long to be held: its quotes are nobody's.
_TOO_LONG = " " * (MAX_RECORD + 1)


def encoding_of(document: Document, given: str = "") -> str:
    """The encoding of a document: its byte order mark's, or the one ``given``, or its header's.

    Raises ``FeedError`` where two of them contradict each other.
    """
    head = document.rewind().read(4)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    if marked and given and not _is_kind_of(given, marked):
        raise FeedError(
            "encoding",
            f"{document.label} begins with the mark of {marked}, but the option encoding says "
            f"{given}.",
        )
    if marked or given:
        return marked or given
    if head[::2] == b"\0\0" or head[1::2] == b"\0\0":
        raise FeedError(
            "encoding",
            f"{document.label} is UTF-16 or UTF-32 without a mark; say which with the option "
            "encoding.",
        )
    return _announced(document) or "utf-8"


def text_encoding(name: str) -> str:
    """The usual name of an encoding of documents, "" for anything else Python calls a codec."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    is_text = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and codec.name not in _NO_DOCUMENTS else ""


def _is_kind_of(encoding: str, marked: str) -> bool:
    return codecs.lookup(encoding).name.startswith(marked)


def _announced(document: Document) -> str:
    """The charset of the document's Content-Type, if there is one."""
    message = Message()
    message["Content-Type"] = document.headers.get("Content-Type", "")
    charset = message.get_param("charset", "")
    if not isinstance(charset, str) or not charset:
        return ""
    name = text_encoding(charset)
    if not name:
        raise FeedError(
            "encoding",
            f"{document.label} is announced as {charset[:40]!r}, which is no encoding; say which "
            "it is with the option encoding.",
        )
    if name != "utf-8" and _is_utf8(document.rewind().read(CHUNK)):
        raise FeedError(
            "encoding",
            f"{document.label} is announced as {name} but reads as utf-8; say which it is with "
            "the option encoding.",
        )
    return name


def _is_utf8(head: bytes) -> bool:
    """Whether the beginning of a document is UTF-8, and nothing else makes sense of it."""
    if head.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


class Lines:
    """A document's lines, held in stretches.

    Bytes that are no text become lone surrogates, and ``undecoded`` says that there are some.
    """

    def __init__(self, document: Document, encoding: str) -> None:
        self.file = document.rewind()
        self.label = document.label
        self.encoding = encoding
        self.undecoded = False
        #: The stretch in memory, and its lines that nobody has taken yet. They may be iterated
        #: over directly; each lacks ``end``.
        self.text = ""
        self.ahead: Iterator[str] = iter(())
        self.end = ""
        self._held: list[str] = []
        self._total = 0
        self._rest = ""
        unmarked = "utf-8-sig" if encoding == "utf-8" else encoding
        self._decoder = codecs.getincrementaldecoder(unmarked)()

    @property
    def number(self) -> int:
        """How many lines have been taken."""
        return self._total - operator.length_hint(self.ahead)

    def peek(self) -> str:
        """The next line, left where it is; "" at the end."""
        left = operator.length_hint(self.ahead)
        if not left:
            if not self.load():
                return ""
            left = len(self._held)
        return self._held[-left] + self.end

    def take(self) -> str:
        """The next line; "" at the end."""
        line = next(self.ahead, None)
        if line is None:
            if not self.load():
                return ""
            line = next(self.ahead)
        return line + self.end

    def back_to(self, number: int) -> None:
        """Put lines of this stretch back, so that ``number`` have been taken."""
        self.ahead = iter(self._held[number - self._total :])

    def load(self) -> bool:
        """Take the next stretch of lines into memory; False at the end of the document."""
        self.text = text = self._stretch()
        if "\r" in text and text.count("\r") != text.count("\r\n"):
            self.end, self._held = "", list(io.StringIO(text, newline=""))
        else:
            self.end, self._held = "\n", text.split("\n")
            if not self._held[-1]:
                self._held.pop()
        self.ahead = iter(self._held)
        self._total += len(self._held)
        return bool(text)

    def longest(self) -> int:
        """The length of the longest line in memory."""
        return max(map(len, self._held), default=0)

    def _stretch(self) -> str:
        while chunk := self.file.read(CHUNK):
            text = self._decoded(chunk)
            if len(self._rest) > MAX_RECORD and not self._rest.endswith("\r"):
                found = _LINE_END.search(text)
                text = text[found.start() :] if found else ""
            text = self._rest + text
            end = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            self._rest = text[end:]
            if len(self._rest) > MAX_RECORD:  # its end is kept, if it is the last we have
                self._rest = _TOO_LONG + "\r" * self._rest.endswith("\r")
            if end:
                return text[:end]
        text, self._rest = self._rest + self._decoded(b""), ""
        return text

    def _decoded(self, chunk: bytes) -> str:
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(chunk, final=not chunk)
        except UnicodeError:
            self._decoder.setstate(state)
        self.undecoded = True
        self._decoder.errors = "surrogateescape"
        try:
            return self._decoder.decode(chunk, final=not chunk)
        except UnicodeError:
            raise FeedError("encoding", f"{self.label} is not valid {self.encoding}.") from None
        finally:
            self._decoder.errors = "strict"
