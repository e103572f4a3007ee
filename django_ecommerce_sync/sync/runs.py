"""Asking for runs, handing them to whoever carries them out, and looking after them.

The row is the job; a broker's message only says that there is one. Whatever happens to the
message, ``dispatch_due`` finds the row.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from celery import current_app
from celery.schedules import ParseException, crontab
from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from ..conf import settings
from ..exceptions import AlreadyRunning, ConfigurationError, PlanRefused
from ..feeds import get_feed
from ..models import ACTIVE, RunStatus, SyncRun, SyncSchedule
from ..signals import sync_finished
from . import partitions
from .database import alias_of_runs
from .lease import DatabaseNow, unattended, waiting
from .retries import retry_arrived
from .runner import execute
from .slot import queue

logger = logging.getLogger(__name__)

#: The doorbell's name; sent by name, for the task stands above this module.
EXECUTE_TASK = "django_ecommerce_sync.tasks.execute_run"
#: How long a broker may take to answer before a run waits for ``dispatch_due`` instead. A frozen
#: one is asked twice: once for the connection, once for the channel.
_BROKER_SECONDS = 1
#: Workers that are asked to help with one run, at most.
_MOST_HELPERS = 64
_IMPATIENT = {
    "socket_timeout": _BROKER_SECONDS,
    "socket_connect_timeout": _BROKER_SECONDS,
    "max_retries": 1,
}


def request_run(
    feed: str,
    *,
    streams: Sequence[str] = (),
    dry_run: bool = False,
    full: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
    allow_shrink: bool = False,
    plan: bool = False,
    trigger: str = "cli",
    requested_by: Any = None,
) -> tuple[SyncRun, bool]:
    """A new queued run of ``feed`` and True, or the run that is active already and False.

    ``plan`` asks for a dry run whose plan is kept, to be looked at and applied later.

    Raises FeedNotFound or ConfigurationError for a name that does not exist.
    """
    with get_feed(feed) as source:
        for name in streams:
            source.stream(name)
    wish = SyncRun(
        feed=feed,
        streams=list(streams),
        dry_run=dry_run or plan,
        planned=plan,
        full=full,
        since=since,
        limit=limit,
        allow_shrink=allow_shrink,
        trigger=trigger,
        requested_by=requested_by,
    )
    return queue(wish)


def apply_plan(
    plan: SyncRun, *, trigger: str = "cli", requested_by: Any = None
) -> tuple[SyncRun, bool]:
    """A new queued run that does exactly what ``plan`` says, or nothing if that cannot be.

    Raises PlanRefused for a run whose plan is not complete or was applied before, and
    AlreadyRunning if another run of the feed is active.
    """
    check_plan(plan)
    with get_feed(plan.feed):
        pass
    wish = SyncRun(
        feed=plan.feed,
        streams=plan.streams,
        planned=True,
        plan=plan,
        full=plan.full,
        since=plan.since,
        limit=plan.limit,
        allow_shrink=plan.allow_shrink,
        trigger=trigger,
        requested_by=requested_by,
    )
    run, new = queue(wish)
    if run.plan_id != plan.pk:
        raise AlreadyRunning(run.feed, run.pk)
    return run, new


def check_plan(plan: SyncRun) -> None:
    """Raise PlanRefused for what is no plan, no complete one, or was applied before."""
    if not plan.has_plan:
        raise PlanRefused("no_plan", f"Run {plan.pk} keeps no plan; only a planned dry run does.")
    if plan.is_active:
        raise PlanRefused("plan_unfinished", f"The plan of run {plan.pk} is not finished yet.")
    if plan.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
        said = f"Run {plan.pk} is {plan.status}, so its plan is not complete; make a new one."
        raise PlanRefused("plan_unfinished", said)
    for run in plan.applications.exclude(status__in=ACTIVE).order_by("pk"):
        if run.cursor:  # something has landed
            said = f"The plan of run {plan.pk} was applied by run {run.pk}; make a new one."
            raise PlanRefused("plan_applied", said)


def cancel(run: SyncRun) -> SyncRun:
    """End a queued run now, a running one after its batch; a finished one stays as it is."""
    ended = {"status": RunStatus.CANCELLED, "slot": None, "finished_at": DatabaseNow()}
    runs = SyncRun.objects.filter(pk=run.pk)
    if not runs.filter(status=RunStatus.QUEUED).update(**ended):
        runs.filter(status=RunStatus.RUNNING).update(cancel_requested=True)
    run.refresh_from_db()
    return run


def dispatch(*runs: SyncRun) -> str:
    """Hand queued runs to the configured runner once the transaction has committed.

    Returns ``celery``, ``thread``, ``inline``, or ``deferred`` when the broker cannot be
    reached: ``dispatch_due`` hands them over later. Does not raise.
    """
    kind = runner_kind()
    outcome = [kind]

    def hand_over() -> None:
        outcome[0] = _HAND_OVER[kind]([run.pk for run in runs])

    transaction.on_commit(hand_over, using=alias_of_runs(), robust=True)
    return outcome[0]


def runner_kind() -> str:
    """``celery``, ``thread`` or ``inline``: what ``RUNNER`` comes down to here."""
    if settings.RUNNER != "auto":
        if settings.RUNNER not in _HAND_OVER:
            raise ConfigurationError(
                f"RUNNER is '{settings.RUNNER}'; it can be auto, {', '.join(_HAND_OVER)}."
            )
        return settings.RUNNER
    return "celery" if current_app.conf.broker_url else "thread"


def _by_celery(run_ids: Sequence[int]) -> str:
    try:
        # A connection of our own, for a request must not wait for a broker as long as the
        # project's settings, made for workers, may allow.
        with current_app.connection_for_write(connect_timeout=_BROKER_SECONDS) as connection:
            connection.transport_options = {**(connection.transport_options or {}), **_IMPATIENT}
            for run_id in run_ids:
                current_app.send_task(
                    EXECUTE_TASK,
                    args=[run_id],
                    retry=False,
                    ignore_result=True,
                    connection=connection,
                )
    except (KombuError, RedisError, OSError) as error:
        logger.warning("Runs %s wait for the broker: %s", run_ids, type(error).__name__)
        return "deferred"
    return "celery"


def call_help(run: SyncRun) -> None:
    """Ring for other workers to read partitions of a run; who finds none to read leaves at once.

    A bell that is not heard does no harm: whoever has called reads them all if need be.
    """
    if runner_kind() == "celery":
        _by_celery([run.pk] * (min(partitions.number_free(run.pk), _MOST_HELPERS) - 1))


def _by_thread(run_ids: Sequence[int]) -> str:
    for run_id in run_ids:
        threading.Thread(
            target=partial(_in_thread, run_id), name=f"sync-run-{run_id}", daemon=True
        ).start()
    return "thread"


def _in_thread(run_id: int) -> None:
    try:
        execute(run_id)
    finally:
        connections.close_all()  # this thread's own; nobody will use them again


def _inline(run_ids: Sequence[int]) -> str:
    for run_id in run_ids:
        execute(run_id)
    return "inline"


_HAND_OVER = {"celery": _by_celery, "thread": _by_thread, "inline": _inline}


def dispatch_due() -> list[SyncRun]:
    """Start what is due and pick up what was lost; beat or cron calls it.

    Due are schedules whose time has come, and rejected rows whose missing row has arrived; lost
    are queued runs nobody took and running ones whose worker has died. Returns the runs handed
    over.
    """
    add_schedules()
    return _dispatched([*_scheduled(), *_lost()]) + _dispatched(retry_arrived())


def _dispatched(runs: list[SyncRun]) -> list[SyncRun]:
    if runs:
        dispatch(*runs)
    return runs


def dispatch_lost() -> None:
    """Hand over runs that nobody attends to; whoever looks at a run in passing may call it.

    Each is handed over once in the time of a lease, however often that is. Where runs are
    carried out inline nothing happens: who looks must not wait for a run.
    """
    if runner_kind() != "inline":
        _dispatched(_lost())


def add_schedules() -> None:
    """Give every feed with a ``SCHEDULE`` its row; an existing row is people's, and stays."""
    known = set(SyncSchedule.objects.values_list("feed", flat=True))
    for feed, configured in settings.FEEDS.items():
        cron = configured.get("SCHEDULE")
        if cron and feed not in known:
            with _one_bad_feed_stops_no_other(feed):
                first = {"cron": cron, "next_run_at": next_time(cron, timezone.now())}
                SyncSchedule.objects.get_or_create(feed=feed, defaults=first)


