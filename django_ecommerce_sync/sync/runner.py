"""Carrying out a run: its streams in order, each batch in one transaction of its own."""

from __future__ import annotations

import enum
import gc
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.dispatch import Signal
from django.utils import timezone

from .. import signals
from ..conf import settings
from ..exceptions import ConfigurationError, EcommerceSyncError, FeedError, LeaseLost, RecordError
from ..feeds import BadRow, FeedSource, Stream, get_feed
from ..models import IssueState, RunStatus, SyncRun
from . import issues
from .apply import Applier
from .batches import Batch, NumberedRow, Place, batches, starting_at
from .changes import Changes, Item
from .faults import is_about_a_row, is_passing
from .lease import Lease, acquire, lease_end
from .ledger import Ledger
from .match import Matcher
from .references import References
from .repeats import Repeats
from .report import Report, add_counts
from .target import Target

logger = logging.getLogger(__name__)

Progress = Callable[[SyncRun, str], None]
#: Whole batches are tried again this often when the database says "not now".
_TRIES = 8
#: Rejected records kept in memory for a second try at the end of their stream.
_MAX_WAITING = 10_000


class _Cancelled(EcommerceSyncError):
    """Somebody asked the run to stop."""


def execute(run_id: int, *, progress: Progress | None = None) -> SyncRun:
    """Carry out a queued run, or take over one whose worker has died.

    ``progress`` is called after each batch with the run and the stream's name. Returns the run
    as it ended: what went wrong is in its ``status``, ``error_code`` and ``error``. A run that
    is finished or in other hands comes back as it is.
    """
    taken = acquire(run_id)
    if taken is None:
        return SyncRun.objects.get(pk=run_id)
    run, lease = taken
    _tell_listeners(signals.sync_started, SyncRun, run=run)
    with _collector_spared():
        status, code, message = _outcome(run, lease, progress)
    _finish(lease, status, code, message)
    run.refresh_from_db()
    if not run.is_active:
        _tell_listeners(signals.sync_finished, SyncRun, run=run)
    return run


def _tell_listeners(signal: Signal, sender: Any, **arguments: Any) -> None:
    """Send a signal; a listener's mistake is its own, for what it hears of is committed."""
    for receiver, answer in signal.send_robust(sender, **arguments):
        if isinstance(answer, Exception):
            logger.error("%s failed on a sync signal", receiver, exc_info=answer)


