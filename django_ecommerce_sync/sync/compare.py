"""A record against its row: which columns differ, and what a new row looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from ..exceptions import RecordError
from ..models import is_too_large
from .changes import ChildRows, Item
from .references import COPIES
from .table import Row
from .target import ChildTarget, Target

#: Digits before the point of an amount (see ``MoneyField``).
_WHOLE_DIGITS = 15


def new_row(item: Item, target: Target, *, currency: str) -> None:
    """Complete the values of a record that gets a new row; raises ``RecordError``."""
    _take_children(item, target)
    item.values = {**item.copies, **item.values}
    _complete(item, target)
    for name in target.required:
        if name not in item.values:
            raise target.lacks(name)
    for name, make in target.own_defaults.items():
        if name not in item.values:
            item.values[name] = make()
    if "currency" in target.table.fields and not item.values.get("currency"):
        item.values["currency"] = currency


def compare_row(item: Item, target: Target) -> None:
    """Find what a record changes in its row: ``item.changed``, empty if nothing."""
    stored: Row = item.row or {}
    _take_children(item, target)
    _hold_children(item)
    if any(
        item.values.get(name, stored[name]) != stored[name] for name in target.relations.values()
    ):
        item.values = {**item.copies, **item.values}
    _complete(item, target)
    for name in item.guarded:  # what follows from other values is no reason to write it, either
        item.values.pop(name, None)
    if stored.get("archived_at") is not None:  # the feed has it again
        item.values.setdefault("archived_at", None)
    changed = [name for name, value in item.values.items() if stored[name] != value]
    changed += [name for name, rows in item.children.items() if _differ(rows)]
    item.changed = tuple(changed)


def warnings_about(item: Item, target: Target) -> Iterator[tuple[str, str]]:
    """What the model finds strange in a record that is applied: pairs of code and sentence."""
    find = getattr(target.model, "sync_warnings", None)
    if find is not None:
        values = item.values
        if item.children:
            wanted = {name: rows.wanted for name, rows in item.children.items()}
            values = {**values, **wanted}
        yield from find(values, item.row or {})


def _take_children(item: Item, target: Target) -> None:
    """Move child rows out of the values, each with what it may copy from related rows."""
    for name, child in target.children.items():
        if name not in item.values:
            item.children.pop(name, None)
            continue
        rows = item.children.setdefault(name, ChildRows([], []))
        lines = item.values.pop(name)
        rows.wanted = [
            _with_copies(line, rows.stored[index] if index < len(rows.stored) else None, child)
            for index, line in enumerate(lines)
        ]


def _hold_children(item: Item) -> None:
    """Leave child rows alone that others speak for."""
    for name in item.guarded.keys() & item.children.keys():
        if _differ(item.children.pop(name)):
            item.held[name] = item.guarded[name]


def _with_copies(line: Row, stored: Row | None, child: ChildTarget) -> Row:
    """A line that still points to the same row keeps what it had; another one begins anew."""
    copies = line.pop(COPIES, {})
    if stored is None:
        return {**copies, **line}
    if all(line.get(name, stored[name]) == stored[name] for name in child.relations.values()):
        return {**{name: stored[name] for name in copies}, **line}
    return {**child.content_defaults, **copies, **line}


def _complete(item: Item, target: Target) -> None:
    """Let the model fill in what follows from the values: the totals of an order."""
    if target.complete is None:
        return
    wanted = {name: rows.wanted for name, rows in item.children.items()}
    stored = {name: rows.stored for name, rows in item.children.items()}
    values = {**item.values, **wanted}
    target.complete(values, {**(item.row or {}), **stored})
    item.values = {name: value for name, value in values.items() if name not in wanted}
    for name, lines in wanted.items():
        for number, line in enumerate(lines):
            _check_amounts(line, f"{name}[{number}].")
    _check_amounts(item.values, "")


def _check_amounts(row: Row, prefix: str) -> None:
    """What was computed must fit its column, too; SQLite would keep what it cannot read again."""
    for name, value in row.items():
        if isinstance(value, Decimal) and is_too_large(value, _WHOLE_DIGITS):
            raise RecordError(
                "out_of_range",
                f"It comes to more than {_WHOLE_DIGITS} digits.",
                field=prefix + name,
            )


def _differ(rows: ChildRows) -> bool:
    if len(rows.wanted) != len(rows.stored):
        return True
    return any(
        stored[name] != value
        for wanted, stored in zip(rows.wanted, rows.stored, strict=True)
        for name, value in wanted.items()
    )


def child_rows(
    rows: ChildRows, child: ChildTarget, parent: Any, defaults: Row
) -> tuple[list[Row], list[Row], list[Any]]:
    """Child rows to insert, to rewrite, and the primary keys of those to delete."""
    insert: list[Row] = []
    rewrite: list[Row] = []
    for index, line in enumerate(rows.wanted):
        if index < len(rows.stored):
            row = {**rows.stored[index], **line}
            if row != rows.stored[index]:
                rewrite.append(row)
        else:
            place = {child.position: index + 1, child.parent_attribute: parent}
            insert.append({**defaults, **line, **place})
    surplus: Sequence[Row] = rows.stored[len(rows.wanted) :]
    return insert, rewrite, [row["id"] for row in surplus]
