"""``prune``: forget old runs, and what merged rows were like."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Max
from django.utils import timezone

from ...conf import settings
from ...models import (
    ACTIVE,
    IdempotencyKey,
    PlannedChange,
    RevokedToken,
    RunStatus,
    SentRow,
    SyncIssue,
    SyncRun,
)
from ...sync import merging
from ...sync.history import forget
from . import arguments
from .base import Options, Subcommand
from .console import Console
from .outcomes import OK

#: Rows deleted in one transaction, so that nothing waits long for a lock.
CHUNK = 500


class Prune(Subcommand):
    name = "prune"
    help = (
        "Delete old finished runs, all but the last successful ones of each feed, and what it "
        "takes to undo old merges."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=arguments.positive,
            metavar="N",
            help="Age of runs in days; ECOMMERCE_SYNC['KEEP_RUNS_DAYS'] by default.",
        )

    def handle(self, console: Console, options: Options) -> int:
        days = options["days"] or settings.KEEP_RUNS_DAYS
        old = finished_before(days).exclude(pk__in=last_successful())
        planned = delete(PlannedChange.objects.filter(run__in=old))
        delete(SentRow.objects.filter(run__in=old))
        issues = delete(SyncIssue.objects.filter(run__in=old))
        runs = delete(old)
        for model in (RevokedToken, IdempotencyKey):
            delete(model._default_manager.filter(expires_at__lt=timezone.now()))
        forget(timezone.now() - timedelta(days=settings.KEEP_CHANGES_DAYS))
        merges = merging.expire(days_ago(settings.KEEP_MERGES_DAYS))
        if options["format"] == "json":
            deleted = {"runs": runs, "issues": issues, "planned_changes": planned}
            console.document({**deleted, "days": days, "merges": merges})
        else:
            console.line(
                f"Deleted {runs} runs older than {days} days, with {issues} rejected rows "
                f"and {planned} planned changes."
            )
            console.line(
                f"{merges} merges older than {settings.KEEP_MERGES_DAYS} days can no longer be "
                "undone: what their merged rows were like is deleted."
            )
        return OK


def finished_before(days: int) -> models.QuerySet[SyncRun]:
    """Runs that ended more than ``days`` days ago, but for plans that are being applied."""
    applying = SyncRun.objects.filter(status__in=ACTIVE, plan__isnull=False)
    in_use = [run.plan_id for run in applying if run.plan_id]
    ended = SyncRun.objects.exclude(status__in=ACTIVE).filter(finished_at__lt=days_ago(days))
    return ended.exclude(pk__in=in_use)


def days_ago(days: int) -> datetime:
    """That many days before now."""
    return timezone.now() - timedelta(days=days)


def last_successful() -> list[int]:
    """The last run of each feed that went through, and the last that left some rows behind."""
    through = SyncRun.objects.order_by().filter(
        dry_run=False, status__in=(RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    )
    return [row["last"] for row in through.values("feed", "status").annotate(last=Max("pk"))]


def delete(rows: models.QuerySet[Any]) -> int:
    """Delete rows a chunk at a time; how many there were."""
    deleted = 0
    while chunk := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        rows.model._default_manager.filter(pk__in=chunk).delete()
        deleted += len(chunk)
    return deleted
