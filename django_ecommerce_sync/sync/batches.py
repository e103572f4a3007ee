"""A stream's pages cut into batches, each knowing where the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..exceptions import FeedError
from ..feeds import BadRow, FeedSource, Page, Payload, Stream
from .observation import Observation
from .session import let_go

#: A row with its place in the stream, counted from 1.
NumberedRow = tuple[int, "Payload | BadRow"]


class Place(NamedTuple):
    """A point in a stream: ``offset`` rows into the page that ``page`` leads to."""

    page: Any = None
    offset: int = 0
    #: Rows of the stream before this point.
    read: int = 0

    def after(self, rows: int) -> Place:
        """The point that many rows further on, in the same page."""
        return Place(self.page, self.offset + rows, self.read + rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are written together, and the places before and after them.

    ``steps`` has the place after each row, so that a batch can be cut anywhere.
    """

    rows: list[NumberedRow]
    steps: list[Place]

    @property
    def is_first(self) -> bool:
        """Whether the stream begins with this batch."""
        return self.rows[0][0] == 1

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two."""
        middle = len(self.rows) // 2
        return (
            Batch(self.rows[:middle], self.steps[:middle]),
            Batch(self.rows[middle:], self.steps[middle:]),
        )


def batches(
    feed: FeedSource,
    stream: Stream,
    place: Place,
    seen: Observation,
    *,
    size: int,
    limit: int | None,
) -> Iterator[Batch]:
    """Batches of up to ``size`` rows from ``place`` on; at most ``limit`` rows in all.

    ``seen`` takes in what the pages say up to the batch at hand. Where a page cannot be had,
    the rows of those before it come first, then the error.
    """
    rows: list[NumberedRow] = []
    steps: list[Place] = []
    failure: Exception | None = None
    try:
        for row, step in _rows(feed, stream, place, seen):
            if limit is not None and step.read > limit:
                break
            rows.append((step.read, row))
            steps.append(step)
            if len(rows) == size:
                _check_number(step.read, feed, stream)
                yield Batch(rows, steps)
                rows, steps = [], []
    except _NoPage as no_page:
        failure = no_page.error
    if rows:
        yield Batch(rows, steps)
    if failure is not None:
        raise failure


class _NoPage(Exception):
    """The next page cannot be had, because of ``error``."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _check_number(read: int, feed: FeedSource, stream: Stream) -> None:
    if read > feed.max_records:
        raise FeedError(
            "too_many_records",
            f"Stream '{stream.name}' has more than {feed.max_records:,} records; raise "
            "max_records if it may.",
        )


def _rows(
    feed: FeedSource, stream: Stream, place: Place, seen: Observation
) -> Iterator[tuple[Payload | BadRow, Place]]:
    """Each row with the place after it."""
    skip = place.offset
    for page in _pages(iter(feed.fetch(stream, place.page)), remote=feed.is_remote):
        seen.take_page(page)
        for index, row in enumerate(page.rows):
            if index < skip:
                continue
            place = place.after(1)
            yield row, place
        place, skip = Place(page.cursor, 0, place.read), 0


def _pages(pages: Iterator[Page], *, remote: bool) -> Iterator[Page]:
    """The pages, with an error between two of them told from one among a page's rows."""
    while True:
        if remote:
            let_go()
        try:
            page = next(pages)
        except StopIteration:
            return
        except Exception as error:
            raise _NoPage(error) from error
        yield page
