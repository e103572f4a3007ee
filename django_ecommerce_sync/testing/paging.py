"""The other side of each paginator: what a source answers to the request for a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any
from urllib.parse import urlencode

from ..exceptions import ConfigurationError
from ..feeds import (
    Cursor,
    Keyset,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
    Paginator,
    Path,
)
from .server import Request

#: Samples are given out on up to so many pages.
PAGES = 3
#: The parameter of the addresses that we give out for next pages.
_PLACE = "contract-from"


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a stream's rows, and what the answer says beside them."""

    rows: Sequence[Any]
    #: By dotted path in the document, or by ``header:`` and a header's name.
    said: Mapping[str, Any] = field(default_factory=dict)


def page(paginator: Paginator, request: Request, rows: Sequence[Any], url: str) -> Slice:
    """The page a request asks for, ``url`` being the server's address."""
    for kind, cut in _CUTS.items():
        if isinstance(paginator, kind):
            found = cut(paginator, request, rows, url)
            said = {**found.said, paginator.total: len(rows)}
            return Slice(found.rows, {path: value for path, value in said.items() if path})
    raise unknown(paginator)


def is_known(paginator: Paginator) -> bool:
    """Whether samples can be cut into pages for this paginator."""
    return isinstance(paginator, tuple(_CUTS))


def unknown(paginator: Paginator) -> ConfigurationError:
    """The complaint about a paginator whose source only its author knows."""
    return ConfigurationError(
        f"Nobody but you knows how a source answers to {type(paginator).__name__}: give the "
        "contract responses = {'path?query': answer} instead of samples."
    )


def _size(rows: Sequence[Any]) -> int:
    return max(ceil(len(rows) / PAGES), 1)


def _numbered(paginator: PageNumber, request: Request, rows: Sequence[Any], url: str) -> Slice:
    size = _size(rows)
    start = (int(request.query.get(paginator.param, paginator.start)) - paginator.start) * size
    pages = {paginator.total_pages: ceil(len(rows) / size)} if paginator.total_pages else {}
    return Slice(rows[start : start + size], pages)


def _offset(paginator: Offset, request: Request, rows: Sequence[Any], url: str) -> Slice:
    start = int(request.query.get(paginator.param, 0))
    return Slice(rows[start : start + min(_size(rows), paginator.size)])


def _token(paginator: Cursor, request: Request, rows: Sequence[Any], url: str) -> Slice:
    token = request.query.get(paginator.param, "")
    start = int(token.removeprefix("after-")) if token.startswith("after-") else 0
    end = start + _size(rows)
    return Slice(rows[start:end], {paginator.path: f"after-{end}"} if end < len(rows) else {})


def _next_url(paginator: NextURL, request: Request, rows: Sequence[Any], url: str) -> Slice:
    found, following = _addressed(request, rows, url)
    return Slice(found, {paginator.path: following} if following else {})


def _link(paginator: LinkHeader, request: Request, rows: Sequence[Any], url: str) -> Slice:
    found, following = _addressed(request, rows, url)
    link = f'<{following}>; rel="{paginator.rel}"'
    return Slice(found, {"header:Link": link} if following else {})


def _addressed(request: Request, rows: Sequence[Any], url: str) -> tuple[Sequence[Any], str]:
    """The rows from the place in the address on, and the address of the next ones.

    Whatever else was in the query comes back in it: sources do that with keys, too.
    """
    start = int(request.query.get(_PLACE, 0))
    end = start + _size(rows)
    query = urlencode({**request.query, _PLACE: end})
    return rows[start:end], f"{url}{request.path}?{query}" if end < len(rows) else ""


def _keyset(paginator: Keyset, request: Request, rows: Sequence[Any], url: str) -> Slice:
    after = request.query.get(paginator.param)
    keys = [str(Path(paginator.field).extract(row)) for row in rows]
    start = keys.index(after) + 1 if after in keys else 0
    return Slice(rows[start : start + _size(rows)])


_CUTS: dict[type[Paginator], Callable[[Any, Request, Sequence[Any], str], Slice]] = {
    PageNumber: _numbered,
    Offset: _offset,
    Cursor: _token,
    NextURL: _next_url,
    LinkHeader: _link,
    Keyset: _keyset,
}
