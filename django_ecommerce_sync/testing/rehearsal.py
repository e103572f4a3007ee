"""A feed in rehearsal: the same class and options, with a source that answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.test import override_settings

from ..conf import settings
from ..feeds import BadRow, FeedSource, HTTPFeed, Page, Payload, Stream
from ..feeds.addresses import is_http
from ..models import SyncRun
from ..sync import execute, request_run
from .answers import RecordedSource, SampledSource, Source
from .documents import Sample
from .faults import Fault
from .reading import Reading, read
from .server import Answerer, LocalServer, Request

Row = Payload | BadRow

#: Seconds a rehearsed feed waits for an answer: our server is quick, but the machine may be busy.
TIMEOUT = 10.0
#: Seconds for a document with its retries; longer than any wait a source asks for here.
DEADLINE = 40.0


class Rehearsal:
    """Builds the feed, reads it and syncs it from its own source."""

    def __init__(self, feed_class: type[FeedSource], options: Mapping[str, Any]) -> None:
        self.name = feed_class.__name__
        self.backend = feed_class
        self.options = options

    @property
    def requests(self) -> list[Request]:
        """What the last reading asked of the web server, where there is one."""
        return []

    def feed(self) -> FeedSource:
        """A new instance of the feed."""
        feed = self.backend(**self.options)
        feed.alias = self.name
        return feed

    def read(self, stream: Stream, cursor: Any = None) -> Reading:
        """The stream as a new instance of the feed reads it."""
        with self.feed() as feed:
            return read(feed, stream, cursor)

    def sync(
        self, streams: Sequence[str], backend: type[FeedSource] | None = None, *, full: bool = False
    ) -> SyncRun:
        """A whole run of the feed into the database, carried out here and now."""
        backend = with_rows(backend or self.backend, _copied)
        with configured(self.name, backend, self.options):
            run, _ = request_run(self.name, streams=streams, full=full)
            return execute(run.pk)


class WebRehearsal(Rehearsal):
    """A feed over HTTP with a server of ours in place of its source."""

    def __init__(
        self,
        feed_class: type[FeedSource],
        options: Mapping[str, Any],
        server: LocalServer,
        source: Source,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(feed_class, options)
        self.feed_class = feed_class
        self.backend = _moved(feed_class, server.url, timeout)
        self.server = server
        self.source = source
        self.source.url = server.url

    @property
    def requests(self) -> list[Request]:
        return self.server.requests

    def read(self, stream: Stream, cursor: Any = None) -> Reading:
        self.requests.clear()
        return super().read(stream, cursor)

    def with_timeout(self, seconds: float) -> WebRehearsal:
        """The same rehearsal with a feed that waits so long for an answer."""
        return WebRehearsal(self.feed_class, self.options, self.server, self.source, seconds)

    def read_ill(self, stream: Stream, fault: Fault) -> Reading:
        """The stream as it is read while the source is ill."""
        return self.read_from(fault(self.source), stream)

    def read_from(self, answer: Answerer, stream: Stream) -> Reading:
        """The stream as it is read while the source answers so."""
        self.server.answer = answer
        try:
            return self.read(stream)
        finally:
            self.server.answer = self.source


@contextmanager
def rehearsal(
    feed_class: type[FeedSource],
    options: Mapping[str, Any],
    samples: Mapping[str, Sample],
    responses: Mapping[str, Any] | Path | None,
) -> Iterator[Rehearsal]:
    """The feed in rehearsal; raises ``ConfigurationError`` where it cannot be built."""
    feed = feed_class(**options)
    if not isinstance(feed, HTTPFeed) or not (samples or responses):
        yield Rehearsal(feed_class, options)
        return
    recorded_at, feed.base_url = feed.base_url, moved(feed.base_url, "http://127.0.0.1")
    source: Source
    if responses:
        source = RecordedSource(feed, responses, recorded_at)
    else:
        source = SampledSource(feed, samples)
    with LocalServer(source) as server:
        yield WebRehearsal(feed_class, options, server, source)


@contextmanager
def configured(alias: str, backend: type[FeedSource], options: Mapping[str, Any]) -> Iterator[None]:
    """The project's settings with this feed, and no other."""
    feeds = {alias: {"BACKEND": backend, "OPTIONS": options}}
    names = {name: getattr(settings, name) for name in settings.names()}
    with override_settings(ECOMMERCE_SYNC={**names, "FEEDS": feeds}):
        yield


def needs_samples(feed: FeedSource) -> bool:
    """Whether the feed's own source is out of reach of a test."""
    return isinstance(feed, HTTPFeed) and (not feed.base_url or is_http(feed.base_url))


def secret_variables(feed: FeedSource) -> list[str]:
    """The environment variables in which the feed looks for its secrets."""
    auth = getattr(feed, "auth", None)
    if not is_dataclass(auth):
        return []
    return [getattr(auth, field.name) for field in fields(auth) if field.name.endswith("env")]


def moved(url: str, origin: str) -> str:
    """The same path and query at another origin."""
    scheme, netloc, *_ = urlsplit(origin)
    parts = urlsplit(url)
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    return parts._replace(scheme=scheme, netloc=netloc, path=path).geturl()


def _moved(feed_class: type[FeedSource], origin: str, timeout: float) -> type[FeedSource]:
    """The same feed with its source at another origin, which may be on this machine."""

    class Rehearsed(feed_class):  # type: ignore[valid-type, misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.base_url = moved(str(getattr(self, "base_url", "")), origin)
            self.timeout = timeout
            self.deadline = DEADLINE
            self.allow_private_addresses = True
            self.rate = ""

    return _named_as(feed_class, Rehearsed)


def with_rows(feed_class: type[FeedSource], change: Callable[[Row, Stream], Row]) -> Any:
    """The same feed with each of its rows changed."""

    class Changed(feed_class):  # type: ignore[valid-type, misc]
        def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
            for page in super().fetch(stream, cursor):
                yield replace(page, rows=(change(row, stream) for row in page.rows))

    return _named_as(feed_class, Changed)


def _copied(row: Row, stream: Stream) -> Row:
    """The row apart from the source's own: what a mapping does to it stays there."""
    return row if isinstance(row, BadRow) else deepcopy(row)


def with_canary(canary: str) -> Callable[[Row, Stream], Row]:
    """A change that puts a value into each record, and into each object inside that bears it."""

    def change(row: Row, stream: Stream) -> Row:
        if isinstance(row, BadRow):
            return row
        payload: dict[str, Any] = {**row, "canary": canary}
        for name, value in row.items():
            candidate = {**payload, name: _marked(value, canary)}
            try:
                stream.map(deepcopy(candidate))
            except Exception:  # noqa: S112 - the mapping counts on the names in this object
                continue
            payload = candidate
        return payload

    return change


def _marked(value: Any, canary: str) -> Any:
    """The value with the canary in every object inside it."""
    if isinstance(value, Mapping):
        return {**{name: _marked(inner, canary) for name, inner in value.items()}, "canary": canary}
    return [_marked(inner, canary) for inner in value] if isinstance(value, list) else value


def _named_as(original: type[FeedSource], derived: type[FeedSource]) -> type[FeedSource]:
    """Give the class the original's name: messages show it."""
    derived.__name__, derived.__qualname__ = original.__name__, original.__qualname__
    return derived
