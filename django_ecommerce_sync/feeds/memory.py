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
        rows = self.rows.get(stream.name, ())
        for start in range(cursor or 0, len(rows), self.page_size):
            end = start + self.page_size
            yield Page(rows[start:end], cursor=end if end < len(rows) else None, total=len(rows))