@contextmanager
def _one_bad_feed_stops_no_other(feed: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        logger.error("The schedule of feed '%s' cannot be kept: %s", feed, error)


def next_time(cron: str, after: datetime) -> datetime:
    """The first moment of a cron line after ``after``; raises ConfigurationError for a bad line."""
    try:
        schedule = crontab.from_string(cron)
    except (ValueError, TypeError, ParseException) as error:
        raise ConfigurationError(f"'{cron}' is no cron line: {error}") from error
    last, delta, _ = schedule.remaining_delta(after)
    return timezone.localtime(last + delta, timezone=after.tzinfo)


def _scheduled() -> list[SyncRun]:
    now = timezone.now()
    due = Q(next_run_at__lte=now) | Q(next_run_at__isnull=True)
    runs = []
    for schedule in SyncSchedule.objects.filter(due, enabled=True):
        with _one_bad_feed_stops_no_other(schedule.feed):
            if run := _start(schedule, now):
                runs.append(run)
    return runs


def _start(schedule: SyncSchedule, now: datetime) -> SyncRun | None:
    """The run of a schedule whose time has come, unless another beat was quicker."""
    mine = SyncSchedule.objects.filter(pk=schedule.pk, next_run_at=schedule.next_run_at)
    if not mine.update(next_run_at=next_time(schedule.cron, now)):
        return None
    if schedule.next_run_at is None:  # a new line: its first time is still to come
        return None
    run, _ = request_run(schedule.feed, trigger="schedule")
    SyncSchedule.objects.filter(pk=schedule.pk).update(last_run=run)
    return run


def _lost() -> list[SyncRun]:
    """Runs that nobody attends to, back in the queue; of several who look one gets each."""
    lost = list(unattended().order_by("pk"))
    return [run for run in lost if unattended().filter(pk=run.pk).update(**waiting())]


def connect() -> None:
    """When a run has ended, see to the rows that waited for what it brought."""
    sync_finished.connect(_follow_up, dispatch_uid="ecommerce_sync.follow_up")


def _follow_up(sender: Any, **kwargs: Any) -> None:
    _dispatched(retry_arrived())
