"""``runs``, ``show`` and ``cancel``: what ran, how it went, and how to stop it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import localtime

from ...models import PlannedAction, SyncRun
from ...sync import cancel, issue_groups
from . import arguments
from .base import Options, Subcommand, find_run, usage_error
from .console import Cell, Console
from .outcomes import OK, tell
from .plans import show_plan


class Runs(Subcommand):
    name = "runs"
    help = "List the latest runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--feed", metavar="FEED", help="Runs of this feed only.")
        parser.add_argument(
            "--limit", type=arguments.positive, metavar="N", default=20, help="20 by default."
        )

    def handle(self, console: Console, options: Options) -> int:
        runs = latest(options["feed"])[: options["limit"]]
        if options["format"] == "json":
            console.document([listed(run) for run in runs])
        else:
            header = ["run", "feed", "status", "read", "rejected", "seconds", "started", "trigger"]
            console.table(header, [row(run) for run in runs])
        return OK


class Show(Subcommand):
    name = "show"
    help = "Show one run in full, or its plan."
    formats = ("text", "json", "csv")

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_run(parser)
        parser.add_argument(
            "--plan", action="store_true", help="List what the dry run would have changed."
        )
        parser.add_argument(
            "--action", choices=PlannedAction.values, help="With --plan: this action only."
        )
        parser.add_argument("--stream", metavar="STREAM", help="With --plan: this stream only.")

    def handle(self, console: Console, options: Options) -> int:
        run = find_run(options["run"])
        if options["plan"]:
            return show_plan(console, run, options)
        if given := [name for name in ("action", "stream") if options[name]]:
            raise usage_error(f"--{given[0]} selects from a plan; add --plan.")
        if options["format"] == "csv":
            raise usage_error("Only a plan can be had as CSV; add --plan.")
        if options["format"] == "json":
            console.document(shown(run))
        else:
            tell(console, run)
            console.line(requested(run))
        return OK


class Cancel(Subcommand):
    name = "cancel"
    help = "Stop a queued run now, a running one after its present batch."

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_run(parser)

    def handle(self, console: Console, options: Options) -> int:
        run = cancel(find_run(options["run"]))
        if options["format"] == "json":
            console.document(run.as_dict())
        else:
            stopping = ", stops after its present batch" if run.is_active else ""
            console.line(f"Run {run.pk} of feed '{run.feed}': {run.status}{stopping}")
        return OK


def latest(feed: str | None) -> QuerySet[SyncRun]:
    """Runs, the latest first; of one feed, or of all."""
    runs = SyncRun.objects.order_by("-pk")
    return runs.filter(feed=feed) if feed else runs


def listed(run: SyncRun) -> dict[str, Any]:
    """A run in a list, for scripts."""
    names = ("trigger", "created_at", "started_at", "finished_at")
    return {**run.as_dict(), **{name: getattr(run, name) for name in names}}


def shown(run: SyncRun) -> dict[str, Any]:
    """A run in full, for scripts."""
    names = ("full", "since", "limit", "retry_of_id", "retry_choice", "totals", "attempts")
    return {
        **listed(run),
        "requested_streams": run.streams,
        "requested_by": str(run.requested_by) if run.requested_by else None,
        **{name.removesuffix("_id"): getattr(run, name) for name in names},
        "cancel_requested": run.cancel_requested,
        "warnings": run.warnings,
        "planned": run.planned,
        "plan": run.plan_id,
        "plan_counts": run.plan_counts,
        "rejects": [group.as_dict() for group in issue_groups(run)],
    }


def row(run: SyncRun) -> list[Cell]:
    """A run as a line of the list."""
    started = localtime(run.started_at).strftime("%Y-%m-%d %H:%M:%S") if run.started_at else None
    status = f"{run.status} (dry)" if run.dry_run else run.status
    read, rejected = (sum_of(run, count) for count in ("read", "rejected"))
    return [run.pk, run.feed, status, read, rejected, run.seconds, started, run.trigger]


def sum_of(run: SyncRun, count: str) -> int:
    """One count over all streams of a run."""
    return sum(outcomes.get(count, 0) for outcomes in run.counts.values())


def requested(run: SyncRun) -> str:
    """How the run came about."""
    who = f" by {run.requested_by}" if run.requested_by else ""
    plan = f", applies the plan of run {run.plan_id}" if run.plan_id else ""
    return f"requested {localtime(run.created_at):%Y-%m-%d %H:%M:%S} from {run.trigger}{who}{plan}"
