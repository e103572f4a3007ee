"""``show RUN --plan``: what a dry run would have changed, row by row."""

from __future__ import annotations

import csv
from typing import Any

from django.db.models import QuerySet

from ...models import PlannedAction, PlannedChange, SyncRun
from ...sync.plans import CSV_COLUMNS, csv_rows, in_words
from .base import Options, usage_error
from .console import Console, printable
from .outcomes import OK

#: Rows read from the database at once.
CHUNK = 2000


def show_plan(console: Console, run: SyncRun, options: Options) -> int:
    """Print the plan of a run, or the part of it that was asked for."""
    if not run.has_plan:
        raise usage_error(f"Run {run.pk} keeps no plan; 'run {run.feed} --plan' makes one.")
    changes = run.planned_changes.order_by("pk")
    for name in ("action", "stream"):
        if options[name]:
            changes = changes.filter(**{name: options[name]})
    {"text": as_text, "json": as_json, "csv": as_csv}[options["format"]](console, run, changes)
    return OK


def as_text(console: Console, run: SyncRun, changes: QuerySet[PlannedChange]) -> None:
    """A line for each row, then the counts of the whole plan."""
    for change in changes.iterator(chunk_size=CHUNK):
        name = change.key or change.external_id or f"record {change.position}"
        row = f" (row {change.object_id})" if change.object_id else ""
        line = f"{change.action}  {change.stream}  {name}{row}  {in_words(change)}"
        console.line(printable(line.rstrip()))
    counts = [
        [stream, *(found.get(action, 0) for action in PlannedAction.values)]
        for stream, found in run.plan_counts.items()
    ]
    console.table(["stream", *PlannedAction.values], counts)
    if run.is_active:
        console.line(f"Run {run.pk} is {run.status}: there may be more to come.")


def as_json(console: Console, run: SyncRun, changes: QuerySet[PlannedChange]) -> None:
    """One object: whose plan it is, its counts, and its rows."""
    head = {"run": run.pk, "feed": run.feed, "status": run.status, "counts": run.plan_counts}
    rows = (as_dict(change) for change in changes.iterator(chunk_size=CHUNK))
    console.long_document(head, "changes", rows)


def as_csv(console: Console, run: SyncRun, changes: QuerySet[PlannedChange]) -> None:
    """A table with a line for each field, safe to open in a spreadsheet."""
    writer = csv.writer(console.out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for change in changes.iterator(chunk_size=CHUNK):
        writer.writerows(csv_rows(change))


def as_dict(change: PlannedChange) -> dict[str, Any]:
    """A planned change for scripts."""
    names = ("stream", "position", "action", "key", "external_id", "model", "object_id", "reason")
    return {**{name: getattr(change, name) for name in names}, "changes": change.changes}
