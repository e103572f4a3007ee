"""A feed over HTTP, page by page or as one document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..exceptions import FeedError
from .auth import Auth, Query
from .document import Document
from .formats import JSON, Content, Format
from .grouping import grouped
from .pagination import Answer, NoPages, Paginator
from .records import BadRow, Page, Payload
from .source import FeedSource
from .streams import Stream
from .transport import Transport, is_http, label, origin


class HTTPFeed(FeedSource):
    """An API: each stream is at ``base_url`` plus its ``path``, paged or not.

    A page is read as a whole and checked before it is handed out; a document without pages
    may be of any length, its rows are read as they are used.
    """

    option_names: ClassVar[tuple[str, ...]] = (
        "streams",
        "base_url",
        "auth",
        "headers",
        "paginator",
        "format",
        "timeout",
        "deadline",
        "max_bytes",
        "max_page_bytes",
        "max_pages",
        "allow_private_addresses",
    )
    base_url: str = ""
    auth: Auth | None = None
    headers: Mapping[str, str] = {}
    paginator: Paginator = NoPages()
    format: Format = JSON()
    #: Seconds to connect and for each silence; seconds for a whole document with its retries.
    timeout: float = 30.0
    deadline: float = 900.0
    max_bytes: int = 2 << 30
    #: A page is held in memory, so it is held to less.
    max_page_bytes: int = 64 << 20
    max_pages: int = 100_000
    allow_private_addresses: bool = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._transport: Transport | None = None
        self._kept: tuple[str, Document] | None = None

    def check(self) -> list[str]:
        missing = [] if self.base_url else [f"{type(self).__name__} has no base_url."]
        return missing + super().check()

    def close(self) -> None:
        self._let_go()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def address(self, stream: Stream) -> str:
        """Where the stream's first document is."""
        base = str(self.base_url)
        return f"{base.rstrip('/')}/{stream.path.lstrip('/')}" if stream.path else base

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        paginator = stream.paginator or self.paginator
        if isinstance(paginator, NoPages):
            pages: Iterable[Page] = self._whole(stream)
        else:
            pages = self._pages(stream, paginator, cursor)
        if not stream.group_by:
            yield from pages
        else:  # a group may go on over pages, so there is no page to resume at
            rows = chain.from_iterable(page.rows for page in pages)
            yield Page(grouped(rows, stream.group_by))

    def _whole(self, stream: Stream) -> Iterator[Page]:
        """The one page of a stream without pages; its document stays open for the next stream."""
        address, params = self.address(stream), self._params(stream)
        content = self.format.read(self._document(address, params), stream)
        yield Page(content.rows, total=content.count)

    def _document(self, address: str, params: Mapping[str, Any]) -> Document:
        """The document at an address; the last one is kept, other streams may be in it too."""
        key = json.dumps([address, params], default=str)
        if self._kept is not None and self._kept[0] == key:
            return self._kept[1]
        self._let_go()
        document = self._get(address, params, self.max_bytes)
        self._kept = (key, document)
        return document

    def _pages(self, stream: Stream, paginator: Paginator, cursor: Any) -> Iterator[Page]:
        state = paginator.start if cursor is None else cursor
        seen = {json.dumps(state)}
        for _ in range(self.max_pages):
            rows, answer = self._page(stream, paginator, state)
            following = paginator.after(state, answer) if rows else None
            if following is not None and paginator.url(following):
                following = self._own(urljoin(self.address(stream), following))
            if following is not None and json.dumps(following) in seen:
                raise FeedError(
                    "pagination_loop",
                    f"{label(self.address(stream))} leads back to a page it gave before.",
                )
            yield Page(rows, cursor=following, total=answer.number(paginator.total))
            if following is None:
                return
            state = following
            seen.add(json.dumps(state))
        raise FeedError(
            "too_many_pages", f"{label(self.address(stream))} has more than {self.max_pages} pages."
        )

    def _page(
        self, stream: Stream, paginator: Paginator, state: Any
    ) -> tuple[list[Payload | BadRow], Answer]:
        """One page's rows, and what the paginator wants to know of the answer."""
        url = paginator.url(state)
        if url:
            document = self._get(self._own(url), {}, self.max_page_bytes)
        else:
            params = {**self._params(stream), **paginator.params(state)}
            document = self._get(self.address(stream), params, self.max_page_bytes)
        with document:
            content: Content = self.format.read(document, stream)
            rows = list(content.rows)
        last = rows[-1] if rows and isinstance(rows[-1], Mapping) else {}
        return rows, Answer(document.headers, content.envelope, len(rows), last)

    def _params(self, stream: Stream) -> dict[str, Any]:
        since = stream.since
        changed = {since.param: since.value} if since and since.param and since.value else {}
        return {**stream.params, **changed}

    def _get(self, url: str, params: Mapping[str, Any], max_bytes: int) -> Document:
        if self._transport is None:
            self._transport = Transport(
                timeout=self.timeout,
                deadline=self.deadline,
                allow_private=self.allow_private_addresses,
            )
        self._transport.max_bytes = max_bytes
        if not is_http(url):
            return self._transport.get(url)
        headers, params = dict(self.headers), dict(params)
        if self.auth is not None:
            headers |= self.auth.headers()
            params |= self.auth.params()
        return self._transport.get(url, params=params, headers=headers)

    def _own(self, url: str) -> str:
        """An address the source gave: on its own host, and without the secret in it."""
        if origin(url) != origin(str(self.base_url)):
            raise FeedError(
                "foreign_next_url",
                f"The next page of {label(str(self.base_url))} would be on another host, at "
                f"{label(url)}.",
            )
        if not isinstance(self.auth, Query):
            return url
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if pair.split("=")[0] != self.auth.param]
        return urlunsplit(parts._replace(query="&".join(kept)))

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None
