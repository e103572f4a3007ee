"""Celery tasks. A message is a doorbell: it names a run, and the run's row says the rest."""

from __future__ import annotations

import mmap
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from django.utils import timezone

from .beat import BEAT_SCHEDULE, DISPATCH_SECONDS
from .conf import settings
from .feeds.streams import duration
from .models import ACTIVE, SyncRun
from .sync import call_help, dispatch_due, execute, has_work, request_run
from .sync import dispatch as hand_over

#: One byte that the processes of a worker's pool, forked later, share with it: whether it has
#: been asked to go. Celery lets a task run on then, and nobody knows for how long.
_leaving = mmap.mmap(-1, 1)

__all__ = ["BEAT_SCHEDULE", "dispatch", "execute_run", "parse_since", "sync_feed"]


@shared_task(
    name="django_ecommerce_sync.tasks.execute_run",
    ignore_result=True,
    acks_late=False,
    reject_on_worker_lost=False,
)
def execute_run(run_id: Any) -> None:
    """Carry out a queued run, take over a dead one, or help with its partitions.

    A message about a run that is over, or never was, does nothing: anyone who reaches the
    broker can forge one, and a real one may come twice.
    """
    if isinstance(run_id, int) and SyncRun.objects.filter(pk=run_id, status__in=ACTIVE).exists():
        with _last_batch_before_the_end() as is_over:
            seconds = settings.TASK_SECONDS
            run = execute(run_id, pause=is_over, seconds=seconds, call_help=call_help)
            if has_work(run):
                hand_over(run)


@contextmanager
def _last_batch_before_the_end() -> Iterator[Callable[[], bool]]:
    """Whether the worker has been asked to go; a SIGTERM of this process waits for the answer.

    Service managers send one to every process of a worker, also to those of its pool, which
    would die of it in the middle of a batch.
    """
    asked = threading.Event()

    before: Any = None
    if is_main := threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        yield lambda: asked.is_set() or _leaving[0] == 1
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
            if asked.is_set():  # and now what it was meant for
                os.kill(os.getpid(), signal.SIGTERM)


@worker_init.connect
def _arrive(**kwargs: Any) -> None:
    _leaving[0] = 0


@worker_shutting_down.connect
def _leave(**kwargs: Any) -> None:
    _leaving[0] = 1


@worker_ready.connect
@worker_shutdown.connect
def _look_around(**kwargs: Any) -> None:
    """Have somebody look for what was lost while no worker was there, or with one that leaves.

    A worker asks for messages up to its end, and what is sent to it then nobody reads.
    """
    dispatch.apply_async(expires=DISPATCH_SECONDS, retry=False)


@shared_task(name="django_ecommerce_sync.tasks.dispatch", ignore_result=True)
def dispatch() -> None:
    """What beat calls twice a minute: start due schedules, hand over runs that wait for nobody."""
    dispatch_due()


@shared_task(name="django_ecommerce_sync.tasks.sync_feed")
def sync_feed(
    feed: str,
    *,
    streams: Sequence[str] = (),
    dry_run: bool = False,
    full: bool = False,
    since: str | None = None,
    limit: int | None = None,
) -> int:
    """Sync one feed, for projects that schedule it themselves; the number of its run.

    A feed that is queued or running already is left to that run. ``since`` is a date, a time
    or a span ago (``"2d"``), as on the command line.
    """
    run, new = request_run(
        feed,
        streams=streams,
        dry_run=dry_run,
        full=full,
        since=parse_since(since) if since is not None else None,
        limit=limit,
        trigger="task",
    )
    return execute(run.pk).pk if new else run.pk


def parse_since(text: str) -> datetime:
    """``"2026-11-01"``, ``"2026-11-01T08:30+01:00"`` or ``"6h"`` (ago) as a moment.

    A time without a zone is meant in the project's. Raises ``ValueError`` or
    ``ConfigurationError``.
    """
    if text[:1].isdecimal() and text[-1:].isalpha() and text[-1] != "Z":
        return timezone.now() - duration(text)
    moment = datetime.fromisoformat(text)
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
