"""A stream's pages cut into batches, each knowing where the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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
    """Rows that are written together, and the places they come from.

    ``starts`` has the place before the batch's first row of each page, with that row's index.
    """

    rows: list[NumberedRow]
    starts: list[tuple[int, Place]]

    @property
    def is_first(self) -> bool:
        """Whether the stream begins with this batch."""
        return self.rows[0][0] == 1

    @property
    def end(self) -> Place:
        """The place after the last row."""
        index, place = self.starts[-1]
        return place.after(len(self.rows) - index)

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two."""
        middle = len(self.rows) // 2
        before = [start for start in self.starts if start[0] < middle]
        first = Batch(self.rows[:middle], before)
        after = [(index - middle, place) for index, place in self.starts if index >= middle]
        return first, Batch(self.rows[middle:], [(0, first.end), *after])


def standing(rows: list[NumberedRow], place: Place) -> Batch:
    """Rows that were read before; the stream's place stays where it is."""
    return _Standing(rows, [(len(rows), place)])


class _Standing(Batch):
    """A batch that comes from no page: it ends where it begins, and so do its halves."""

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.rows) // 2
        return standing(self.rows[:middle], self.end), standing(self.rows[middle:], self.end)


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
    batch = Batch([], [])
    number = place.read
    failure: Exception | None = None
    try:
        for row, start in _rows(feed, stream, place, seen):
            if limit is not None and number >= limit:
                break
            if start is not None:
                batch.starts.append((len(batch.rows), start))
            number += 1
            batch.rows.append((number, row))
            if len(batch.rows) == size:
                _check_number(number, feed, stream)
                yield batch
                batch = Batch([], [(0, batch.end)])
    except _NoPage as no_page:
        failure = no_page.error
    if batch.rows:
        _check_number(number, feed, stream)
        yield batch
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


def _check_same(page: Page, seen: Observation, stream: Stream) -> None:
    """Refuse to go on in the middle of a document that is another one by now.

    What stands before that place may never have been read, and what was read may be gone.
    """
    before, now = (found.get("digest") for found in (seen.validators, page.validators))
    if before and now and before != now:
        raise FeedError(
            "feed_changed",
            f"The document of stream '{stream.name}' changed while the run was cut off; the next "
            "run reads it from its beginning.",
        )


def _rows(
    feed: FeedSource, stream: Stream, place: Place, seen: Observation
) -> Iterator[tuple[Payload | BadRow, Place | None]]:
    """Each row, with the place before it where its page begins."""
    for page in _pages(iter(feed.fetch(stream, place.page)), remote=feed.is_remote):
        if place.offset:
            _check_same(page, seen, stream)
        seen.take_page(page)
        read = 0
        for row in islice(page.rows, place.offset, None):
            yield row, None if read else place
            read += 1
        place = Place(page.cursor, 0, place.read + read)


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
