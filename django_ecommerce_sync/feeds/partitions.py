"""How a stream is cut into parts that several workers read at the same time.

A rule is declared with the stream, ``Stream(…, partitions=ByteRanges(8))``, and makes JSON
values, each of which stands for a part. The parts in their order have the rows of the whole
stream in theirs. Dry runs, limited runs and retries read the stream as one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .records import Page
from .source import FeedSource
from .streams import Stream


class Partitions(ABC):
    """A rule by which a stream is cut."""

    @abstractmethod
    def parts(self, feed: FeedSource, stream: Stream) -> Sequence[Any]:
        """JSON values for the parts, in order; nothing where the stream is better read as one."""

    @abstractmethod
    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        """The pages of one part, as ``FeedSource.fetch`` gives those of the whole."""


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
class PageRanges(Partitions):
    """So many ranges of pages, where the first page tells how many there are.

    The paginator must know each page's place beforehand: ``PageNumber`` or ``Offset``.
    """

    number: int = 8

    def parts(self, feed: FeedSource, stream: Stream) -> list[Any]:
        starts = list(feed.page_starts(stream))
        cuts = [starts[at] for at in cut(len(starts), self.number)]
        return [list(pair) for pair in zip(cuts, [*cuts[1:], None], strict=True)]

    def fetch(self, feed: FeedSource, stream: Stream, part: Any, cursor: Any) -> Iterator[Page]:
        first, stop = part
        return feed.fetch_pages(stream, first if cursor is None else cursor, stop)


def cut(length: int, number: int) -> list[int]:
    """Where each of ``number`` parts of about the same length begins; fewer if there is less."""
    number = min(number, length)
    return [length * part // number for part in range(number)]
