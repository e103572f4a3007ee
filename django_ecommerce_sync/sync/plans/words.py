"""Planned changes as people and spreadsheets read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...models import PlannedAction, PlannedChange

#: A line for each field; a change without fields has one line.
CSV_COLUMNS = (
    "stream",
    "position",
    "action",
    "key",
    "external_id",
    "object_id",
    "reason",
    "field",
    "old",
    "new",
)
#: How a cell begins that a spreadsheet would run as a formula, in plain and full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
#: Values longer than this are cut in sentences.
_LONG = 40


def in_words(change: PlannedChange) -> str:
    """What becomes of one record's fields: ``price 5.0000 → 6.0000, phone``."""
    if not change.changes:
        return change.reason
    is_new = change.action == PlannedAction.CREATE
    return ", ".join(_pair(name, pair, is_new) for name, pair in change.changes.items())


def field_by_field(
    change: PlannedChange, *, longest: int = _LONG
) -> Iterator[tuple[str, str | None, str | None]]:
    """Each field with its old and new value, no longer than that.

    None stands for values that are not kept, and for the old ones of a new row.
    """
    is_new = change.action == PlannedAction.CREATE
    for name, (old, new) in change.changes.items():
        is_kept = not (old is None and new is None)
        before = _text(old, longest) if is_kept and not is_new else None
        yield name, before, _text(new, longest) if is_kept else None


def differing(planned: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    """How the changes of one record differ from those planned; personal values are not told."""
    names = [name for name in {**planned, **present} if planned.get(name) != present.get(name)]
    if not names:
        masked = ", ".join(name for name, pair in present.items() if pair == [None, None])
        return f"it would write other values now ({masked or 'too long to be told'})"
    name = names[0]
    sides = [
        _pair(name, side[name], False) if name in side else f"no change of {name}"
        for side in (planned, present)
    ]
    return f"it says {sides[0]}, now it would be {sides[1]}"


def csv_rows(change: PlannedChange) -> Iterator[list[Any]]:
    """The lines of one change, safe to open in a spreadsheet."""
    place = [
        change.stream,
        change.position,
        change.action,
        change.key,
        change.external_id,
        change.object_id,
        change.reason,
    ]
    for name, (old, new) in change.changes.items() or [("", (None, None))]:
        yield [_cell(value) for value in (*place, name, old, new)]


def _pair(name: str, pair: Any, is_new: bool) -> str:
    old, new = pair
    if old is None and new is None:
        return name
    return f"{name} {_text(new)}" if is_new else f"{name} {_text(old)} → {_text(new)}"


def _text(value: Any, longest: int = _LONG) -> str:
    if isinstance(value, dict) and "rows" in value:
        parts = [f"{count} {name}" for name, count in value.items() if name != "rows"]
        return f"{value['rows']} rows" + (f" ({', '.join(parts)})" if parts else "")
    if value is None or value == "":
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula; numbers stay what they are."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    is_formula = value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value