@contextmanager
def _collector_spared() -> Iterator[None]:
    """Take what the process holds by now out of the garbage collector's sight.

    Each batch makes and drops ten thousand objects; the full collections they set off would go
    through Django's own again every time, for up to a fifth of an unchanged feed's time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _outcome(run: SyncRun, lease: Lease, progress: Progress | None) -> tuple[RunStatus, str, str]:
    """Do the work; how it ended, and the code and sentence of what ended it early."""
    if run.stalled_attempts > settings.MAX_ATTEMPTS:
        place = f"at {run.cursor}" if run.cursor else "before its first batch"
        return RunStatus.FAILED, "worker_lost", f"Its worker died again and again {place}."
    try:
        with get_feed(run.feed) as feed:
            Execution(run, lease, feed, progress).go()
    except _Cancelled:
        return RunStatus.CANCELLED, "", ""
    except LeaseLost as error:
        logger.warning("%s", error)
        return RunStatus.RUNNING, "", ""
    except FeedError as error:
        return RunStatus.FAILED, error.code, error.message
    except ConfigurationError as error:
        return RunStatus.FAILED, "configuration", str(error)
    except KeyboardInterrupt:
        _finish(lease, RunStatus.CANCELLED, "interrupted", "It was interrupted.")
        raise
    except Exception as error:
        # A feed's own code or ours: the log has the traceback, the row must not stay "running".
        logger.exception("Run %s of feed %s failed", run.pk, run.feed)
        return RunStatus.FAILED, "internal_error", f"{type(error).__name__}; the log has more."
    return RunStatus.SUCCEEDED, "", ""


def _finish(lease: Lease, status: RunStatus, code: str, message: str) -> None:
    if status == RunStatus.RUNNING:
        return
    try:
        with transaction.atomic():
            run = lease.hold()
            rejected = any(counts.get("rejected") for counts in run.counts.values())
            if status == RunStatus.SUCCEEDED and rejected:
                status = RunStatus.PARTIAL
            run.status, run.error_code, run.error = status, code, message
            run.slot, run.lease_until, run.owner = None, None, ""
            run.finished_at = timezone.now()
            run.save()
    except LeaseLost as error:
        logger.warning("%s", error)


class Execution:
    """One attempt at a run, by one worker."""

    def __init__(
        self, run: SyncRun, lease: Lease, feed: FeedSource, progress: Progress | None
    ) -> None:
        self.run = run
        self.lease = lease
        self.feed = feed
        self.progress = progress
        names = run.streams or [stream.name for stream in feed.streams]
        streams = [starting_at(feed.stream(name), run.since) for name in names]
        self.targets = {stream.name: Target(stream, run.feed) for stream in streams}
        # Records that refer to others come last, whatever the order they were declared in.
        self.streams = sorted(streams, key=lambda s: self.targets[s.name].refers_to_others)

    def go(self) -> None:
        """Bring every stream of the run into the database, from where the run left off."""
        ledger = Ledger() if self.run.dry_run else None
        by_key = {s.name: Target(s, self.run.feed) for s in self.feed.streams if not s.external_id}
        references = References(self.run.feed, by_key, ledger)
        try:
            for stream, place in self._remaining():
                matcher = Matcher(
                    stream,
                    self.targets[stream.name],
                    references,
                    feed=self.run.feed,
                    run=self.run.pk,
                    full=self.run.full,
                    ledger=ledger,
                )
                StreamExecution(self, stream, matcher).go(place)
        finally:
            if ledger is not None:
                ledger.close()

    def _remaining(self) -> Iterator[tuple[Stream, Place]]:
        """The streams still to do, the first one perhaps from its middle."""
        cursor = self.run.cursor
        names = [stream.name for stream in self.streams]
        begun = names.index(cursor["stream"]) if cursor.get("stream") in names else 0
        for index, stream in enumerate(self.streams[begun:]):
            if index or not cursor:
                yield stream, Place()
            elif not cursor.get("done"):
                yield stream, Place(cursor["page"], cursor["offset"], cursor["read"])


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

    def __init__(self, execution: Execution, stream: Stream, matcher: Matcher) -> None:
        self.execution = execution
        self.run = execution.run
        self.lease = execution.lease
        self.stream = stream
        self.matcher = matcher
        self.target = matcher.target
        self.applier = Applier(self.target, feed=self.run.feed, stream=stream.name, run=self.run.pk)
        #: By external id, the last rejected copy that may land after all.
        self.waiting: dict[str, NumberedRow] = {}
        self.repeats = Repeats()
        self.wanted = _rows_to_retry(self.run, stream.name)
        self.heals = issues.has_open(self.run.feed, stream.name) and not self.run.dry_run

    def go(self, place: Place) -> None:
        """Read the stream from ``place`` to its end."""
        try:
            place = self._read(place)
            self._settle(place)
        finally:
            self.repeats.close()
        with transaction.atomic():
            run = self.lease.hold()
            run.counts.setdefault(self.stream.name, add_counts({}, {}))
            run.cursor = {"stream": self.stream.name, "done": True}
            run.save(update_fields=["cursor", "counts"])

    def _read(self, place: Place) -> Place:
        """Land batch after batch; returns the place after the last one."""
        self._recall(place)
        for batch in self._batches(place, self.run.limit):
            self._land(batch)
            place = batch.steps[-1]
        if not place.read and not self._may_be_empty():
            raise FeedError(
                "feed_empty",
                f"Stream '{self.stream.name}' has no rows; if that can be, set allow_empty=True.",
            )
        return place

    def _batches(self, place: Place, limit: int | None) -> Iterator[Batch]:
        size = settings.BATCH_SIZE
        return batches(self.execution.feed, self.stream, place, size=size, limit=limit)

    def _recall(self, place: Place) -> None:
        """Where the run goes on in the middle, find the repeats among the rows before it again."""
        if place.read and self.matcher.has_repeats():
            for batch in self._batches(Place(), place.read):
                self.repeats.put(self.matcher.repeated(batch.rows))

    def _settle(self, place: Place) -> None:
        """Second thoughts, once all has been read: last copies, and records that had to wait."""
        self.matcher.settling = True
        for rows in self.repeats.batches(settings.BATCH_SIZE):
            self._land(Batch(rows, [place] * len(rows)), pass_=Pass.LAST_COPIES)
        self.matcher.settling = False
        waiting = self.matcher.still_unseen(list(self.waiting.values()))
        if waiting and not self.run.dry_run:
            self._land(Batch(waiting, [place] * len(waiting)), pass_=Pass.WAITING)

    def _may_be_empty(self) -> bool:
        asked_for_part = self.stream.since is not None and self.run.since is not None
        return self.stream.allow_empty or asked_for_part or self.run.limit == 0

    # -- batches -----------------------------------------------------------------------------

    def _land(self, batch: Batch, *, pass_: Pass = Pass.FIRST) -> None:
        """Write a batch, whole; if the database refuses it, find the row it refuses."""
        for attempt in range(1, _TRIES + 1):
            try:
                self._commit(batch, partial(self._changes, batch), pass_=pass_)
                return
            except DatabaseError as error:
                if is_about_a_row(error) and self.matcher.first_load:
                    self.matcher.first_load = False
                elif is_about_a_row(error):
                    # The first time, another writer may have been quicker: match anew.
                    if attempt > 1:
                        self._land_in_parts(batch, error, pass_=pass_)
                        return
                    _wait(attempt)
                elif not is_passing(error) or attempt == _TRIES:
                    raise
                else:
                    _wait(attempt)

    def _land_in_parts(self, batch: Batch, error: DatabaseError, *, pass_: Pass) -> None:
        if len(batch.rows) > 1:
            for half in batch.halves():
                self._land(half, pass_=pass_)
            return
        logger.warning("Run %s: the database refused a row: %s", self.run.pk, error)
        self._commit(batch, partial(self._refused, batch, error), pass_=pass_)

    def _commit(self, batch: Batch, decide: Callable[[], Changes], *, pass_: Pass) -> None:
        with transaction.atomic():
            run = self.lease.hold()
            if run.cancel_requested:
                raise _Cancelled
            changes = decide()
            report = self._apply(changes)
            self._account(run, batch, changes, report, pass_=pass_)
        self.run = self.execution.run = run
        if pass_ is Pass.FIRST:
            self.repeats.put(changes.postponed)
            self._remember_waiting(changes)
        self._tell(report)

    def _changes(self, batch: Batch) -> Changes:
        rows = batch.rows if self.wanted is None else [r for r in batch.rows if self._is_wanted(r)]
        return self.matcher.match(rows)

    def _refused(self, batch: Batch, error: DatabaseError) -> Changes:
        position, payload = batch.rows[0]
        changes = Changes()
        changes.counts["read"] = 1
        external_id = "" if isinstance(payload, BadRow) else self.matcher.identify(payload)
        reason = f"The database refused the row ({type(error).__name__} {_number(error)})."
        changes.reject(Item(position, {}, external_id, ""), RecordError("db_rejected", reason))
        return changes

    def _is_wanted(self, row: NumberedRow) -> bool:
        """Whether a retry is about this row."""
        position, payload = row
        ids, positions = self.wanted or (set(), set())
        external_id = "" if isinstance(payload, BadRow) else self.matcher.identify(payload)
        return external_id in ids or position in positions

    def _apply(self, changes: Changes) -> Report:
        if self.matcher.ledger is None:
            return self.applier.apply(changes)
        _imagine(self.matcher.ledger, self.stream.name, self.target, changes)
        return Report(counts=changes.counts, rejections=changes.rejections)

    def _account(
        self, run: SyncRun, batch: Batch, changes: Changes, report: Report, *, pass_: Pass
    ) -> None:
        """Write counts, issues and the place of the next batch, in the batch's transaction."""
        name, place = self.stream.name, batch.steps[-1]
        pass_.correct(report)
        if pass_ is Pass.WAITING:
            issues.forget(run, name, [position for _, position in report.landed])
        else:
            issues.record(run, name, report.rejections)
        if self.heals:
            issues.resolve(run, name, report)
        run.counts[name] = add_counts(run.counts.get(name, {}), report.counts)
        if batch.total is not None:
            run.totals[name] = batch.total
        run.cursor = {
            "stream": name,
            "page": place.page,
            "offset": place.offset,
            "read": place.read,
        }
        run.batch_number += 1
        run.stalled_attempts = 0
        fields = ["counts", "totals", "cursor", "batch_number", "stalled_attempts"]
        run.save(update_fields=fields)
        SyncRun.objects.filter(pk=run.pk).update(lease_until=lease_end())

    def _remember_waiting(self, changes: Changes) -> None:
        for item in changes.waiting:
            if item.external_id in self.waiting or len(self.waiting) < _MAX_WAITING:
                self.waiting[item.external_id] = (item.position, item.payload)

    def _tell(self, report: Report) -> None:
        if report.created or report.updated:
            _tell_listeners(
                signals.batch_synced,
                self.target.model,
                run=self.run,
                stream=self.stream.name,
                created=report.created,
                updated=report.updated,
            )
        if self.execution.progress is not None:
            self.execution.progress(self.run, self.stream.name)


