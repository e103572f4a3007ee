"""A stream's pages cut into batches, each knowing where the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from ..feeds import BadRow, FeedSource, Payload, Stream

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
    total: int | None = None

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two."""
        middle = len(self.rows) // 2
        return (
            Batch(self.rows[:middle], self.steps[:middle], self.total),
            Batch(self.rows[middle:], self.steps[middle:], self.total),
        )


def batches(
    feed: FeedSource, stream: Stream, place: Place, *, size: int, limit: int | None
) -> Iterator[Batch]:
    """Batches of up to ``size`` rows from ``place`` on; at most ``limit`` rows in all."""
    rows: list[NumberedRow] = []
    steps: list[Place] = []
    total: int | None = None
    for row, step, announced in _rows(feed, stream, place):
        if limit is not None and step.read > limit:
            break
        total = announced if announced is not None else total
        rows.append((step.read, row))
        steps.append(step)
        if len(rows) == size:
            yield Batch(rows, steps, total)
            rows, steps = [], []
    if rows:
        yield Batch(rows, steps, total)


def _rows(
    feed: FeedSource, stream: Stream, place: Place
) -> Iterator[tuple[Payload | BadRow, Place, int | None]]:
    """Each row with the place after it and the number of rows the source announces."""
    skip = place.offset
    for page in feed.fetch(stream, place.page):
        for index, row in enumerate(page.rows):
            if index < skip:
                continue
            place = place.after(1)
            yield row, place, page.total
        place, skip = Place(page.cursor, 0, place.read), 0


def starting_at(stream: Stream, since: datetime | None) -> Stream:
    """The stream, asked only for changes from ``since`` on where it can be."""
    if stream.since is None or since is None:
        return stream
    return replace(stream, since=replace(stream.since, start=since))
