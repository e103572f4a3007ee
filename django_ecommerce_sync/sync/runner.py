"""Carrying out a run, from its lease to its result."""

from __future__ import annotations

import gc
import logging
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection, transaction

from .. import signals
from ..conf import settings
from ..exceptions import ConfigurationError, FeedError, LeaseLost, PlanRefused
from ..feeds import Stream, get_feed
from ..feeds.redaction import redacted
from ..models import ACTIVE, MetLinks, RunStatus, SyncRun
from . import errands, plans
from .apply import Applier
from .batches import Place
from .continuity import Continuity
from .digest import reading_digest
from .execution import Attempt, Cancelled, Paused, Progress, Rehearsal, StreamExecution
from .faults import code_of, is_away, tried_again
from .heartbeat import Heartbeat
from .imagination import Imagination
from .landing import Landing
from .lease import DatabaseNow, Lease, acquire
from .ledger import Ledger
from .match import Matcher
from .met import Met
from .ownership import Ownership
from .references import References
from .session import own_session
from .target import Target

logger = logging.getLogger(__name__)


def execute(
    run_id: int,
    *,
    progress: Progress | None = None,
    pause: Callable[[], bool] = lambda: False,
    seconds: float = math.inf,
) -> SyncRun:
    """Carry out a queued run, or take over one whose worker has died.

    ``progress`` is called after each batch with the run and the stream's name. ``pause`` is
    asked after each batch whether to leave off there, and after so many ``seconds`` a feed
    with pages is left off anyway: the run is queued again then, to go on where it stands.
    Returns the run as it ended: what went wrong is in its ``status``, ``error_code`` and
    ``error``. A run that is finished or in other hands comes back as it is. Raises
    ``DatabaseError`` where the database stays away; the run is taken over later.
    """
    with own_session():
        return _execute(run_id, progress, pause, monotonic() + seconds)


def _execute(
    run_id: int, progress: Progress | None, pause: Callable[[], bool], deadline: float
) -> SyncRun:
    taken = tried_again(partial(acquire, run_id, uuid.uuid4().hex))
    if taken is None:
        return SyncRun.objects.get(pk=run_id)
    run, lease = taken
    if not run.dry_run:
        signals.tell(signals.sync_started, SyncRun, run=run)
    with _collector_spared(), Heartbeat(lease):
        status, code, message = _outcome(run, lease, progress, pause, deadline)
    if status not in ACTIVE:
        tried_again(partial(_finish, lease, status, code, message))
    tried_again(run.refresh_from_db)
    if not (run.is_active or run.dry_run):
        signals.tell(signals.sync_finished, SyncRun, run=run)
    return run


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


def _outcome(
    run: SyncRun,
    lease: Lease,
    progress: Progress | None,
    pause: Callable[[], bool],
    deadline: float,
) -> tuple[RunStatus, str, str]:
    """Do the work; how it ended, and the code and sentence of what ended it early."""
    if run.stalled_attempts > settings.MAX_ATTEMPTS:
        return RunStatus.FAILED, "worker_lost", _worker_lost(run)
    try:
        if errands.is_errand(run):
            errands.carry_out(run, lease, pause)
            return RunStatus.SUCCEEDED, "", ""
        with get_feed(run.feed) as feed:
            Execution(Attempt(run, lease, feed, progress, pause, deadline)).go()
    except Cancelled:
        return RunStatus.CANCELLED, "", ""
    except Paused:
        tried_again(lease.give_back)
        return RunStatus.QUEUED, "", ""
    except SoftTimeLimitExceeded:
        # It may have struck in the middle of a statement: that connection is of no more use.
        if not connection.in_atomic_block:
            connection.close()
        logger.warning("Run %s: the task's time was over; another task goes on.", run.pk)
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
        logger.exception("Run %s of feed %s cannot go on", run.pk, run.feed)
        if is_away(error):  # the lease runs out, and whoever finds the run takes it over
            return RunStatus.RUNNING, "", ""
        return RunStatus.FAILED, code_of(error), f"The database refused: {type(error).__name__}."
    except KeyboardInterrupt:
        _finish(lease, RunStatus.CANCELLED, "interrupted", "It was interrupted.")
        raise
    except Exception as error:
        # A feed's own code or ours: the log has the traceback, the row must not stay "running".
        logger.exception("Run %s of feed %s failed", run.pk, run.feed)
        return RunStatus.FAILED, "internal_error", f"{type(error).__name__}; the log has more."
    return RunStatus.SUCCEEDED, "", ""


def _worker_lost(run: SyncRun) -> str:
    """Where a run stands at which every worker died."""
    cursor = run.cursor
    if not cursor:
        return "Its worker died again and again before its first batch."
    if cursor.get("done"):
        return f"Its worker died again and again after stream '{cursor['stream']}'."
    first = cursor["read"] + 1
    rows = f"rows {first} to {first + settings.BATCH_SIZE - 1} of stream '{cursor['stream']}'"
    page = f" (page {cursor['page']})" if cursor["page"] is not None else ""
    return f"Its worker died again and again at {rows}{page}."


def _finish(lease: Lease, status: RunStatus, code: str, message: str) -> None:
    try:
        with transaction.atomic():
            run = lease.hold()
            if status == RunStatus.SUCCEEDED and run.issues.exists():
                status = RunStatus.PARTIAL
            run.status, run.error_code, run.error = status, code, redacted(message)
            run.slot, run.lease_until, run.owner = None, None, ""
            run.finished_at = DatabaseNow()
            run.save()
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
        with transaction.atomic():
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
        with transaction.atomic():
            self.attempt.run = self.attempt.lease.hold()  # its batches were counted on

    def _go(
        self, execution: type[StreamExecution], attempt: Attempt, ledger: Ledger | None
    ) -> None:
        run, feed = attempt.run, attempt.feed
        by_key = {s.name: Target(s, run.feed) for s in feed.streams if not s.external_id}
        references = References(run.feed, by_key, ledger)
        for stream, place in self._remaining(run.cursor):
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
                met=Met(run.pk, stream.name, target.connection),
            )
            # What the tables' unique keys would tell, a plan has been told by matching.
            matcher.first_load &= not run.planned
            landing = self._landing(run, matcher, ledger)
            execution(attempt, continuity, matcher, landing).go(place)

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