def _rows_to_retry(run: SyncRun, stream: str) -> tuple[set[str], set[int]] | None:
    """The ids, and the positions of rows without one, that a retry is about; None for all."""
    if run.retry_of is None:
        return None
    rejected = run.retry_of.issues.filter(stream=stream, state=IssueState.OPEN)
    rows: Sequence[tuple[str, Any]] = list(rejected.values_list("external_id", "position"))
    return {e for e, _ in rows if e}, {p for e, p in rows if not e and p is not None}


def _imagine(ledger: Ledger, stream: str, target: Target, changes: Changes) -> None:
    """Let a dry run's later batches see what this one would have done."""
    outcomes = [(item.external_id, "changed") for item in (*changes.create, *changes.update)]
    outcomes += [(item.external_id, "unchanged") for item in (*changes.relink, *changes.seen)]
    ledger.note(
        stream, [(external_id, outcome) for external_id, outcome in outcomes if external_id]
    )
    keys = [item.values.get(target.key) for item in changes.create]
    ledger.take(target.label, [str(key) for key in keys if key is not None])


def _wait(attempt: int) -> None:
    """Let others finish: up to a growing limit, at random, so that nobody waits in step."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    time.sleep(random.uniform(0, min(0.05 * 2**attempt, 5)))  # noqa: S311


def _number(error: DatabaseError) -> str:
    return str(error.args[0]) if error.args and isinstance(error.args[0], int) else ""
