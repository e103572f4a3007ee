"""A feed over HTTP, page by page or as one document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..conf import settings
from ..exceptions import ConfigurationError, FeedError, RecordError
from .addresses import has_user, is_http, is_plain_http, label, local_path, same_site
from .auth import Auth, Query
from .document import Document, is_gzipped
from .formats import JSON, Content, Format
from .pagination import Answer, NoPages, Paginator, Walk
from .ranges import identity, open_range
from .rates import RateBudget
from .records import BadRow, Page, Payload
from .redaction import redacted
from .reshaping import reshaped
from .source import FeedSource
from .streams import Stream
from .transport import Transport


class HTTPFeed(FeedSource):
    """An API: each stream is at ``base_url`` plus its ``path``, paged or not.

    A page is read as a whole and checked before it is handed out; a document without pages
    may be of any length, its rows are read as they are used.
    """

    is_remote = True
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
        "max_records",
        "rate",
        "ca_bundle",
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
    #: Requests all workers together may make, as ``"2/s"`` or ``"5000/h"``.
    rate: str = ""
    #: A PEM file, or a directory of them, with the authorities to trust instead of the public ones.
    ca_bundle: str = ""
    allow_private_addresses: bool = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._transport: Transport | None = None
        self._kept: tuple[str, Document] | None = None

    def check(self) -> list[str]:
        found = [] if self.base_url else [f"{type(self).__name__} has no base_url."]
        if has_user(str(self.base_url)):
            found.append("base_url has a user in it; give it auth=Basic(user, env=…) instead.")
        try:
            self._budget()
        except ConfigurationError as error:
            found.append(str(error))
        for stream in self.streams:
            if stream.partitions is not None and stream.spans_pages:
                found.append(
                    f"Stream '{stream.name}' puts records together from several rows, so it "
                    "cannot have partitions: the rows of a record might come apart."
                )
        return found + super().check()

    @property
    def is_exposed(self) -> bool:
        """Whether the feed is read without TLS over ways that are not its owner's."""
        trusted = self.allow_private_addresses or settings.ALLOW_PRIVATE_ADDRESSES
        return is_plain_http(str(self.base_url)) and not trusted

    def close(self) -> None:
        self._let_go()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def asks_for_changes(self, stream: Stream) -> bool:
        return stream.since is not None and bool(stream.since.param)

    def reads(self, stream: Stream) -> Any:
        paginator = stream.paginator or self.paginator
        return [self.address(stream), super().reads(stream), paginator, self.format]

    def address(self, stream: Stream) -> str:
        """Where the stream's first document is."""
        base = str(self.base_url)
        return f"{base.rstrip('/')}/{stream.path.lstrip('/')}" if stream.path else base

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        paginator = stream.paginator or self.paginator
        if stream.partitions is not None and stream.partitions.is_all:
            return stream.partitions.in_order(self, stream, cursor)  # type: ignore[no-any-return]
        if isinstance(paginator, NoPages):
            pages = self._whole(stream)
        else:
            pages = self._pages(stream, paginator, cursor)
            if cursor is None and stream.reshapes:
                pages = _counted(pages)
        if stream.spans_pages:
            return _joined(pages, stream)
        return _taken_apart(pages, stream) if stream.each else pages

    # -- parts -------------------------------------------------------------------------------

    def byte_ranges(self, stream: Stream, number: int, least: int) -> list[dict[str, Any]]:
        path = local_path(self.address(stream))
        if is_http(self.address(stream)) or not path.is_file() or is_gzipped(path):
            return []
        document, now = self._document(stream), identity(path)
        digest = document.digest()
        number = min(number, now["size"] // least)
        if digest == stream.known.get("digest") or number < 2:
            return []
        head, cuts = self.format.cuts(document, stream, now["size"], number)
        common = {**now, "digest": digest, "head": head.hex()}
        ends = [*cuts[1:], now["size"]]
        return [{**common, "start": a, "end": b} for a, b in zip(cuts, ends, strict=True)]

    def fetch_bytes(self, stream: Stream, part: Any) -> Iterator[Page]:
        with open_range(local_path(self.address(stream)), part) as document:
            rows = self.format.read(document, stream).rows
            if part["start"] > len(part["head"]) // 2:
                rows = _counted_from(part["start"], iter(rows))
            pages = iter([Page(rows, validators={"digest": part["digest"]})])
            yield from _taken_apart(pages, stream) if stream.each else pages

    def page_starts(self, stream: Stream) -> Sequence[Any]:
        paginator = stream.paginator or self.paginator
        _, answer, _ = self._page(stream, paginator, paginator.start)
        states = paginator.states(answer)
        if states is None:
            raise FeedError(
                "no_total",
                f"Nobody can tell how many pages {label(self.address(stream))} has, so it cannot "
                "be cut into ranges of pages; give its PageNumber or Offset a total.",
            )
        return states

    def fetch_pages(self, stream: Stream, start: Any, stop: Any) -> Iterator[Page]:
        paginator = stream.paginator or self.paginator
        pages = self._pages(stream, paginator, start, stop)
        return _taken_apart(pages, stream) if stream.each else pages

    # -- one document ------------------------------------------------------------------------

    def _whole(self, stream: Stream) -> Iterator[Page]:
        """The one page of a stream without pages; its document stays open for the next stream."""
        document = self._document(stream)
        if document.unchanged:
            yield Page((), unchanged=True, clock=document.date)
            return
        validators = {**document.validators, "digest": document.digest()}
        if validators["digest"] == stream.known.get("digest"):
            yield Page((), unchanged=True, clock=document.date, validators=validators)
            return
        content = self.format.read(document, stream)
        yield Page(content.rows, total=content.count, clock=document.date, validators=validators)

    def _document(self, stream: Stream) -> Document:
        """The stream's document; the last one is kept, for other streams may be in it too."""
        address, params = self.address(stream), self._params(stream)
        marks = [stream.known.get("etag"), stream.known.get("last_modified")]
        key = json.dumps([address, params, marks], default=str)
        if self._kept is not None and self._kept[0] == key:
            return self._kept[1]
        self._let_go()
        document = self._get(address, params, self.max_bytes, stream.known)
        self._kept = (key, document)
        return document

    # -- pages -------------------------------------------------------------------------------

    def _pages(
        self, stream: Stream, paginator: Paginator, cursor: Any, stop: Any = None
    ) -> Iterator[Page]:
        state = paginator.start if cursor is None else cursor
        name = label(self.address(stream))
        walk = Walk(paginator, state, label=name, max_pages=self.max_pages)
        while True:
            rows, answer, document = self._page(stream, paginator, walk.state)
            walk.note(rows)
            following = paginator.after(walk.state, answer)
            if following is not None and paginator.url(following):
                here = paginator.url(walk.state) or self.address(stream)
                following = self._own(following, here)
            following = walk.go_on(following, empty=not rows)
            if stop is not None and following is not None and following >= stop:
                following = None
            yield Page(
                rows,
                cursor=following,
                total=answer.number(paginator.total),
                partial=bool(answer.at(paginator.partial)),
                clock=document.date,
            )
            if following is None:
                return

    def _page(
        self, stream: Stream, paginator: Paginator, state: Any
    ) -> tuple[list[Payload | BadRow], Answer, Document]:
        """One page's rows, what the paginator wants to know of the answer, and its document."""
        url = paginator.url(state)
        if url:
            document = self._get(self._own(url), {}, self.max_page_bytes)
        else:
            params = {**self._params(stream), **paginator.params(state)}
            document = self._get(self.address(stream), params, self.max_page_bytes)
        with document:
            content: Content = self.format.read(document, stream)
            rows = list(content.rows)
        last = next((row for row in reversed(rows) if isinstance(row, Mapping)), {})
        return rows, Answer(document.headers, content.envelope, len(rows), last), document

    # -- requests ----------------------------------------------------------------------------

    def _params(self, stream: Stream) -> dict[str, Any]:
        since = stream.since
        changed = {since.param: since.value} if since and since.param and since.value else {}
        return {**stream.params, **changed}

    def _get(
        self,
        url: str,
        params: Mapping[str, Any],
        max_bytes: int,
        known: Mapping[str, str] | None = None,
    ) -> Document:
        if self._transport is None:
            self._transport = Transport(
                timeout=self.timeout,
                deadline=self.deadline,
                allow_private=self.allow_private_addresses,
                ca_bundle=str(self.ca_bundle),
                budget=self._budget(),
            )
        self._transport.max_bytes = max_bytes
        if not is_http(url):
            return self._transport.get(url)
        headers, params = dict(self.headers), dict(params)
        if self.auth is not None:
            headers |= self.auth.headers()
            params |= self.auth.params()
        return self._transport.get(url, params=params, headers=headers, validators=known)

    def _budget(self) -> RateBudget | None:
        return RateBudget(f"feed {self.alias}", self.rate) if self.rate else None

    def _own(self, url: str, page: str = "") -> str:
        """An address the source gave on ``page``: on its own host, and without the secret in it."""
        home = str(self.base_url)
        try:
            url = urljoin(page, url)
            is_own = same_site(home, url)
        except ValueError:  # brackets that hold no address
            is_own = False
        if not is_own:
            raise FeedError(
                "foreign_next_url",
                f"The next page of {label(home)} would be at {label(url)}, which has another "
                "scheme, host or port; no secret may go there.",
            )
        own = self.auth.param if isinstance(self.auth, Query) else None
        parts = urlsplit(url)
        pairs = parts.query.split("&")
        # Some sources give back the secret under a name of theirs, whatever header it came in.
        kept = [pair for pair in pairs if pair.split("=")[0] != own and redacted(pair) == pair]
        return url if kept == pairs else urlunsplit(parts._replace(query="&".join(kept)))

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None


def _taken_apart(pages: Iterator[Page], stream: Stream) -> Iterator[Page]:
    """The pages with the records that are inside of their rows."""
    for page in _without_totals(pages):
        yield replace(page, rows=reshaped(page.rows, stream))


def _counted_from(start: int, rows: Iterator[Payload | BadRow]) -> Iterator[Payload | BadRow]:
    """The rows; where one is bad, that its line is counted from the beginning of its part."""
    for row in rows:
        if isinstance(row, BadRow) and "ine " in row.error.message:
            said = f"{row.error.message} Lines are counted from byte {start:,} on."
            row = BadRow(RecordError(row.error.code, said, value=row.error.value))
        yield row


def _counted(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages of a whole walk, the last one partial where fewer rows came than announced.

    Nobody can tell any more when other records have been made of the rows.
    """
    read = 0
    announced: set[int] = set()
    for page in pages:
        read += len(page.rows)  # type: ignore[arg-type]  # a list
        announced.update(() if page.total is None else (page.total,))
        is_short = page.cursor is None and (len(announced) > 1 or read < max(announced, default=0))
        yield replace(page, partial=page.partial or is_short)


def _without_totals(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages of a stream whose totals count rows, and not the records made of them."""
    return (replace(page, total=None) for page in pages)


def _joined(pages: Iterator[Page], stream: Stream) -> Iterator[Page]:
    """All rows as one page, for a record may go on over pages; there is none to resume at.

    What the pages say beside their rows is known when all have been read: it comes last. Only
    what marks the first one is told at once, for whoever would go on in its middle.
    """
    said: list[Page] = []
    pages = _without_totals(pages)
    first = next(pages)

    def rows() -> Iterator[Payload | BadRow]:
        for page in chain([first], pages):
            said.append(replace(page, rows=(), cursor=None))
            yield from page.rows

    yield Page(reshaped(rows(), stream), validators=first.validators)
    yield from said
