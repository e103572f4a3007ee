"""``issues``: the rows a run rejected, one by one."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from . import arguments
from .base import Options, Subcommand, find_run
from .console import Console, printable
from .outcomes import OK

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
    help = "List the rows a run rejected."
    formats = ("text", "json", "csv")

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_run(parser)

    def handle(self, console: Console, options: Options) -> int:
        rows = find_run(options["run"]).issues.order_by("pk").values(*COLUMNS).iterator()
        {"text": as_text, "json": as_json, "csv": as_csv}[options["format"]](console, rows)
        return OK


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
