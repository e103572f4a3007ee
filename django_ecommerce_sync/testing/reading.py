"""Reading a stream to its end, or as far as it goes; never for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..exceptions import FeedError
from ..feeds import BadRow, FeedSource, Page, Payload, Stream

#: Rows and pages of a rehearsal beyond which a feed is taken to have no end.
MAX_ROWS = 100_000
MAX_PAGES = 1_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page with its rows read."""

    rows: Sequence[Payload | BadRow]
    cursor: Any


@dataclass(slots=True)
class Reading:
    """What came of a stream, and the error that ended it, if one did."""

    sheets: list[Sheet] = field(default_factory=list)
    error: Exception | None = None

    @property
    def rows(self) -> list[Payload | BadRow]:
        """The rows of all pages."""
        return [row for sheet in self.sheets for row in sheet.rows]

    @property
    def payloads(self) -> list[Payload]:
        """The rows that could be read."""
        return [row for row in self.rows if not isinstance(row, BadRow)]

    @property
    def cursor(self) -> Any:
        """Where reading goes on after the last whole page, as the database keeps it."""
        return as_kept(self.sheets[-1].cursor) if self.sheets else None


def read(feed: FeedSource, stream: Stream, cursor: Any = None) -> Reading:
    """The stream from ``cursor`` on. A page counts when all its rows have been read."""
    reading = Reading()
    pages = feed.fetch(stream, cursor)
    try:
        for page in islice(pages, MAX_PAGES):
            rows = list(islice(_rows(page), MAX_ROWS))
            reading.sheets.append(Sheet(rows, page.cursor))
            if len(rows) == MAX_ROWS:
                raise _endless(f"a page of {MAX_ROWS:,} rows")
        if len(reading.sheets) == MAX_PAGES:
            raise _endless(f"{MAX_PAGES:,} pages")
    except Exception as error:  # whatever a feed's own code does, the contract has to tell it
        reading.error = error
    return reading


def comparable(rows: Sequence[Payload | BadRow]) -> list[Any]:
    """Rows that can be compared: bad ones are equal when the same was wrong with them."""
    return [(row.error.code, row.error.message) if isinstance(row, BadRow) else row for row in rows]


def as_kept(cursor: Any) -> Any:
    """A cursor after a while in the database, which keeps JSON; raises ``TypeError``."""
    return json.loads(json.dumps(cursor))


def _endless(reached: str) -> FeedError:
    return FeedError("endless", f"After {reached} it still goes on; fetch must come to an end.")


def _rows(page: Page) -> Iterator[Payload | BadRow]:
    """The page's rows as copies: what a mapping does to them must not reach the source."""
    for row in page.rows:
        yield row if isinstance(row, BadRow) else deepcopy(row)
