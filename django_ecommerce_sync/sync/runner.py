"""Carrying out a run, from its lease to its result."""

from __future__ import annotations

import gc
import logging
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError

from .. import signals
from ..conf import settings
from ..exceptions import ConfigurationError, FeedError, LeaseLost, PlanRefused
from ..feeds import Stream, get_feed
from ..feeds.redaction import redacted
from ..models import ACTIVE, Job, MetLinks, RunStatus, SyncPartition, SyncRun
from . import errands, partitions, plans
from .apply import Applier
from .batches import Place
from .continuity import Continuity
from .database import atomic, connection_of_runs
from .digest import reading_digest
from .execution import Attempt, Cancelled, Parked, Paused, Progress, Rehearsal, StreamExecution
from .faults import code_of, is_away, tried_again
from .heartbeat import Heartbeat
from .imagination import Imagination
from .landing import Landing
from .lease import DatabaseNow, Lease, acquire
from .ledger import Ledger
from .match import Matcher
from .met import Met
from .ownership import Ownership
from .partitions import Outcome
from .references import References
from .session import own_session
from .target import Target, check_database

logger = logging.getLogger(__name__)

#: New objects that set off a garbage collection while a run is carried out.
_OBJECTS = 100_000


def execute(
    run_id: int,
    *,
    progress: Progress | None = None,
    pause: Callable[[], bool] = lambda: False,
    seconds: float = math.inf,
    call_help: Callable[[SyncRun], object] = lambda run: None,
) -> SyncRun:
    """Carry out a queued run, take over one whose worker has died, or help with its partitions.

    ``progress`` is called after each batch with the run and the stream's name. ``pause`` is
    asked after each batch whether to leave off there, and after so many ``seconds`` a feed
    with pages is left off anyway: the run is queued again then, to go on where it stands.
    ``call_help`` is called when a stream has been cut into partitions, for others to come; who
    comes reads what nobody reads, and leaves. Without help this worker reads them all, in order.
    Returns the run as it ended: what went wrong is in its ``status``, ``error_code`` and
    ``error``. A run that is finished or in other hands comes back as it is. Raises
    ``DatabaseError`` where the database stays away; the run is taken over later.
    """
    until = Until(pause, monotonic() + seconds)
    with own_session():
        run = SyncRun.objects.get(pk=run_id)
        while True:
            if run.status == RunStatus.RUNNING and "partitions" in run.cursor:
                partitions.work_through(run_id, partial(_read_partition, until, progress), until)
                run.refresh_from_db()
            if partitions.is_waited_for(run):
                return run
            run = _execute(run_id, progress, until)
            if not partitions.is_waited_for(run) or until():
                return run
            call_help(run)


@dataclass(frozen=True, slots=True)
class Until:
    """How long a task goes on."""

    pause: Callable[[], bool]
    #: By the monotonic clock.
    deadline: float

    def __call__(self) -> bool:
        """Whether to begin nothing new."""
        return self.pause() or monotonic() > self.deadline


def has_work(run: SyncRun) -> bool:
    """Whether a worker that takes the run, or a partition of it, has something to do there."""
    if run.status == RunStatus.QUEUED:
        return True
    return partitions.is_waited_for(run) and partitions.number_free(run.pk) > 0


def _execute(run_id: int, progress: Progress | None, until: Until) -> SyncRun:
    taken = tried_again(partial(acquire, run_id, uuid.uuid4().hex, SyncRun))
    if taken is None:
        return SyncRun.objects.get(pk=run_id)
    run, lease = taken
    if not run.dry_run:
        signals.tell(signals.sync_started, SyncRun, run=run)
    with _collector_spared(), Heartbeat(lease):
        status, code, message = _outcome(
            run, lease, partial(_carry_out, run, lease, progress, until)
        )
    if status not in ACTIVE:
        tried_again(partial(_finish, lease, status, code, message))
    tried_again(run.refresh_from_db)
    if not (run.is_active or run.dry_run):
        signals.tell(signals.sync_finished, SyncRun, run=run)
    return run


def _carry_out(
    run: SyncRun, lease: Lease[SyncRun], progress: Progress | None, until: Until
) -> None:
    if errands.is_errand(run):
        errands.carry_out(run, lease, until.pause)
        return
    with get_feed(run.feed) as feed:
        attempt = Attempt(run, lease, feed, progress, until.pause, until.deadline)
        Execution(attempt).go()


def _read_partition(
    until: Until,
    progress: Progress | None,
    partition: SyncPartition,
    lease: Lease[SyncPartition],
) -> Outcome:
    def read() -> None:
        run = partitions.run_of(partition, partition.run)
        with get_feed(run.feed) as feed:
            told = progress and partitions.beside_others(partition, progress)
            attempt = Attempt(run, lease, feed, told, until.pause, until.deadline)
            Execution(attempt).read(partition)

    with _collector_spared():
        return _outcome(partition, lease, read)


