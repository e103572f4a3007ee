"""``schedule``: when feeds run by themselves; also the door for cron."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.timezone import localtime

from ...conf import settings
from ...models import SyncSchedule
from ...sync import dispatch_due
from .base import Options, Subcommand, await_threads
from .console import Console
from .outcomes import OK, exit_code, worst


class Schedule(Subcommand):
    name = "schedule"
    help = "List the schedules, or start what is due (for cron, once a minute)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--run-due",
            action="store_true",
            help="Start due schedules, and hand over runs nobody took or whose worker died.",
        )

    def handle(self, console: Console, options: Options) -> int:
        return run_due(console, options) if options["run_due"] else list_all(console, options)


def run_due(console: Console, options: Options) -> int:
    """Start what is due; quiet where nothing is, as cron likes it."""
    runs = dispatch_due()
    await_threads()
    for run in runs:
        run.refresh_from_db()
    if options["format"] == "json":
        console.document([run.as_dict() for run in runs])
    else:
        for run in runs:
            console.line(f"Run {run.pk} of feed '{run.feed}': {run.status}")
    return worst(exit_code(run) for run in runs)


def list_all(console: Console, options: Options) -> int:
    """Every schedule with its next run."""
    schedules = sorted([*SyncSchedule.objects.select_related("last_run"), *to_come()], key=by_feed)
    if options["format"] == "json":
        console.document([described(schedule) for schedule in schedules])
        return OK
    header = ["feed", "cron line", "enabled", "next run", "last run"]
    console.table(header, [row(schedule) for schedule in schedules])
    return OK


def to_come() -> list[SyncSchedule]:
    """What the settings propose for feeds that nobody has looked after yet."""
    known = set(SyncSchedule.objects.values_list("feed", flat=True))
    return [
        SyncSchedule(feed=alias, cron=entry["SCHEDULE"])
        for alias, entry in settings.FEEDS.items()
        if entry.get("SCHEDULE") and alias not in known
    ]


def by_feed(schedule: SyncSchedule) -> str:
    """The order of the list."""
    return str(schedule.feed)


def described(schedule: SyncSchedule) -> dict[str, Any]:
    """A schedule for scripts."""
    names = ("feed", "cron", "enabled", "next_run_at")
    last = schedule.last_run
    return {
        **{name: getattr(schedule, name) for name in names},
        "last_run": last.as_dict() if last else None,
    }


def row(schedule: SyncSchedule) -> list[str | None]:
    """A schedule as a line of the list."""
    due = schedule.next_run_at if schedule.enabled else None
    last = schedule.last_run
    return [
        schedule.feed,
        schedule.cron,
        "yes" if schedule.enabled else "no",
        f"{localtime(due):%Y-%m-%d %H:%M}" if due else None,
        f"{last.pk} {last.status}" if last else "never",
    ]
