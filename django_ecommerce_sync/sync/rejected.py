"""Rows that were rejected before, found again among those of a run.

A record is known by its id. A row without one is known by what it says, for it may stand in
another place by now; one that could not even be read has only its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain

from ..models import SyncRun
from . import issues
from .digest import content_of
from .reader import Known, NumberedRow
from .report import Rejection

#: Rows without an id that are looked for in one run.
_MOST = 10_000
#: Records with open issues that are kept in mind.
_MOST_KNOWN = 100_000


class Rejected:
    """The issues of one stream's rows that a run may settle."""

    def __init__(self, run: SyncRun, stream: str) -> None:
        self.run = run
        self.stream = stream
        open_issues = issues.to_retry(run) if run.is_retry else issues.open_of(run.feed, stream)
        self.issues = open_issues.filter(stream=stream)
        #: What a retry is about; None if the run is about all rows there are.
        self.ids: set[str] | None = self._ids() if run.is_retry else None
        #: By place, what rows without an id said there; "" of those that could not be read.
        self.places: dict[int, set[str]] = defaultdict(set)
        for place, content in self._nameless():
            self.places[place].add(content)
        self.contents = {*chain(*self.places.values())} - {""}
        #: Whether rows are counted as they were then, so that a place tells something.
        self.by_place = False
        #: Whether all rows have been looked at, and what was found among them.
        self.is_whole = True
        self._found: set[str] = set()
        self._replaced: set[str] = set()
        self._here: dict[int, str] = {}

    def _ids(self) -> set[str]:
        return set(self.issues.exclude(external_id="").values_list("external_id", flat=True))

    def _nameless(self) -> Iterable[tuple[int, str]]:
        nameless = self.issues.filter(external_id="", position__gt=0).order_by("-pk")
        for place, content in nameless.values_list("position", "content")[:_MOST]:
            yield place or 0, content

    @cached_property
    def _open(self) -> dict[str, bool] | None:
        """The records with open issues, and whether one of those waits; None where it is too many.

        Nobody else brings issues to the stream meanwhile.
        """
        named = issues.open_of(self.run.feed, self.stream).exclude(external_id="")
        found = named.values_list("external_id", "waits_for", "arrived_at")[: _MOST_KNOWN + 1]
        known: dict[str, bool] = {}
        for external_id, waits_for, arrived_at in found:
            known[external_id] = bool(known.get(external_id) or waits_for or arrived_at)
        return known if len(found) <= _MOST_KNOWN else None

    def note(self, rejections: Sequence[Rejection]) -> None:
        """Keep in mind that these have been written down."""
        if self._open is not None:
            for one in rejections:
                self._open[one.external_id] = bool(self._open.get(one.external_id) or one.waits_for)

    def that_wait(self, rejections: Sequence[Rejection]) -> Sequence[Rejection]:
        """Of rejections, those whose record may have an issue that waits."""
        known = self._open
        return rejections if known is None else [o for o in rejections if known.get(o.external_id)]

    def of_open(self, landed: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        """Of records that landed, those that may have an open issue: few in most batches."""
        known = self._open
        return landed if known is None else [one for one in landed if one[0] in known]

    def look(self, rows: Sequence[NumberedRow]) -> None:
        """Find those of a batch that were rejected without an id."""
        if self.contents:
            told = ((position, content_of(row)) for position, row in rows)
            self._here = {place: content for place, content in told if content in self.contents}
            self._found.update(self._here.values())

    def includes(self, row: NumberedRow, known: Known) -> bool:
        """Whether the run is about this row of the batch."""
        if self.ids is None:
            return True
        return known[0] in self.ids or row[0] in self.places or row[0] in self._here

    def settle(self, landed: Iterable[tuple[str, int]]) -> None:
        """Close the issues of rows without an id that are in the database now."""
        if not self.places:
            return
        places = [place for _, place in landed]
        contents = {self._here[place] for place in places if place in self._here}
        self._close(contents)
        if self.by_place:
            there = [place for place in places if place in self.places]
            self._replaced.update(*(self.places[place] for place in there))
            issues.close(
                self.run, self.issues.filter(external_id="", content="", position__in=there)
            )

    def end(self) -> None:
        """Close those that a mended row stands in place of: what they said is said nowhere."""
        if self.is_whole:
            self._close(self._replaced - self._found)

    def _close(self, contents: set[str]) -> None:
        contents -= {""}
        if contents:
            told = self.issues.filter(external_id="", content__in=sorted(contents))
            issues.close(self.run, told)
