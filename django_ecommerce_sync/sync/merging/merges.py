"""Two rows become one; everything that is needed to part them again is kept."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from ...exceptions import MergeRefused
from ...models import CandidateState, Merge, MergeCandidate
from ..former_keys import former_key
from . import relations, rows
from .candidates import name_of
from .fields import SURVIVOR, Choices, merged_fields
from .links import digests_of, move_links
from .reservations import carry_reserved
from .transactions import in_one_go, locked

#: Columns of the survivor that change with every merge.
_STAMPS = {"version", "updated_at"}


def merge(
    survivor: models.Model, other: models.Model, *, choices: Choices | None = None, by: Any = None
) -> Merge:
    """Merge ``other`` into ``survivor``; its links, orders and lines move, the row goes.

    ``choices`` says for a field which side its value is taken from, "survivor" or "other"; see
    ``merged_fields`` for the rest. What orders say of it (e-mail, name, SKU) is never rewritten.
    The links keep their digests, so the next run of an unchanged feed changes nothing. Raises
    ``MergeRefused``, having written nothing.
    """
    model = type(survivor)
    name_of(model)
    if type(other) is not model:
        raise MergeRefused("different_models", "Only rows of one model can be merged.")
    if survivor.pk == other.pk:
        raise MergeRefused("same_row", "A row cannot be merged with itself.")

    def work() -> Merge:
        ours, theirs = locked(model, survivor.pk, other.pk)
        return _merged(ours, theirs, choices or {}, by)

    return in_one_go(model, work)


def changed_fields(record: Merge) -> list[str]:
    """The survivor's fields the merge has changed, but those that count changes."""
    return sorted(set(record.changed_columns) - _STAMPS)


def _merged(survivor: models.Model, other: models.Model, choices: Choices, by: Any) -> Merge:
    model = type(survivor)
    values = _new_values(survivor, other, choices)
    carry_reserved(other, source=other, destination=survivor)
    before, row = rows.kept_row(model, survivor.pk), rows.kept_row(model, other.pk)
    changes = {
        name: {"before": before[name], "after": rows.kept(model._meta.get_field(name), value)}
        for name, value in values.items()
    }
    key: str = model.sync_key  # type: ignore[attr-defined]
    record = Merge(
        model=model._meta.label_lower,
        survivor_id=survivor.pk,
        other_id=other.pk,
        former_key=former_key(model, (before[key], row[key]), values.get(key, before[key])),
        gave_key_away=values.get(key, before[key]) != before[key],
        choices=dict(choices),
        row=row,
        # The key is kept also where it stays: a feed may give the survivor the other's later.
        changes={key: {"before": before[key], "after": before[key]}, **changes},
        moved={
            **relations.move_all(other, survivor),
            "survivor_links": digests_of(survivor),
            "links": move_links(other, survivor),
            "merges": _move_merges(other, survivor),
        },
        merged_by=by,
    )
    record.save()
    _settle_candidate(record)
    # The key must be free before the survivor may take it; links and orders are safe by now.
    other.delete()
    model._base_manager.filter(pk=survivor.pk).update(**values)
    return record


def _new_values(survivor: models.Model, other: models.Model, choices: Choices) -> dict[str, Any]:
    """The survivor's columns that change; its version and the time of its last change always do."""
    row: Any = survivor
    merged = {field.name: field for field in merged_fields(survivor, other, choices)}
    values = {name: one.merged for name, one in merged.items() if one.merged != one.survivor}
    if row.archived_at and not other.archived_at:  # type: ignore[attr-defined]
        values["archived_at"] = None  # a feed still has one of the two
    # A price in another currency stays where it was, and so does its pin.
    kept = {name for name, one in merged.items() if one.differs and one.side == SURVIVOR}
    known = {*row.pinned} | (kept - {*choices})
    if added := [name for name in other.pinned if name not in known]:  # type: ignore[attr-defined]
        values["pinned"] = [*row.pinned, *added]
    return {**values, "version": row.version + 1, "updated_at": timezone.now()}


def _move_merges(other: models.Model, survivor: models.Model) -> list[int]:
    """What had been merged into the other row is part of the survivor now."""
    merges = Merge.objects.filter(model=other._meta.label_lower, survivor_id=other.pk)
    found = list(merges.order_by("pk").values_list("pk", flat=True))
    merges.update(survivor_id=survivor.pk)
    return found


def _settle_candidate(record: Merge) -> None:
    first, second = sorted((record.survivor_id, record.other_id))
    MergeCandidate.objects.filter(model=record.model, first_id=first, second_id=second).update(
        state=CandidateState.MERGED,
        merge=record,
        decided_by=record.merged_by,
        decided_at=record.merged_at,
    )
