"""A feed that lives in memory: the double for tests, with the interface of a real one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .records import BadRow, Page, Payload
from .source import FeedSource
from .streams import Stream


class MemoryFeed(FeedSource):
    """Serves ``rows``, a list of payloads for each stream's name, in pages of ``page_size``."""

    option_names = ("streams", "rows", "page_size")
    rows: Mapping[str, Sequence[Payload | BadRow]] = {}
    page_size: int = 100

    def fetch(self, stream: Stream, cursor: Any) -> Iterator[Page]:
        return self.fetch_pages(stream, cursor or 0, None)

    def page_starts(self, stream: Stream) -> Sequence[int]:
        return range(0, len(self.rows.get(stream.name, ())), self.page_size)

    def fetch_pages(self, stream: Stream, start: int, stop: int | None) -> Iterator[Page]:
        rows = self.rows.get(stream.name, ())
        stop = len(rows) if stop is None else stop
        for first in range(start, stop, self.page_size):
            end = first + self.page_size
            yield Page(rows[first:end], cursor=end if end < stop else None, total=len(rows))
