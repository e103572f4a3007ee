"""How one page leads to the next. A paginator has no memory: its state is a JSON value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from requests.utils import parse_header_links

from .mapping import Path
from .records import MISSING


@dataclass(frozen=True, slots=True)
class Answer:
    """What the source answered to one request."""

    #: The headers; their names are found in any case.
    headers: Mapping[str, str]
    #: The document without its rows.
    envelope: Mapping[str, Any]
    #: How many rows there were, and the last of them.
    count: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)

    def at(self, path: str) -> Any:
        """The value at a dotted path of the envelope, or None."""
        value = Path(path).extract(self.envelope) if path else None
        return None if value is MISSING else value

    def number(self, path: str) -> int | None:
        """The whole number at a dotted path, or None."""
        value = self.at(path)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


class Paginator(ABC):
    """The way through a source's pages.

    A state stands for one request. An empty page ends the walk whatever the paginator says,
    and a state that comes back is an error; both are seen to by the feed.
    """

    #: The state of the first request.
    start: Any = None
    #: Where an answer says how many rows there are on all pages, as a dotted path.
    total: str = ""

    def params(self, state: Any) -> dict[str, Any]:
        """The query parameters that ask for the page at ``state``."""
        return {}

    def url(self, state: Any) -> str | None:
        """The whole address of the page at ``state``, where the source gives addresses."""
        return None

    @abstractmethod
    def after(self, state: Any, answer: Answer) -> Any:
        """The state of the next page, or None after the last one."""


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

    def params(self, state: Any) -> dict[str, Any]:
        size = {self.size_param: self.size} if self.size_param else {}
        return {self.param: state, **size}

    def after(self, state: Any, answer: Answer) -> int | None:
        # A short page proves nothing: a source may give fewer rows than it was asked for.
        pages = answer.number(self.total_pages)
        return None if pages is not None and state - self.start + 1 >= pages else state + 1


@dataclass(frozen=True)
class Offset(Paginator):
    """``?offset=0&limit=100`` … up to the number of rows at ``total``, or to an empty page."""

    param: str = "offset"
    _: KW_ONLY
    size_param: str = "limit"
    size: int = 100
    total: str = ""
    start: ClassVar[int] = 0  # type: ignore[misc]  # nobody begins elsewhere

    def params(self, state: Any) -> dict[str, Any]:
        return {self.param: state, self.size_param: self.size}

    def after(self, state: Any, answer: Answer) -> int | None:
        reached: int = state + answer.count
        rows = answer.number(self.total)
        return None if rows is not None and reached >= rows else reached


@dataclass(frozen=True)
class Cursor(Paginator):
    """``?after=…`` with the token found at ``path``; ``start`` is the one of the first request."""

    param: str
    path: str
    _: KW_ONLY
    start: str | None = None
    total: str = ""

    def params(self, state: Any) -> dict[str, Any]:
        return {} if state is None else {self.param: state}

    def after(self, state: Any, answer: Answer) -> Any:
        token = answer.at(self.path)
        return token if isinstance(token, str | int) and token not in ("", False) else None


@dataclass(frozen=True)
class NextURL(Paginator):
    """Each answer has the next page's address at ``path``."""

    path: str = "next"
    _: KW_ONLY
    total: str = ""

    def url(self, state: Any) -> str | None:
        return state  # type: ignore[no-any-return]

    def after(self, state: Any, answer: Answer) -> str | None:
        address = answer.at(self.path)
        return address if isinstance(address, str) and address else None


@dataclass(frozen=True)
class LinkHeader(Paginator):
    """Each answer has the next page's address in its ``Link`` header (RFC 8288)."""

    rel: str = "next"

    def url(self, state: Any) -> str | None:
        return state  # type: ignore[no-any-return]

    def after(self, state: Any, answer: Answer) -> str | None:
        for link in parse_header_links(answer.headers.get("Link", "")):
            if self.rel in link.get("rel", "").split():
                return link["url"]
        return None


@dataclass(frozen=True)
class Keyset(Paginator):
    """``?since_id=…`` with the value that the last row has at ``field``."""

    param: str
    field: str

    def params(self, state: Any) -> dict[str, Any]:
        return {} if state is None else {self.param: state}

    def after(self, state: Any, answer: Answer) -> Any:
        value = Path(self.field).extract(answer.last)
        if value is MISSING:
            return None
        return str(value) if isinstance(value, Decimal) else value
