"""How a run is told: its exit code, its counts as a table, its rejects grouped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models import COUNTS, RunStatus, SyncRun
from ...sync import IssueGroup, issue_groups
from .console import Console, printable

OK, FAILED, USAGE, REJECTS, RUNNING, UNREACHABLE = range(6)
#: With several feeds the first of these that occurred is the exit code.
WORST_FIRST = (FAILED, UNREACHABLE, RUNNING, REJECTS, OK)
#: The error codes that say a source was out of reach rather than wrong.
UNREACHABLE_CODES = frozenset({"unreachable", "unauthorized", "timeout"})
#: Groups of rejects printed below the table of a run.
SHOWN_GROUPS = 10


def worst(codes: Iterable[int]) -> int:
    """The one exit code that stands for several."""
    found = set(codes)
    return next((code for code in WORST_FIRST if code in found), OK)


def exit_code(run: SyncRun, fail_on: str = "error") -> int:
    """What the process says about a run it started, as ``--fail-on`` wants it told."""
    code = _plain_exit_code(run)
    if fail_on == "never":
        return OK
    return FAILED if fail_on == "reject" and code == REJECTS else code


def _plain_exit_code(run: SyncRun) -> int:
    match run.status:
        case RunStatus.SUCCEEDED | RunStatus.QUEUED | RunStatus.RUNNING:
            return OK
        case RunStatus.PARTIAL:
            return REJECTS
        case RunStatus.FAILED if run.error_code in UNREACHABLE_CODES:
            return UNREACHABLE
    return FAILED


def tell(console: Console, run: SyncRun) -> None:
    """A run as people read it."""
    seconds = f"  {run.seconds} s" if run.seconds is not None else ""
    dry = "  dry run, nothing was written" if run.dry_run else ""
    status = status_style(console, run.status)(run.status)
    console.line(f"{printable(run.feed)}  run {run.pk}  {status}{seconds}{dry}")
    if run.counts:
        counts = [
            [stream, *(outcomes.get(count, 0) for count in COUNTS)]
            for stream, outcomes in run.counts.items()
        ]
        console.table(["stream", *COUNTS], counts)
    if run.error_code:
        console.line(console.style.ERROR(f"{run.error_code}: {printable(run.error)}"))
    tell_rejects(console, run)
    if run.has_plan:
        console.line(f"  its plan: manage.py ecommerce_sync show {run.pk} --plan")
    for warning in run.warnings:
        times = f"{warning['count']} × " if warning["count"] > 1 else ""
        text = f"  {times}{warning['stream']}: {warning['message']}"
        console.line(console.style.WARNING(printable(text)))


def status_style(console: Console, status: str) -> Any:
    """The colour of a run's state."""
    styles = {
        RunStatus.SUCCEEDED: console.style.SUCCESS,
        RunStatus.PARTIAL: console.style.WARNING,
        RunStatus.FAILED: console.style.ERROR,
    }
    return styles.get(RunStatus(status), str)


def in_a_line(group: IssueGroup) -> str:
    """A group of rejects as people read it: ``312 × products.price: This is no number.``"""
    place = f"{group.stream}.{group.field}" if group.field else group.stream
    landed = group.count - group.open
    since = f" [{landed} landed since]" if landed else ""
    return printable(f"{group.count} × {place}: {group.reason}{since}")


def tell_rejects(console: Console, run: SyncRun) -> None:
    """The most frequent reasons for rejecting rows, and where to see the rest."""
    groups = issue_groups(run)
    for group in groups[:SHOWN_GROUPS]:
        console.line(console.style.WARNING(f"  {in_a_line(group)}"))
    if len(groups) > SHOWN_GROUPS:
        console.line(f"  and {len(groups) - SHOWN_GROUPS} reasons more")
    if groups:
        console.line(f"  every row: manage.py ecommerce_sync issues {run.pk} --all")
