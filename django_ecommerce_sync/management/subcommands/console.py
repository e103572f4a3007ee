"""Where a subcommand writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder

Cell = str | int | float | None


class Console:
    """The streams of a command, coloured only where a person looks at them."""

    def __init__(self, command: BaseCommand, *, colour: bool | None = None) -> None:
        self.out = command.stdout
        self.err = command.stderr
        coloured = self.out.isatty() if colour is None else colour
        self.style = command.style if coloured else no_style()

    def line(self, text: str = "") -> None:
        """A line of the result."""
        self.out.write(text)

    def note(self, text: str) -> None:
        """A line for people, which no script reads."""
        self.err.write(text, style_func=str)

    def document(self, value: Any) -> None:
        """The result as the one JSON document on standard output."""
        self.out.write(json.dumps(value, indent=2, cls=DjangoJSONEncoder))

    def long_document(self, head: Mapping[str, Any], name: str, rows: Iterable[Any]) -> None:
        """An object whose last member is a list too long for the memory."""
        start = json.dumps(head, indent=2, cls=DjangoJSONEncoder).removesuffix("\n}")
        self.out.write(f'{start},\n  "{name}": [', ending="")
        separator = "\n    "
        for row in rows:
            self.out.write(f"{separator}{json.dumps(row, cls=DjangoJSONEncoder)}", ending="")
            separator = ",\n    "
        self.out.write("\n  ]\n}")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Columns as wide as they need to be, numbers to the right."""
        cells = [[printable(cell) for cell in row] for row in rows]
        numeric = [_is_numeric(column) for column in zip(*cells, strict=True)]
        widths = [max(len(cell) for cell in column) for column in zip(header, *cells, strict=True)]
        for number, row in enumerate([list(header), *cells]):
            parts = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(
                    row, widths, numeric or [False] * len(row), strict=True
                )
            ]
            text = "  ".join(parts).rstrip()
            self.line(self.style.MIGRATE_LABEL(text) if number == 0 else text)


def printable(value: Cell) -> str:
    """A value as text that can do nothing to a terminal: control characters are spelled out."""
    if value is None or value == "":
        return "-"
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(value)
    )


def _is_numeric(column: Sequence[str]) -> bool:
    return all(cell == "-" or cell.replace(".", "", 1).isdecimal() for cell in column)
