"""A stream's pages cut into batches, each knowing where the next one begins."""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, NamedTuple, Self

from ..exceptions import FeedError
from ..feeds import FeedSource, Page, RawRows, Stream
from .changes import Load
from .loading import Loader
from .observation import Observation
from .reader import FeedRow, Known, NumberedRow, Reader
from .session import let_go

#: Rows that are looked at in one go: what is done meanwhile waits no longer than for these.
_SLICE = 100
#: Batches that are made ready while another one is written.
_AHEAD = 2


class Place(NamedTuple):
    """A point in a stream: ``offset`` rows into the page that ``page`` leads to."""

    page: Any = None
    offset: int = 0
    #: Rows of the stream before this point.
    read: int = 0

    def after(self, rows: int) -> Place:
        """The point that many rows further on, in the same page."""
        return Place(self.page, self.offset + rows, self.read + rows)


@dataclass(slots=True)
class Batch:
    """Rows that are written together, and the places they come from.

    ``starts`` has the place before the batch's first row of each page, with that row's index.
    ``known`` is what each row is known by, ``load`` the new rows that go the short way.
    """

    rows: list[NumberedRow] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    starts: list[tuple[int, Place]] = field(default_factory=list)
    load: Load | None = None

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
        after = [(index - middle, place) for index, place in self.starts if index >= middle]
        first = self._part(slice(None, middle), before)
        return first, self._part(slice(middle, None), [(0, first.end), *after])

    def _part(self, part: slice, starts: list[tuple[int, Place]]) -> Self:
        return type(self)(self.rows[part], self.known[part], starts)


def standing(rows: list[NumberedRow], place: Place, reader: Reader) -> Batch:
    """Rows that were read before; the stream's place stays where it is."""
    return _Standing(rows, reader.known(row for _, row in rows), starts=[(len(rows), place)])


class _Standing(Batch):
    """A batch that comes from no page: it ends where it begins, and so do its halves."""

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.rows) // 2
        first = self._part(slice(None, middle), [(middle, self.end)])
        return first, self._part(slice(middle, None), [(len(self.rows) - middle, self.end)])


class _Step(enum.Enum):
    """What making batches has come to when it is not a batch."""

    #: There is more to do that needs nobody else.
    MORE = enum.auto()
    #: What comes next may have to wait for the source.
    SOURCE = enum.auto()


class Batches:
    """Batches of up to ``size`` rows from ``place`` on; at most ``limit`` rows in all.

    ``seen`` takes in what the pages say up to the batch at hand. Where a page cannot be had,
    the rows of those before it come first, then the error.
    """

    def __init__(
        self,
        feed: FeedSource,
        stream: Stream,
        place: Place,
        seen: Observation,
        reader: Reader,
        loader: Loader | None,
        *,
        size: int,
        limit: int | None,
        base: int = 0,
    ) -> None:
        """``base`` is added to the rows' numbers."""
        self.feed = feed
        self.stream = stream
        self.seen = seen
        self.reader = reader
        self.loader = loader
        self.size = size
        self.limit = limit
        self._base = base
        self._number = place.read
        self._steps = self._batches(place)
        self._ready: deque[Batch] = deque()
        self._failure: Exception | None = None
        self._step = _Step.SOURCE

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            self._go_on()
        return self._ready.popleft()

    def is_ahead(self) -> bool:
        """Whether the next batch is ready."""
        return bool(self._ready)

    def make_ready(self) -> bool:
        """Make a bit of what comes next ready, as far as that needs nobody else.

        Returns whether there is more of that to do now.
        """
        if self._failure is not None or self._step is _Step.SOURCE or len(self._ready) == _AHEAD:
            return False
        self._go_on()
        return True

    def _go_on(self) -> None:
        try:
            step = next(self._steps, None)
        except Exception as failure:  # told when its turn comes
            self._failure = failure
            return
        if step is None:
            self._failure = StopIteration()
            return
        if isinstance(step, Batch):
            self._ready.append(step)
        else:
            self._step = step

    def _batches(self, place: Place) -> Iterator[Batch | _Step]:
        batch = Batch()
        failure: Exception | None = None
        try:
            for found in self._slices(place):
                if isinstance(found, _Step):
                    yield found
                    continue
                rows, start = found
                if start is not None:
                    batch.starts.append((len(batch.rows), start))
                while rows:
                    taken = rows[: self.size - len(batch.rows)]
                    rows = rows[len(taken) :]
                    batch.rows.extend(
                        zip(count(self._base + self._number + 1), taken, strict=False)
                    )
                    batch.known.extend(self.reader.known(taken))
                    if self.loader is not None:
                        self.loader.look_at(taken)
                    self._number += len(taken)
                    if len(batch.rows) == self.size:
                        yield from self._finished(batch)
                        batch = Batch(starts=[(0, batch.end)])
        except _NoPage as no_page:
            failure = no_page.error
        if batch.rows:
            yield from self._finished(batch)
        if failure is not None:
            raise failure

    def _finished(self, batch: Batch) -> Iterator[Batch | _Step]:
        if self._number > self.feed.max_records:
            raise FeedError(
                "too_many_records",
                f"Stream '{self.stream.name}' has more than {self.feed.max_records:,} records; "
                "raise max_records if it may.",
            )
        if self.loader is not None:
            for load in self.loader.prepare(batch.rows, batch.known):
                batch.load = load
                yield _Step.MORE
        yield batch

    def _slices(self, place: Place) -> Iterator[tuple[list[FeedRow], Place | None] | _Step]:
        """Some rows at a time, with the place before them where their page begins."""
        left = math.inf if self.limit is None else max(self.limit - place.read, 0)
        for page in self._pages(place.page):
            if isinstance(page, _Step):
                yield page
                continue
            if place.offset:
                _check_same(page, self.seen, self.stream)
            self.seen.take_page(page)
            at_hand = isinstance(page.rows, RawRows)
            found_rows = page.rows.raw() if isinstance(page.rows, RawRows) else iter(page.rows)
            rows: Iterator[FeedRow] = islice(found_rows, place.offset, None)
            read, start = 0, place
            while left and (found := list(islice(rows, int(min(_SLICE, left))))):
                yield found, None if read else start
                read += len(found)
                left -= len(found)
                yield _Step.MORE if at_hand else _Step.SOURCE
            if not left:
                return
            place = Place(page.cursor, 0, place.read + read)

    def _pages(self, cursor: Any) -> Iterator[Page | _Step]:
        """The pages, with an error between two of them told from one among a page's rows."""
        pages = iter(self.feed.fetch(self.stream, cursor))
        while True:
            yield _Step.SOURCE
            if self.feed.is_remote:
                let_go()
            try:
                page = next(pages)
            except StopIteration:
                return
            except Exception as error:
                raise _NoPage(error) from error
            yield page


class _NoPage(Exception):
    """The next page cannot be had, because of ``error``."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


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
