"""Celery tasks. A message is a doorbell: it names a run, and the run's row says the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from celery import shared_task
from django.utils import timezone

from .beat import BEAT_SCHEDULE
from .feeds.streams import duration
from .models import SLOT, SyncRun
from .sync import dispatch_due, execute, request_run

__all__ = ["BEAT_SCHEDULE", "dispatch", "execute_run", "parse_since", "sync_feed"]


@shared_task(
    name="django_ecommerce_sync.tasks.execute_run",
    ignore_result=True,
    acks_late=False,
    reject_on_worker_lost=False,
)
def execute_run(run_id: Any) -> None:
    """Carry out a queued run, or take over a dead one.

    A message about a run that is over, or never was, does nothing: anyone who reaches the
    broker can forge one, and a real one may come twice.
    """
    if isinstance(run_id, int) and SyncRun.objects.filter(pk=run_id, slot=SLOT).exists():
        execute(run_id)


@shared_task(name="django_ecommerce_sync.tasks.dispatch", ignore_result=True)
def dispatch() -> None:
    """What beat calls every minute: start due schedules, hand over runs that wait for nobody."""
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
