"""Cutting the elements out of a JSON array of any length, without decoding the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from ..document import CHUNK
from .base import MAX_DEPTH, MAX_RECORD
from .decoding import syntax_error
from .scanning import SPACE, STRING, Scanner

_VALUE = rb'[{\[](?:[^"{}\[\]]++|' + STRING + rb")*+[}\]]"
for _ in range(MAX_DEPTH - 1):
    _VALUE = rb'[{\[](?:[^"{}\[\]]++|' + STRING + rb"|" + _VALUE + rb")*+[}\]]"
_VALUE = rb"(?:" + _VALUE + rb"|" + STRING + rb'|[^ \t\r\n"{}\[\],:]++)'
# Possessive throughout: on no text does a match take more than one look at each byte.
_ELEMENT = re.compile(_VALUE, re.DOTALL)
_RUN = re.compile(rb"(?:" + _VALUE + SPACE + rb"," + SPACE + rb")++", re.DOTALL)
_LAST = re.compile(_VALUE + SPACE + rb"(?=\])", re.DOTALL)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_GUESSES = 3


class Span(NamedTuple):
    """A stretch of the array: so many elements, or one that is ``rejected`` with that code."""

    start: int
    end: int
    rows: int
    rejected: str = ""


class Splitter(Scanner):
    """A scanner inside an array, which it takes in stretches as long as memory allows."""

    def spans(self) -> Iterator[Span]:
        """The array's elements in stretches; reading goes on after its ``]``."""
        if self.peek() == b"]":
            self.position += 1
            return
        while True:
            yield self._span()
            mark = self.peek()
            self.position += 1
            if mark == b"]":
                return
            if mark != b",":
                self.position -= 1
                raise self.syntax("a comma or the end of the list was expected")
            self.peek()

    def _span(self) -> Span:
        """The next stretch; reading goes on at the comma or bracket after it."""
        while True:
            end = self._guess() or self._run()
            if end:
                return self._verified(end)
            if last := _LAST.match(self.data, self.position):
                return self._verified(last.end())
            held = len(self.data) - self.position
            if held > MAX_RECORD or not self.more(max(CHUNK, held)):
                return self._skipped()

    def _guess(self) -> int:
        """Where the last whole element in memory ends, 0 if no guess was right.

        What stands before a ``},`` is a row of whole elements just if it reads as one.
        """
        end = len(self.data)
        for _ in range(_GUESSES):
            end = self.data.rfind(b"},", self.position, end)
            if end < 0:
                return 0
            if _count(self.data[self.position : end + 1]) is not None:
                return end + 1
        return 0

    def _run(self) -> int:
        run = _RUN.match(self.data, self.position)
        return self.data.rindex(b",", self.position, run.end()) if run else 0

    def _verified(self, end: int) -> Span:
        """The stretch up to ``end``, once every element in it is known to be JSON."""
        raw = self.data[self.position : end]
        start = self.offset
        count = _count(raw)
        if count is None:
            count = 0
            for element in _ELEMENT.finditer(raw):
                count += 1
                if error := syntax_error(element[0]):
                    at = len(element[0].decode()[: error.pos].encode())
                    self.position += element.start() + at
                    raise self.syntax(error.msg)
        self.position = end
        return Span(start, start + len(raw), count)

    def _skipped(self) -> Span:
        """One element that is too large or too deep to be looked at."""
        start = self.offset
        deepest = self.skip()
        code = "too_deep" if deepest > MAX_DEPTH else ""
        if self.offset - start > MAX_RECORD:
            code = code or "record_too_large"
        return Span(start, self.offset, 1, code)


def elements(raw: bytes) -> list[bytes]:
    """The elements of a stretch, one by one."""
    try:
        return [bytes(element) for element in _raws.decode(b"[" + raw + b"]")]
    except (msgspec.MsgspecError, RecursionError):
        return [element[0] for element in _ELEMENT.finditer(raw)]


def _count(raw: bytes) -> int | None:
    """How many elements there are in a stretch, None if it is no JSON."""
    try:
        return len(_raws.decode(b"[" + raw + b"]"))
    except (msgspec.MsgspecError, RecursionError):
        return None