@contextmanager
def _collector_spared() -> Iterator[None]:
    """Take what the process holds by now out of the garbage collector's sight.

    Each batch makes and drops some ten thousand objects, none of them in a circle. Collections
    every few hundred would look at each of them again and again, and at Django's own besides.
    """
    often = gc.get_threshold()
    gc.collect(1)  # what is garbage by now would grow old out of sight, and then hardly ever go
    gc.freeze()
    gc.set_threshold(_OBJECTS, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()


def _outcome(job: Job, lease: Lease[Any], work: Callable[[], None]) -> Outcome:
    """Do the work; how it ended, and the code and sentence of what ended it early."""
    name = f"{job._meta.verbose_name} {job.pk}"
    if job.stalled_attempts > settings.MAX_ATTEMPTS:
        return RunStatus.FAILED, "worker_lost", _worker_lost(job)
    try:
        work()
    except Cancelled:
        return RunStatus.CANCELLED, "", ""
    except Paused:
        tried_again(lease.give_back)
        return RunStatus.QUEUED, "", ""
    except Parked:
        tried_again(lease.park)
        return RunStatus.RUNNING, "", ""
    except SoftTimeLimitExceeded:
        # It may have struck in the middle of a statement: that connection is of no more use.
        connection = connection_of_runs()
        if not connection.in_atomic_block:
            connection.close()
        logger.warning("%s: the task's time was over; another task goes on.", name)
        tried_again(lease.give_back)
        return RunStatus.QUEUED, "", ""
    except LeaseLost as error:
        logger.warning("%s", error)
        return RunStatus.RUNNING, "", ""
    except (FeedError, PlanRefused) as error:
        return RunStatus.FAILED, error.code, error.message
    except ConfigurationError as error:
        return RunStatus.FAILED, "configuration", str(error)
    except DatabaseError as error:
        logger.exception("%s cannot go on", name)
        if is_away(error):  # the lease runs out, and whoever finds the run takes it over
            return RunStatus.RUNNING, "", ""
        return RunStatus.FAILED, code_of(error), f"The database refused: {type(error).__name__}."
    except KeyboardInterrupt:
        _interrupted(lease)
        raise
    except Exception as error:
        # A feed's own code or ours: the log has the traceback, the row must not stay "running".
        logger.exception("%s failed", name)
        return RunStatus.FAILED, "internal_error", f"{type(error).__name__}; the log has more."
    return RunStatus.SUCCEEDED, "", ""


def _interrupted(lease: Lease[Any]) -> None:
    """A person wants no more of it: neither of this partition nor of its run."""
    if lease.kind is SyncPartition:
        run_id = lease.mine.values_list("run", flat=True).first()
        lease.give_back()
        taken = acquire(run_id, uuid.uuid4().hex, SyncRun) if run_id else None
        if taken is None:
            return
        _, lease = taken
    _finish(lease, RunStatus.CANCELLED, "interrupted", "It was interrupted.")


def _worker_lost(job: Job) -> str:
    """Where a job stands at which every worker died."""
    cursor = job.cursor
    if not cursor:
        return "Its worker died again and again before its first batch."
    if cursor.get("done"):
        return f"Its worker died again and again after stream '{cursor['stream']}'."
    first = cursor["read"] + 1
    rows = f"rows {first} to {first + settings.BATCH_SIZE - 1} of stream '{cursor['stream']}'"
    page = f" (page {cursor['page']})" if cursor["page"] is not None else ""
    part = f", counted in partition {job.number}" if isinstance(job, SyncPartition) else ""
    return f"Its worker died again and again at {rows}{page}{part}."


def _finish(lease: Lease[SyncRun], status: RunStatus, code: str, message: str) -> None:
    try:
        with atomic():
            run = lease.hold()
            if status == RunStatus.SUCCEEDED and run.issues.exists():
                status = RunStatus.PARTIAL
            run.status, run.error_code, run.error = status, code, redacted(message)
            run.slot, run.lease_until, run.owner = None, None, ""
            run.finished_at = DatabaseNow()
            run.save()
            partitions.close(run)
            MetLinks.objects.filter(run=run.pk).delete()
    except LeaseLost as error:
        logger.warning("%s", error)


class Execution:
    """The streams of a run, one after the other."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        run, feed = attempt.run, attempt.feed
        names = run.streams or [stream.name for stream in feed.streams]
        streams = [feed.stream(name) for name in names]
        self.targets = {stream.name: Target(stream, run.feed) for stream in streams}
        for target in self.targets.values():
            check_database(target)
        # Records that refer to others come last, whatever the order they were declared in.
        self.streams = sorted(streams, key=lambda s: self.targets[s.name].refers_to_others)

    def go(self) -> None:
        """Bring every stream of the run into the database, from where the run left off."""
        run = self.attempt.run
        if run.dry_run:
            self._begin_anew()
            with Ledger() as ledger:
                self._go(StreamExecution, self.attempt, ledger)
            return
        if run.planned:
            self._rehearse()
        self._go(StreamExecution, self.attempt, None)

    def _begin_anew(self) -> None:
        """What a dry run had imagined is gone with its worker: it cannot go on in the middle."""
        with atomic():
            run = self.attempt.lease.hold()
            run.issues.all().delete()
            plans.forget(run)
            run.counts, run.totals, run.observed, run.plan_counts = {}, {}, {}, {}
            run.cursor, run.warnings = {}, []
            run.save()
        self.attempt.run = run

    def _rehearse(self) -> None:
        """Make the plan anew, before anything is written; raises ``PlanRefused``."""
        run = self.attempt.run
        if run.plan is None:
            raise PlanRefused("plan_gone", "The plan that was to be applied has been deleted.")
        if run.cursor:  # an attempt before this one has begun to write
            return
        with Ledger() as ledger:
            self._go(Rehearsal, self.attempt.rehearsal(), ledger)
        with atomic():
            self.attempt.run = self.attempt.lease.hold()  # its batches were counted on

    def _go(
        self, execution: type[StreamExecution], attempt: Attempt, ledger: Ledger | None
    ) -> None:
        references = self._references(ledger)
        for stream, place in self._remaining(attempt.run.cursor):
            met = Met(attempt.run.pk, stream.name, self.targets[stream.name].connection)
            kind = self._kind(execution, stream)
            self._prepared(kind, attempt, stream, references, ledger, met).go(place)

    def _kind(self, execution: type[StreamExecution], stream: Stream) -> type[StreamExecution]:
        """How a stream is carried out: in partitions where it has them and all of it is read."""
        run = self.attempt.run
        is_plain = not (run.dry_run or run.planned or run.is_retry) and run.limit is None
        return partitions.Gathering if is_plain and stream.partitions is not None else execution

    def read(self, partition: SyncPartition) -> None:
        """Bring one partition of a stream into the database, from where it was left off."""
        stream = self.attempt.feed.stream(partition.stream)
        sightings = partitions.Sightings(partition, self.targets[stream.name].connection)
        execution = partial(partitions.PartitionExecution, partition)
        references, cursor = self._references(None), partition.cursor
        place = Place(cursor["page"], cursor["offset"], cursor["read"]) if cursor else Place()
        self._prepared(execution, self.attempt, stream, references, None, sightings).go(place)

    def _references(self, ledger: Ledger | None) -> References:
        run, feed = self.attempt.run, self.attempt.feed
        by_key = {s.name: Target(s, run.feed) for s in feed.streams if not s.external_id}
        return References(run.feed, by_key, ledger)

    def _prepared(
        self,
        execution: Callable[[Attempt, Continuity, Matcher, Landing], StreamExecution],
        attempt: Attempt,
        stream: Stream,
        references: References,
        ledger: Ledger | None,
        met: Met,
    ) -> StreamExecution:
        run, feed = attempt.run, attempt.feed
        target = self.targets[stream.name]
        ownership = Ownership(stream, target, run.feed, ledger)
        mapping = reading_digest(feed, stream, target.key, ownership.description)
        continuity = Continuity(run, feed, stream, mapping)
        matcher = Matcher(
            stream,
            target,
            references,
            ownership,
            feed=run.feed,
            run=run.pk,
            full=run.full,
            ledger=ledger,
            met=met,
        )
        if not (run.planned or run.is_retry):
            matcher.try_short_way()
        landing = self._landing(run, matcher, ledger)
        return execution(attempt, continuity, matcher, landing)

    def _landing(self, run: SyncRun, matcher: Matcher, ledger: Ledger | None) -> Landing:
        """What becomes of one stream's changes."""
        target, stream = matcher.target, matcher.stream.name
        place = {"feed": run.feed, "stream": stream, "run": run.pk}
        landing: Landing = Applier(target, matcher.met, **place)
        if ledger is not None:
            landing = Imagination(target, ledger, **place)
        if not run.planned:
            return landing
        seal = plans.seal_of(run.plan_id or run.pk)
        personal = matcher.key_is_personal
        decisions = plans.Decisions(target, stream, seal, key_is_personal=personal)
        if run.plan_id is None:
            return plans.Planner(landing, decisions, run)
        return plans.Comparison(landing, decisions, run, ledger)

    def _remaining(self, cursor: Mapping[str, Any]) -> Iterator[tuple[Stream, Place]]:
        """The streams still to do, the first one perhaps from its middle."""
        names = [stream.name for stream in self.streams]
        begun = names.index(cursor["stream"]) if cursor.get("stream") in names else 0
        for index, stream in enumerate(self.streams[begun:]):
            if index or not cursor:
                yield stream, Place()
            elif not cursor.get("done"):
                yield stream, Place(cursor["page"], cursor["offset"], cursor["read"])
