"""One stream of a run, from where it stands to its end: each batch in one transaction."""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any

from django.db import DatabaseError
from django.db.models import F

from .. import signals
from ..conf import settings
from ..exceptions import EcommerceSyncError, FeedError, RecordError
from ..feeds import Archive, BadRow, FeedSource
from ..models import SyncRun
from . import arrivals, issues
from .absence import Absence, Absent
from .batches import Batch, Batches, Place, standing
from .changes import Changes, Item
from .continuity import Continuity
from .database import atomic
from .faults import Patience, is_about_a_row, named, tried_again
from .landing import Landing
from .lease import Lease, lease_end
from .match import WAITING, Matcher
from .meanwhile import meanwhile
from .observation import Observation
from .reader import NumberedRow, decoded
from .rejected import Rejected
from .repeats import Repeats
from .report import Report, add_actions, add_counts
from .shape import check_shape, renamed_paths
from .warnings import warn

logger = logging.getLogger(__name__)

Progress = Callable[[SyncRun, str], None]
#: Rejected records kept in memory for a second try at the end of their stream.
_MAX_WAITING = 10_000


class Cancelled(EcommerceSyncError):
    """Somebody asked the run to stop."""


class Paused(EcommerceSyncError):
    """The worker was asked to leave off after a batch."""


class Parked(EcommerceSyncError):
    """The run waits for partitions that others, or this worker, are to read."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a run, by one worker."""

    run: SyncRun
    lease: Lease[Any]
    feed: FeedSource
    progress: Progress | None
    pause: Callable[[], bool]
    #: When to leave off for another task to go on, by the monotonic clock.
    deadline: float

    def is_over(self, place: Place) -> bool:
        """Whether to leave off at that place of a stream."""
        # A document would have to be fetched and read again up to there; a page is soon found.
        # A dry run would have to begin anew.
        is_cheap = place.page is not None and not self.run.dry_run
        return self.pause() or (is_cheap and monotonic() > self.deadline)

    def rehearsal(self) -> Attempt:
        """The same as a dry run, with a run of its own to count with."""
        run = copy(self.run)
        run.dry_run = True
        run.counts, run.plan_counts, run.totals, run.observed = {}, {}, {}, {}
        run.cursor, run.warnings = {}, []
        return Attempt(run, self.lease, self.feed, None, self.pause, math.inf)


class Pass(enum.Enum):
    """Why rows are looked at: for the first time, or again after they were counted."""

    FIRST = "first"
    LAST_COPIES = "last copies"
    WAITING = "waiting"

    def correct(self, report: Report) -> None:
        """Take back what the rows were counted as before: nothing, unchanged, or rejected."""
        counts = report.counts
        if self is Pass.FIRST:
            return
        if self is Pass.LAST_COPIES:  # a copy that lands again was counted as its own duplicate
            counts["duplicate"] -= counts["read"] - counts["rejected"]
        else:
            counts["rejected"] -= counts["read"]
        counts["read"] = 0


