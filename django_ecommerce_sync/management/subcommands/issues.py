"""``issues``: the rows a run rejected, in groups and one by one."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from ...models import SyncRun
from ...sync import IssueGroup, issue_groups
from . import arguments
from .base import Options, Subcommand, find_run, usage_error
from .console import Console, printable
from .outcomes import OK, in_a_line

COLUMNS = (
    "id",
    "run",
    "feed",
    "stream",
    "position",
    "external_id",
    "key",
    "field",
    "code",
    "message",
    "excerpt",
    "state",
    "resolved_by",
    "created_at",
)
#: How a cell begins that a spreadsheet would run as a formula, in plain and full-width forms.
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Issues(Subcommand):
    name = "issues"
    help = "List the rows a run rejected; repeats are told together."
    formats = ("text", "json", "csv")

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_run(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--all", action="store_true", help="Every row; what json and csv list by default."
        )
        what.add_argument(
            "--groups", action="store_true", help="Groups only; what text shows by default."
        )

    def handle(self, console: Console, options: Options) -> int:
        run = find_run(options["run"])
        form = options["format"]
        if options["groups"] and form == "csv":
            raise usage_error("Groups are no table of rows: use --format text or json.")
        if options["groups"] or (form == "text" and not options["all"]):
            {"text": groups_as_text, "json": groups_as_json}[form](console, run)
        else:
            rows = run.issues.order_by("pk").values(*COLUMNS).iterator()
            {"text": as_text, "json": as_json, "csv": as_csv}[form](console, rows)
        return OK


def groups_as_text(console: Console, run: SyncRun) -> None:
    """What went wrong how often, each with an example; and how to see and to retry the rows."""
    groups = issue_groups(run)
    for group in groups:
        console.line(console.style.WARNING(in_a_line(group)))
        console.line(printable(f"    {example(group)}"))
    if groups:
        manage = f"manage.py ecommerce_sync {{}} {run.pk}"
        console.note(f"every row: {manage.format('issues')} --all")
        console.note(f"again: {manage.format('retry')} --code CODE --field FIELD")


def groups_as_json(console: Console, run: SyncRun) -> None:
    """One list."""
    console.document([group.as_dict() for group in issue_groups(run)])


def example(group: IssueGroup) -> str:
    """Where the first row of a group is, and what it had; the code by which to retry the group."""
    row = group.example
    position = f" at {row.position}" if row.position is not None else ""
    sent = f" ({row.excerpt})" if row.excerpt else ""
    return f"{group.code}, first {row.key or row.external_id or 'without a key'}{position}{sent}"


def as_text(console: Console, rows: Iterator[dict[str, Any]]) -> None:
    """A line for each row: where it stood, what was wrong."""
    for row in rows:
        place = f"{row['stream']}.{row['field']}" if row["field"] else row["stream"]
        position = f" at {row['position']}" if row["position"] is not None else ""
        name = row["key"] or row["external_id"] or "no key"
        sent = f" ({row['excerpt']})" if row["excerpt"] else ""
        resolved = f" [resolved by run {row['resolved_by']}]" if row["resolved_by"] else ""
        line = f"{place}  {name}{position}  {row['code']}: {row['message']}{sent}{resolved}"
        console.line(printable(line))


def as_json(console: Console, rows: Iterator[dict[str, Any]]) -> None:
    """One list."""
    console.document(list(rows))


def as_csv(console: Console, rows: Iterator[dict[str, Any]]) -> None:
    """A table that a spreadsheet can open without running any of it."""
    writer = csv.writer(console.out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([cell(row[name]) for name in COLUMNS])


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula; numbers stay what they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_MARKS) else value
