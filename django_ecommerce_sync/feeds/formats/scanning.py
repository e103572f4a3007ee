"""Walking through a JSON document that need not fit into memory."""

from __future__ import annotations

import codecs
import re
from typing import IO

import msgspec

from ...exceptions import FeedError
from ..document import CHUNK
from .base import MAX_RECORD

STRING = rb'"(?:[^"\\]++|\\.)*+"'
#: Not all that is white space to ``re`` is so in JSON.
SPACE = rb"[ \t\r\n]*+"
_TEXT = re.compile(STRING, re.DOTALL)
_SPACE = re.compile(SPACE)
_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_ANY = re.compile(rb".", re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n"{}\[\],:]*+')
_KINDS = {b'"': "text", b"[": "a list", b"n": "null", b"t": "true", b"f": "false"}


class Scanner:
    """Reads through a JSON document, holding little more than one record in memory."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        self.file = file
        self.label = label
        self.base = 0  # where in the file ``data`` begins
        self.data = b""
        self.position = 0  # where in ``data`` reading goes on
        self.ended = False
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._start()

    @property
    def offset(self) -> int:
        """Where in the file reading goes on."""
        return self.base + self.position

    def enter(self, path: str) -> None:
        """Go on after the ``[`` of the array at a dotted path."""
        for step in path.split(".") if path else ():
            if self.peek() != b"{":
                raise self._not_a_list(path)
            self._enter_member(step, path)
        if self.peek() != b"[":
            raise self._not_a_list(path)
        self.position += 1

    def finish(self, levels: int) -> None:
        """Read to the end of the document out of ``levels`` objects."""
        for _ in range(levels):
            while (mark := self.peek()) == b",":
                self.position += 1
                self._key()
                self.skip()
            if mark != b"}":
                raise self.syntax("a comma or the end of an object was expected")
            self.position += 1
        if self.peek():
            raise self.syntax("the document goes on after its end")

    def more(self, size: int = CHUNK) -> bool:
        """Take in more of the file, letting go of what was read; False at its end."""
        chunk = self.file.read(size)
        self._check_utf8(chunk)
        self.base += self.position
        self.data = self.data[self.position :] + chunk
        self.position = 0
        self.ended = not chunk
        return not self.ended

    def peek(self) -> bytes:
        """The next byte that is no white space, ``b""`` at the end."""
        while True:
            self.position = _SPACE.match(self.data, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.data):
                return self.data[self.position : self.position + 1]
            if not self.more():
                return b""

    def skip(self) -> int:
        """Pass over one value of any size; how deep it is nested."""
        mark = self.peek()
        if mark == b'"':
            self._skip_string()
            return 0
        if mark not in (b"{", b"["):
            return self._skip_scalar()
        depth = deepest = 0
        while True:
            mark = self._find(_MARK)
            if mark == b'"':
                self._skip_string()
                continue
            self.position += 1
            depth += 1 if mark in b"{[" else -1
            deepest = max(deepest, depth)
            if depth == 0:
                return deepest

    def syntax(self, reason: str) -> FeedError:
        reason = (
            "the document is cut off" if self.ended and self.position == len(self.data) else reason
        )
        return FeedError(
            "json_syntax",
            f"{self.label} is not well-formed at byte {self.offset}: {reason}.",
            position=self.offset,
        )

    def _start(self) -> None:
        head = self.file.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head:
            raise FeedError("encoding", f"{self.label} is UTF-16 or UTF-32; JSON must be UTF-8.")
        self.file.seek(0)
        self.more()
        if self.data.startswith(codecs.BOM_UTF8):
            self.position = len(codecs.BOM_UTF8)

    def _check_utf8(self, chunk: bytes) -> None:
        pending = len(self._utf8.getstate()[0])
        try:
            self._utf8.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = self.base + len(self.data) - pending + error.start
            raise FeedError(
                "encoding", f"{self.label} is not valid UTF-8 at byte {at}.", position=at
            ) from None

    def _skip_string(self) -> None:
        self.position += 1
        while self._find(_IN_STRING) != b'"':
            self.position += 1
            self._find(_ANY)
            self.position += 1
        self.position += 1

    def _skip_scalar(self) -> int:
        start = self.offset
        while True:
            self.position = _SCALAR.match(self.data, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.data) or not self.more():
                break
        if self.offset == start:
            raise self.syntax("a value was expected")
        return 0

    def _find(self, pattern: re.Pattern[bytes]) -> bytes:
        while True:
            if found := pattern.search(self.data, self.position):
                self.position = found.start()
                return found[0]
            self.position = len(self.data)
            if not self.more():
                raise self.syntax("the document is cut off")

    def _key(self) -> str:
        """The key of an object's member; reading goes on after its colon."""
        if self.peek() != b'"':
            raise self.syntax("a key was expected")
        while not (found := _TEXT.match(self.data, self.position)):
            if len(self.data) - self.position > MAX_RECORD or not self.more():
                raise self.syntax("the document is cut off")
        self.position = found.end()
        if self.peek() != b":":
            raise self.syntax("a colon was expected")
        self.position += 1
        try:
            return msgspec.json.decode(found[0], type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ""

    def _enter_member(self, name: str, path: str) -> None:
        """Go on at the value of an object's member."""
        keys: list[str] = []
        self.position += 1
        mark = self.peek()
        while mark != b"}":
            key = self._key()
            if key == name:
                return
            keys.append(key)
            self.skip()
            mark = self.peek()
            if mark not in (b",", b"}"):
                raise self.syntax("a comma or the end of an object was expected")
            if mark == b",":
                self.position += 1
        found = ", ".join(keys[:20]) or "no keys"
        raise FeedError(
            "feed_not_a_list",
            f"{self.label} has no list at '{path}': there is no '{name}' among {found}.",
        )

    def _not_a_list(self, path: str) -> FeedError:
        mark = self.peek()
        if not mark:
            return self.syntax("")
        if mark == b"{":
            keys: list[str] = []
            self.position += 1
            while self.peek() == b'"' and len(keys) < 20:
                keys.append(self._key())
                self.skip()
                if self.peek() == b",":
                    self.position += 1
            found = f"an object with the keys {', '.join(keys)}" if keys else "an empty object"
        elif mark == b"<":
            found = "an HTML or XML page"
        else:
            found = _KINDS.get(mark, "a number" if mark in b"-0123456789" else "no JSON")
        place = f"at '{path}'" if path else "at its top"
        return FeedError("feed_not_a_list", f"{self.label} has no list {place}: it has {found}.")