class StreamExecution:
    """One stream of a run."""

    def __init__(
        self, attempt: Attempt, continuity: Continuity, matcher: Matcher, landing: Landing
    ) -> None:
        self.attempt = attempt
        self.run = attempt.run
        self.lease = attempt.lease
        self.continuity = continuity
        self.stream = stream = continuity.stream
        self.seen = Observation.restored(self.run.observed.get(stream.name))
        self.matcher = matcher
        self.target = matcher.target
        self.landing = landing
        #: By external id, the last rejected copy that may land after all.
        self.waiting: dict[str, NumberedRow] = {}
        self.repeats = Repeats()
        #: What there is to do while the database works; returns whether there is more.
        self.make_ready: Callable[[], bool] = lambda: False
        self.is_ahead: Callable[[], bool] = lambda: False
        self.rejected = Rejected(self.run, stream.name)
        self.heals = issues.has_open(self.run.feed, stream.name) and not self.run.dry_run

    def go(self, place: Place) -> None:
        """Read the stream from ``place`` to its end."""
        try:
            place = self._read(place)
            self._settle(place)
        finally:
            self.repeats.close()
        if self.continuity.proves_absence(self.seen, self.run.counts.get(self.stream.name, {})):
            self._settle_absence()
        tried_again(self._end)

    def _read(self, place: Place) -> Place:
        """Land batch after batch; returns the place after the last one."""
        self._open(place)
        upcoming = self._batches(place, self.run.limit, self.seen)
        self.make_ready, self.is_ahead = upcoming.make_ready, upcoming.is_ahead
        for batch in upcoming:
            if batch.is_first and self.seen.total is not None:
                self.continuity.check_size(self.seen.total)
            self._land(batch)
            place = batch.end
            if self.attempt.is_over(place):
                raise Paused
        if not self.seen.unchanged:
            self._check_end(place.read)
        return place

    def _open(self, place: Place) -> None:
        """Before the first row is read."""
        self.continuity.begin()
        reads_all = self.run.limit is None and not self.continuity.asks_for_part
        self.rejected.by_place = self.run.is_retry or reads_all
        self._recall(place)

    def _check_end(self, read: int) -> None:
        """Whether so few rows can be all; raises ``FeedError``."""
        if not read and not self._may_be_empty():
            raise FeedError(
                "feed_empty",
                f"Stream '{self.stream.name}' has no rows; if that can be, set allow_empty=True.",
            )
        self.continuity.check_size(read)

    def _batches(self, place: Place, limit: int | None, seen: Observation) -> Batches:
        feed, matcher, size = self.attempt.feed, self.matcher, settings.BATCH_SIZE
        tools = matcher.reader, matcher.loader
        return Batches(feed, self.stream, place, seen, *tools, size=size, limit=limit)

    def _recall(self, place: Place) -> None:
        """Where the run goes on in the middle, find again what waits among the rows before it.

        That is the repeats, and the rejected records that may land once all has been read.
        """
        if not place.read:
            return
        self.rejected.is_whole = False
        rejected = self.run.issues.filter(stream=self.stream.name)
        bad = dict(rejected.values_list("position", "code"))
        waits = (position for position, code in bad.items() if code in WAITING)
        waiting = set(islice(waits, _MAX_WAITING))
        if waiting or self.matcher.has_repeats():
            for batch in self._batches(Place(), place.read, Observation()):
                self.repeats.put(self.matcher.repeated(batch.rows))
                for row, (external_id, _) in zip(batch.rows, batch.known, strict=True):
                    if row[0] in waiting:
                        self.waiting[external_id] = row
                    elif row[0] not in bad and self.matcher.last_copy_counts:
                        self.waiting.pop(external_id, None)

    def _settle(self, place: Place) -> None:
        """Second thoughts, once all has been read: last copies, and records that had to wait."""
        reader = self.matcher.reader
        self.matcher.loader = None  # from here on rows are met again
        self.matcher.settling = True
        for rows in self.repeats.batches(settings.BATCH_SIZE):
            self._land(standing(rows, place, reader), pass_=Pass.LAST_COPIES)
        self.matcher.settling = False
        waiting = self.matcher.still_unseen(list(self.waiting.values()))
        if waiting:
            self.matcher.waited = True
            self._land(standing(waiting, place, reader), pass_=Pass.WAITING)

    def _may_be_empty(self) -> bool:
        return self.stream.allow_empty or self.continuity.asks_for_part or self.run.limit == 0

    @atomic()
    def _end(self) -> None:
        """Close the stream: what it came to, and what the next run may build on."""
        name, run = self.stream.name, self._hold()
        if run.cursor == {"stream": name, "done": True}:
            self.run = self.attempt.run = run
            return  # it was closed, and only the answer to the COMMIT was lost
        if self.seen.unchanged:
            run.counts[name] = add_counts({}, self.continuity.counts_of_unchanged())
        counts = run.counts.setdefault(name, add_counts({}, {}))
        if run.limit is None and not run.is_retry:
            for code, message in self.seen.gaps(counts["read"]).items():
                warn(run, name, code, message)
        mine = run.issues.filter(stream=name)
        waiting = mine.filter(code__in=WAITING).exists()
        asking = mine.filter(code=issues.NEEDS_ATTENTION).exists()
        self.continuity.end(self.seen, counts, waiting=waiting, asking=asking)
        self.landing.end(run)
        if self.heals:
            self.rejected.end()
        run.cursor = {"stream": name, "done": True}
        self._keep(run, "cursor", "counts", "plan_counts", "warnings")
        self.run = self.attempt.run = run

    def _settle_absence(self) -> None:
        """Note which records the stream no longer has, and archive their rows where it asks so."""
        place = {"feed": self.run.feed, "stream": self.stream.name, "run": self.run.pk}
        absence = Absence(self.target, self.matcher.ledger, self.matcher.met, **place)
        if isinstance(self.stream.missing, Archive):
            absent = absence.look(issues.asking_since(self.run, self.stream.name))
            if self._is_doubtful(absent, self.stream.missing.max_ratio):
                return
            for rows in absence.batches():
                tried_again(partial(self._archive, absence, rows))
                self._tell(self._landed[1])
        for links in absence.not_met():
            with atomic():
                self._hold()
                self.landing.note(absence, links)

    def _is_doubtful(self, absent: Absent, max_ratio: float) -> bool:
        """Whether so much is gone that a person must be asked; asks."""
        is_empty = not self.run.counts.get(self.stream.name, {}).get("read")
        is_much = absent.number > 0 and (absent.ratio > max_ratio or is_empty)
        if is_much and not self._is_allowed(absent):
            self._ask(absent, max_ratio)
            return True
        if not self.run.dry_run:
            issues.settle_question(self.run, self.stream.name)
        return False

    def _is_allowed(self, absent: Absent) -> bool:
        """Whether a person believes that these rows are gone: not others than was asked about."""
        return self.run.allow_shrink and issues.is_answer(self.run, self.stream.name, absent)

    def _archive(self, absence: Absence, rows: Mapping[Any, str]) -> None:
        with atomic():
            run = self._hold()
            if not self._has_landed(run):
                report = self.landing.archive(absence, rows)
                self._landed = Changes(), report
                counts = run.counts.setdefault(self.stream.name, add_counts({}, {}))
                counts["archived"] += len(rows)
                run.plan_counts = self._planned(run, report)
                run.batch_number += 1
                self._keep(run, "counts", "plan_counts", "batch_number")
        self.run = self.attempt.run = run

    # -- batches -----------------------------------------------------------------------------

    def _land(self, batch: Batch, *, pass_: Pass = Pass.FIRST) -> None:
        """Write a batch, whole; if the database refuses it, find the row it refuses."""
        patience, refused = Patience(), False
        while True:
            try:
                self._commit(batch, partial(self._changes, batch), pass_=pass_)
                return
            except DatabaseError as error:
                if is_about_a_row(error) and batch.load is not None:
                    self._take_the_long_way(batch)
                elif not is_about_a_row(error):
                    patience.wait(error)
                elif refused:
                    self._land_in_parts(batch, error, pass_=pass_)
                    return
                else:  # another writer may have been quicker: match anew
                    refused = True
                    patience.pause()

    def _take_the_long_way(self, batch: Batch) -> None:
        """The tables refused a batch that was not matched: somebody else has written there, too."""
        batch.load = None
        if self.matcher.loader is not None:
            self.matcher.loader.refusals += 1

    def _land_in_parts(self, batch: Batch, error: DatabaseError, *, pass_: Pass) -> None:
        if len(batch.rows) > 1:
            for half in batch.halves():
                self._land(half, pass_=pass_)
            return
        logger.warning("Run %s: the database refused a row: %s", self.run.pk, error)
        reject = partial(self._refused, batch, error)
        tried_again(partial(self._commit, batch, reject, pass_=pass_))

    def _commit(self, batch: Batch, decide: Callable[[], Changes], *, pass_: Pass) -> None:
        work = meanwhile(self.target.connection, self.make_ready, self.is_ahead)
        with work, atomic():
            run = self._hold()
            if not self._has_landed(run):
                self._landed = self._write(run, batch, decide, pass_=pass_)
        changes, report = self._landed
        self.run = self.attempt.run = run
        self.matcher.met.keep()
        if pass_ is Pass.FIRST:
            self._remember(changes, report)
        self._tell(report)

    def _has_landed(self, run: SyncRun) -> bool:
        """Whether the last try was committed after all, and only the answer was lost.

        Whoever holds the fence is the only one who counts the batches on.
        """
        return run.batch_number != self.run.batch_number

    def _write(
        self, run: SyncRun, batch: Batch, decide: Callable[[], Changes], *, pass_: Pass
    ) -> tuple[Changes, Report]:
        if run.cancel_requested:
            raise Cancelled
        changes = decide()
        if self._opens(batch) and pass_ is Pass.FIRST and not run.is_retry:
            self._look_at_shape(run, batch, changes)
        report = self.landing.apply(changes)
        self.seen.take_time(changes.newest)
        for code, (count, message) in changes.warnings.items():
            warn(run, self.stream.name, code, message, count=count)
        self._account(run, batch, changes, report, pass_=pass_)
        if not run.dry_run:
            how, place = f"arrived in run #{run.pk}", self.matcher.place
            arrivals.announce_batch(self.target, changes, how, **place)
        return changes, report

    def _opens(self, batch: Batch) -> bool:
        """Whether what is read begins with this batch."""
        return batch.is_first

    def _look_at_shape(self, run: SyncRun, batch: Batch, changes: Changes) -> None:
        check_shape(self.stream, self.target, changes)
        if renamed := renamed_paths(
            self.stream, [payload for _, _, payload in decoded(batch.rows)]
        ):
            pairs = ", ".join(f"'{mapped}' (there is '{found}')" for mapped, found in renamed)
            message = f"The mapping reads what no record of the first batch has: {pairs}."
            warn(run, self.stream.name, "unknown_path", message)

    def _changes(self, batch: Batch) -> Changes:
        self.rejected.look(batch.rows)
        if not self.run.is_retry:
            return self.matcher.match(batch.rows, batch.known, batch.load)
        wanted = self.rejected.includes
        pairs = zip(batch.rows, batch.known, strict=True)
        return self.matcher.match([row for row, known in pairs if wanted(row, known)])

    def _refused(self, batch: Batch, error: DatabaseError) -> Changes:
        ((position, row, payload),) = decoded(batch.rows)
        changes = Changes()
        changes.counts["read"] = 1
        external_id = key = ""
        if not isinstance(payload, BadRow):
            external_id, key = self.target.identify(payload), self.matcher.key_text(payload)
        reason = f"The database refused the row ({named(error)})."
        item = Item(position, {}, external_id, "", row)
        changes.reject(item, RecordError("db_rejected", reason), key)
        return changes

    def _account(
        self, run: SyncRun, batch: Batch, changes: Changes, report: Report, *, pass_: Pass
    ) -> None:
        """Write counts, issues and the place of the next batch, in the batch's transaction."""
        name, place = self.stream.name, batch.end
        pass_.correct(report)
        self._keep_issues(run, report, pass_=pass_)
        run.counts[name] = add_counts(run.counts.get(name, {}), report.counts)
        if report.planned:
            run.plan_counts = self._planned(run, report)
        if self.seen.total is not None:
            run.totals[name] = self.seen.total
        run.observed[name] = self.seen.as_json()
        run.cursor = {
            "stream": name,
            "page": place.page,
            "offset": place.offset,
            "read": place.read,
        }
        run.batch_number += 1
        if not run.dry_run:  # which has to begin anew, however far it was
            run.stalled_attempts = 0
        self._keep(
            run,
            "counts",
            "plan_counts",
            "totals",
            "observed",
            "warnings",
            "cursor",
            "batch_number",
            "stalled_attempts",
        )

    def _planned(self, run: SyncRun, report: Report) -> dict[str, Any]:
        return add_actions(run.plan_counts, self.stream.name, report.planned)

    # -- what is kept of it ------------------------------------------------------------------

    def _hold(self) -> SyncRun:
        """The run, locked for this transaction."""
        run: SyncRun = self.lease.hold()
        return run

    def _keep(self, run: SyncRun, *fields: str) -> None:
        """Write fields of the run, and that its worker is alive."""
        values = {name: getattr(run, name) for name in fields}
        self.lease.mine.update(**values, lease_until=lease_end())

    def _keep_issues(self, run: SyncRun, report: Report, *, pass_: Pass) -> None:
        name = self.stream.name
        if pass_ is Pass.WAITING:
            issues.forget(run, name, [position for _, position in report.landed])
        else:
            if self.heals:
                issues.supersede(run, name, self.rejected.that_wait(report.rejections))
            issues.record(run, name, report.rejections)
            self.heals |= bool(report.rejections) and not run.dry_run
        if self.heals:
            self.rejected.note(report.rejections)
            issues.resolve(run, name, self.rejected.of_open(report.landed))
            self.rejected.settle(report.landed)

    @atomic()
    def _ask(self, absent: Absent, max_ratio: float) -> None:
        """Ask once, also where a worker died right after the question."""
        run = self._hold()
        if not run.issues.filter(stream=self.stream.name, code=issues.NEEDS_ATTENTION).exists():
            issues.ask_about(run, self.stream.name, absent, max_ratio)

    # -- afterwards --------------------------------------------------------------------------

    def _remember(self, changes: Changes, report: Report) -> None:
        """Keep what wants a second look when the stream has ended."""
        self.repeats.put(changes.postponed)
        if self.waiting and self.matcher.last_copy_counts:
            for external_id, _ in report.landed:
                self.waiting.pop(external_id, None)
        for item in changes.waiting:
            if item.external_id in self.waiting or len(self.waiting) < _MAX_WAITING:
                self.waiting[item.external_id] = (item.position, item.origin)

    def _tell(self, report: Report) -> None:
        if report.created or report.updated:
            signals.tell(
                signals.batch_synced,
                self.target.model,
                run=self.run,
                stream=self.stream.name,
                created=report.created,
                updated=report.updated,
            )
        if self.attempt.progress is not None:
            self.attempt.progress(self.run, self.stream.name)


class Rehearsal(StreamExecution):
    """A stream read as in a dry run of which nothing is kept: only what it raises matters.

    ``attempt`` has a copy of the run to count with, which is never saved.
    """

    def _hold(self) -> SyncRun:
        run = self.attempt.run
        run.cancel_requested = self.lease.hold().cancel_requested
        return run

    def _keep(self, run: SyncRun, *fields: str) -> None:
        # The heart stops beating for a run whose batches do not come any more.
        alive = {"batch_number": F("batch_number") + 1, "lease_until": lease_end()}
        SyncRun.objects.filter(pk=run.pk).update(**alive)

    def _keep_issues(self, run: SyncRun, report: Report, *, pass_: Pass) -> None:
        pass

    def _ask(self, absent: Absent, max_ratio: float) -> None:
        pass
