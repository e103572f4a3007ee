"""How a stream is cut into parts that several workers read at the same time.

A rule is declared with the stream, ``Stream(…, partitions=ByteRanges(8))``, and makes JSON
values, each of which stands for a part. The parts in their order have the rows of the whole
stream in theirs. Dry runs, limited runs and retries read the stream as one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Sized
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

from ..exceptions import ConfigurationError, FeedError
from .addresses import is_http, local_path
from .records import Page
from .source import FeedSource
from .streams import Stream, duration


class Partitions(ABC):
    """A rule by which a stream is cut."""

    #: Whether the parts are all there is: there is nothing else to read the stream as one from.
    is_all: ClassVar[bool] = False

    @abstractmethod
    def parts(self, feed: FeedSource, stream: Stream) -> Sequence[Any]:
        """JSON values for the parts, in order; nothing where the stream is better read as one."""

    @abstractmethod
    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        """The pages of one part, as ``FeedSource.fetch`` gives those of the whole."""

    def in_order(self, feed: FeedSource, stream: Stream, cursor: Any) -> Iterator[Page]:
        """The stream read as one: part after part."""
        parts = self.parts(feed, stream)
        begun, inner = cursor or (0, None)
        for index in range(begun, len(parts)):
            after = [index + 1, None] if index + 1 < len(parts) else None
            for page in self.fetch(feed, stream, parts[index], inner):
                yield replace(page, cursor=after if page.cursor is None else [index, page.cursor])
            inner = None


class Portion(FeedSource):
    """One part of a feed's stream, as a feed."""

    def __init__(self, feed: FeedSource, part: Any) -> None:
        super().__init__()
        self.feed = feed
        self.part = part
        self.max_records = feed.max_records

    @property
    def is_remote(self) -> bool:  # type: ignore[override]
        return self.feed.is_remote

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        return self.feed.fetch_part(stream, self.part, cursor)


@dataclass(frozen=True)
class ByteRanges(Partitions):
    """So many ranges of one large file, cut where a record ends.

    For JSON Lines and CSV in a plain local file that every worker sees. What is gzipped, comes
    over HTTP or is too small for it is read as one.
    """

    number: int = 8
    _: KW_ONLY
    #: Bytes that a range should have at least.
    least: int = 1 << 20

    def parts(self, feed: FeedSource, stream: Stream) -> Sequence[Any]:
        return feed.byte_ranges(stream, self.number, self.least)

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        return feed.fetch_bytes(stream, part)


@dataclass(frozen=True)
class PageRanges(Partitions):
    """So many ranges of pages, where the first page tells how many there are.

    The paginator must know each page's place beforehand: ``PageNumber`` or ``Offset``.
    """

    number: int = 8

    def parts(self, feed: FeedSource, stream: Stream) -> list[Any]:
        starts = feed.page_starts(stream)
        cuts = [starts[at] for at in cut(len(starts), self.number)]
        return [list(pair) for pair in zip(cuts, [*cuts[1:], None], strict=True)]

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        first, stop = part
        return feed.fetch_pages(stream, first if cursor is None else cursor, stop)


@dataclass(frozen=True)
class Files(Partitions):
    """Each file of a directory that fits ``pattern``, in the order of their names."""

    pattern: str
    is_all: ClassVar[bool] = True

    def parts(self, feed: FeedSource, stream: Stream) -> list[Any]:
        address: str = feed.address(replace(stream, path=""))  # type: ignore[attr-defined]
        if is_http(address):
            raise ConfigurationError(f"{address} is no directory: Files() are local ones.")
        folder: Path = local_path(address)
        names = sorted(p.name for p in folder.glob("*") if fnmatch(p.name, self.pattern))
        if not names:
            raise FeedError("feed_empty", f"{folder} has no file that fits '{self.pattern}'.")
        return names

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        file = replace(stream, path=part, partitions=None, known={})
        # What tells one file from others tells nothing about all of them.
        pages = feed.fetch(file, cursor)
        return (replace(page, validators={}, total=None) for page in pages)


@dataclass(frozen=True)
class IdRanges(Partitions):
    """Ranges of ids ``step`` wide: ``IdRanges(0, 1_000_000, 50_000, params=("from", "to"))``.

    ``params`` take the first and the last id that are asked for. The first range has no lower
    end and the last no upper one, so that no record is left out.
    """

    start: int
    stop: int
    step: int
    _: KW_ONLY
    params: tuple[str, str] = ("min_id", "max_id")

    def parts(self, feed: FeedSource, stream: Stream) -> list[Any]:
        return _windows(list(range(self.start + self.step, self.stop, self.step)), before=1)

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        return _asked(feed, stream, self.params, part, cursor)


@dataclass(frozen=True)
class TimeWindows(Partitions):
    """Windows of time ``span`` long, from ``start`` to now: ``TimeWindows("2020-01-01", "30d")``.

    ``params`` take a window's beginning and its end, written as ``format`` says, in UTC. The
    first window has no beginning and the last no end. A record on the border may come twice.
    """

    start: str
    span: str = "30d"
    _: KW_ONLY
    params: tuple[str, str] = ("from", "to")
    format: str = "%Y-%m-%dT%H:%M:%SZ"

    def parts(self, feed: FeedSource, stream: Stream) -> list[Any]:
        moment = datetime.fromisoformat(self.start)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        step: timedelta = duration(self.span)
        cuts = []
        while (moment := moment + step) < datetime.now(UTC):
            cuts.append(moment.astimezone(UTC).strftime(self.format))
        return _windows(cuts)

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        return _asked(feed, stream, self.params, part, cursor)


def cut(length: int, number: int) -> list[int]:
    """Where each of ``number`` parts of about the same length begins; fewer if there is less."""
    number = min(number, length)
    return [length * part // number for part in range(number)]


def _windows(cuts: Sequence[Any], *, before: int | None = None) -> list[Any]:
    """Windows between cuts, open at both ends; each ends ``before`` the next one begins."""
    ends = cuts if before is None else [at - before for at in cuts]
    return [list(pair) for pair in zip([None, *cuts], [*ends, None], strict=True)]


def _asked(
    feed: FeedSource, stream: Stream, names: tuple[str, str], part: Any, cursor: Any
) -> Iterator[Page]:
    """The pages of a window; totals are the window's, so a lack is told and they are not."""
    window = {name: value for name, value in zip(names, part, strict=True) if value is not None}
    narrowed = replace(stream, params={**stream.params, **window}, partitions=None, known={})
    read, announced = 0, 0
    for page in feed.fetch(narrowed, cursor):
        read += len(page.rows) if isinstance(page.rows, Sized) else 0
        announced = max(announced, page.total or 0)
        is_short = cursor is None and page.cursor is None and read < announced
        yield replace(page, total=None, validators={}, partial=page.partial or is_short)
