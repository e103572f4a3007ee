"""From one run of a stream to the next: the watermark, and what marks an unchanged document.

Both are promises that nothing is missing, so only a complete read moves them: no backfill, no
retry, no limited or dry run, and nothing a source called partial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..exceptions import FeedError
from ..feeds import FeedSource, Stream
from ..models import StreamState, SyncRun
from .observation import Observation

#: Streams with fewer rows than this come and go as they like.
_FEW_ROWS = 10


class Continuity:
    """What is known of a stream from before, and what this run adds to it."""

    def __init__(self, run: SyncRun, feed: FeedSource, stream: Stream, mapping: str) -> None:
        place = {"feed": run.feed, "stream": stream.name}
        self.run = run
        self.mapping = mapping
        #: Whether the source can be asked for changes only; a time of change alone tells old rows.
        self.can_ask = feed.asks_for_changes(stream)
        self.states = StreamState.objects.filter(**place)
        self.state = self.states.first() or StreamState(**place)
        #: Whether the run reads all there is to read.
        self.is_whole = run.since is None and run.limit is None and not run.is_retry
        self.stream = self._asked(stream)

    def _asked(self, stream: Stream) -> Stream:
        """The stream, asked only for what may have changed."""
        # A mended mapping must reach every record, also those that did not change; and what is
        # gone is told by all that is there.
        anew = self.run.full or self.run.allow_shrink or self.state.mapping != self.mapping
        known = self.is_whole and not anew
        since = self.state.watermark if known else self.run.since
        if self.can_ask and stream.since is not None and since is not None:
            return replace(stream, since=replace(stream.since, start=since))
        return replace(stream, known=self.state.validators if known else {})

    @property
    def asks_for_part(self) -> bool:
        """Whether only the changes since some time were asked for."""
        since = self.stream.since
        return since is not None and since.start is not None

    def begin(self) -> None:
        """From now on the rows may differ from any document read before.

        The validators come back in ``end``, unless ``forget`` came in between.
        """
        if not self.run.dry_run:
            self.states.update_or_create(
                feed=self.state.feed,
                stream=self.state.stream,
                defaults={"validators": {}, "run": self.run.pk},
            )

    def check_size(self, rows: int) -> None:
        """Refuse a stream that lost too many rows at once; raises ``FeedError``."""
        before = self.state.rows or 0
        least = before * (1 - self.stream.max_shrink)
        if self.run.allow_shrink or self.asks_for_part or not self.is_whole:
            return
        if before >= _FEW_ROWS and rows < least:
            raise FeedError(
                "feed_shrunk",
                f"Stream '{self.stream.name}' has {rows} rows after {before} the last time. If "
                "that is right, run it once with --allow-shrink, or set max_shrink for it.",
            )

    def counts_of_unchanged(self) -> dict[str, int]:
        """What the records of a document come to that is as it was: known without reading it."""
        rows, duplicates = self.state.rows or 0, self.state.duplicates
        return {"read": rows, "unchanged": rows - duplicates, "duplicate": duplicates}

    def proves_absence(self, seen: Observation, counts: Mapping[str, int]) -> bool:
        """Whether a record that was not met is not there: all was read, and nothing rejected."""
        read, rejected = counts.get("read", 0), counts.get("rejected", 0)
        read_all = self.is_whole and not self.asks_for_part and not seen.unchanged
        return read_all and not rejected and not seen.gaps(read)

    def end(
        self, seen: Observation, counts: Mapping[str, int], *, waiting: bool, asking: bool
    ) -> None:
        """Keep what the next run may build on.

        ``waiting`` are records that may land later; ``asking`` is a question to a person that
        the same document would raise again.
        """
        if self.run.dry_run or not self.is_whole or seen.gaps(counts["read"]):
            return
        if seen.unchanged:
            self._keep_validators({**self.stream.known, **seen.validators})
            return
        found: dict[str, Any] = {"watermark": self._watermark(seen, waiting)}
        if not self.asks_for_part:
            found["mapping"] = self.mapping
            found["rows"], found["duplicates"] = counts["read"], counts["duplicate"]
            if not counts["rejected"]:
                found["complete_run"] = self.run.pk
        self.states.update(**found)
        if not (self.asks_for_part or counts["rejected"] or counts["skipped"] or asking):
            self._keep_validators(seen.validators)

    def _keep_validators(self, validators: Mapping[str, str]) -> None:
        self.states.filter(run=self.run.pk).update(validators=validators)

    def _watermark(self, seen: Observation, waiting: bool) -> datetime | None:
        """The time up to which the source's changes are in.

        Never past the beginning of the reading, for what changed since may have been passed
        by. A record that changes brings a newer time along, so a rejected one is no reason to
        wait; one whose reference is still to come is, for it will not change by itself.
        """
        before = self.state.watermark if self.asks_for_part else None
        if self.stream.since is None or seen.newest is None or waiting:
            return before
        began = seen.clock or self.run.started_at or seen.newest
        reached = min(seen.newest, began)
        return reached if before is None else max(reached, before)


def forget(feed: str, stream: str) -> None:
    """Somebody else wrote a row of the stream: the document must be read again to compare it."""
    StreamState.objects.filter(feed=feed, stream=stream).update(validators={}, run=None)
