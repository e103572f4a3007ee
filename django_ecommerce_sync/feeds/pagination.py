"""How one page leads to the next. A paginator has no memory: its state is a JSON value."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any, ClassVar

import msgspec

from ..exceptions import FeedError
from .mapping import Path
from .records import MISSING

_HEADER = "header:"
#: An address in a ``Link`` header, and what is said of it (RFC 8288).
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s;,=]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)')
_SAID = re.compile(r';\s*([^\s;,=]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))')
_TOO_MANY = 10**15
#: Pages without rows in a row before a source is taken to lead nowhere.
MAX_EMPTY_PAGES = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What the source answered to one request."""

    #: The headers; their names are found in any case.
    headers: Mapping[str, str]
    #: The document without its rows; None where that is too large to be held.
    envelope: Mapping[str, Any] | None
    #: How many rows there were, and the last of them that could be read.
    count: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)

    def at(self, path: str) -> Any:
        """The value at a dotted path of the envelope, or in a header (``header:X-Total``)."""
        if path.startswith(_HEADER):
            return self.headers.get(path.removeprefix(_HEADER))
        if not path:
            return None
        if self.envelope is None:
            raise FeedError(
                "record_too_large",
                f"A page has so much beside its rows that what is at '{path}' cannot be looked up.",
            )
        value = Path(path).extract(self.envelope)
        return None if value is MISSING else value

    def number(self, path: str) -> int | None:
        """The whole number at a dotted path, or None; none counts rows in quadrillions."""
        value = self.at(path)
        if isinstance(value, str) and re.fullmatch("[0-9]{1,15}", value, re.ASCII):
            return int(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return value if is_number and abs(value) < _TOO_MANY else None


class Paginator(ABC):
    """The way through a source's pages.

    A state stands for one request; ``Walk`` sees to it that the way has an end.
    """

    #: The state of the first request.
    start: Any = None
    #: Where an answer says how many rows there are on all pages: a dotted path, or
    #: ``header:`` and a header's name.
    total: str = ""
    #: Where an answer says that it leaves something out: a dotted path.
    partial: str = ""
    #: Whether a page without rows is the last one; a source that hands out tokens may have
    #: empty pages on the way.
    ends_when_empty: ClassVar[bool] = True

    def params(self, state: Any) -> dict[str, Any]:
        """The query parameters that ask for the page at ``state``."""
        return {}

    def url(self, state: Any) -> str | None:
        """The whole address of the page at ``state``, where the source gives addresses."""
        return None

    @abstractmethod
    def after(self, state: Any, answer: Answer) -> Any:
        """The state of the next page, or None after the last one."""

    def states(self, answer: Answer) -> Sequence[Any] | None:
        """The states of all pages as the first answer tells them; None where nobody can."""
        return None


@dataclass(frozen=True)
class NoPages(Paginator):
    """One document has everything."""

    def after(self, state: Any, answer: Answer) -> Any:
        return None


@dataclass(frozen=True)
class PageNumber(Paginator):
    """``?page=1``, ``?page=2`` … up to the number at ``total_pages``, or to an empty page."""

    param: str = "page"
    _: KW_ONLY
    size_param: str = ""
    size: int = 100
    start: int = 1
    total_pages: str = ""
    total: str = ""
    partial: str = ""

    def params(self, state: Any) -> dict[str, Any]:
        size = {self.size_param: self.size} if self.size_param else {}
        return {self.param: state, **size}

    def after(self, state: Any, answer: Answer) -> int | None:
        # A short page proves nothing: a source may give fewer rows than it was asked for.
        pages = answer.number(self.total_pages)
        return None if pages is not None and state - self.start + 1 >= pages else state + 1

    def states(self, answer: Answer) -> Sequence[int] | None:
        pages, rows = answer.number(self.total_pages), answer.number(self.total)
        if pages is None and rows is not None and answer.count:
            pages = -(-rows // answer.count)
        return None if pages is None else range(self.start, self.start + pages)


@dataclass(frozen=True)
class Offset(Paginator):
    """``?offset=0&limit=100`` … up to the number of rows at ``total``, or to an empty page."""

    param: str = "offset"
    _: KW_ONLY
    size_param: str = "limit"
    size: int = 100
    total: str = ""
    partial: str = ""
    start: ClassVar[int] = 0  # type: ignore[misc]  # nobody begins elsewhere

    def params(self, state: Any) -> dict[str, Any]:
        return {self.param: state, self.size_param: self.size}

    def after(self, state: Any, answer: Answer) -> int | None:
        reached: int = state + answer.count
        rows = answer.number(self.total)
        return None if rows is not None and reached >= rows else reached

    def states(self, answer: Answer) -> Sequence[int] | None:
        rows = answer.number(self.total)
        return None if rows is None else range(0, rows, answer.count or self.size)


@dataclass(frozen=True)
class Cursor(Paginator):
    """``?after=…`` with the token found at ``path``; ``start`` is the one of the first request."""

    param: str
    path: str
    _: KW_ONLY
    start: str | None = None
    total: str = ""
    partial: str = ""
    ends_when_empty: ClassVar[bool] = False

    def params(self, state: Any) -> dict[str, Any]:
        return {} if state is None else {self.param: state}

    def after(self, state: Any, answer: Answer) -> Any:
        token = answer.at(self.path)
        if not token:
            return None
        if token is True or not isinstance(token, str | int | Decimal):
            raise FeedError("no_cursor", f"A page has no text or number at '{self.path}'.")
        return str(token) if isinstance(token, Decimal) else token


@dataclass(frozen=True)
class NextURL(Paginator):
    """Each answer has the next page's address at ``path``."""

    path: str = "next"
    _: KW_ONLY
    total: str = ""
    partial: str = ""
    ends_when_empty: ClassVar[bool] = False

    def url(self, state: Any) -> str | None:
        return state  # type: ignore[no-any-return]

    def after(self, state: Any, answer: Answer) -> str | None:
        address = answer.at(self.path)
        if not address:
            return None
        if not isinstance(address, str):
            raise FeedError("no_next_url", f"A page has no text at '{self.path}'.")
        return address


@dataclass(frozen=True)
class LinkHeader(Paginator):
    """Each answer has the next page's address in its ``Link`` header (RFC 8288)."""

    rel: str = "next"
    _: KW_ONLY
    total: str = ""
    partial: str = ""
    ends_when_empty: ClassVar[bool] = False

    def url(self, state: Any) -> str | None:
        return state  # type: ignore[no-any-return]

    def after(self, state: Any, answer: Answer) -> str | None:
        for address, said in _LINK.findall(answer.headers.get("Link", "")):
            rels = [q or bare for name, q, bare in _SAID.findall(said) if name.lower() == "rel"]
            if self.rel.lower() in " ".join(rels).lower().split():
                return str(address.strip())
        return None


@dataclass(frozen=True)
class Keyset(Paginator):
    """``?since_id=…`` with the value that the last row has at ``field``."""

    param: str
    field: str
    _: KW_ONLY
    total: str = ""
    partial: str = ""

    def params(self, state: Any) -> dict[str, Any]:
        return {} if state is None else {self.param: state}

    def after(self, state: Any, answer: Answer) -> Any:
        if not answer.count:
            return None
        value = Path(self.field).extract(answer.last)
        if not isinstance(value, str | int | Decimal):
            raise FeedError(
                "no_keyset",
                f"The last sound row of a page has no text or number at '{self.field}'.",
            )
        return str(value) if isinstance(value, Decimal) else value


class Walk:
    """One walk through a source's pages: where it has been, so that it comes to an end.

    Sources have led in circles, given one page under many numbers, and handed out tokens for
    ever; each is told by what came before.
    """

    def __init__(self, paginator: Paginator, state: Any, *, label: str, max_pages: int) -> None:
        self.paginator = paginator
        self.state = state
        self.label = label
        self.max_pages = max_pages
        self.pages = 0
        self._empty = 0
        self._states = {json.dumps(state)}
        self._contents: set[bytes] = set()

    def note(self, rows: Sequence[Any]) -> None:
        """Take in the page at hand; raises ``FeedError`` where it was there before."""
        self.pages += 1
        self._empty = 0 if rows else self._empty + 1
        if self._empty > MAX_EMPTY_PAGES:
            raise self._loop(f"gave {MAX_EMPTY_PAGES} pages without a row, one after the other")
        content = _content(rows)
        if rows and content in self._contents:
            raise self._loop("gave the same rows twice; perhaps it knows another paging parameter")
        self._contents.add(content)

    def go_on(self, following: Any, *, empty: bool) -> Any:
        """The state of the next page, None at the end; raises ``FeedError`` in a circle."""
        if following is None or (empty and self.paginator.ends_when_empty):
            return None
        if json.dumps(following) in self._states:
            if empty:  # nothing more, said by pointing to itself
                return None
            raise self._loop("leads back to a page it gave before")
        if self.pages == self.max_pages:
            raise FeedError(
                "too_many_pages",
                f"{self.label} has more than {self.max_pages} pages; raise max_pages if it may.",
            )
        self._states.add(json.dumps(following))
        self.state = following
        return following

    def _loop(self, what: str) -> FeedError:
        return FeedError("pagination_loop", f"{self.label} {what}.")


def _content(rows: Sequence[Any]) -> bytes:
    return blake2b(msgspec.json.encode(rows, enc_hook=repr), digest_size=16).digest()
