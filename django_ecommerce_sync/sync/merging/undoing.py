"""A merge taken back: the row returns, and with it what had moved."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.timezone import localtime

from ...exceptions import MergeRefused
from ...models import CandidateState, Merge, MergeCandidate
from . import relations, rows
from .candidates import model_of
from .links import doubt_links, part_new_links, return_links
from .reservations import carry_reserved
from .transactions import in_one_go, locked

#: Merges that expire in one statement, so that nothing waits long for a lock.
_CHUNK = 100


def undo(record: Merge, *, by: Any = None) -> models.Model:
    """Bring back the row that was merged, as it was; returns it.

    Links, orders and lines return with it unless they belong to somebody else by now, and the
    survivor's fields unless they have changed since. If nothing happened in between, all is as
    before, to the last byte. The pair is dismissed, so that no rule merges it again. Raises
    ``MergeRefused``, having written nothing.
    """
    model = model_of(record.model)

    def work() -> models.Model:
        holder = Merge.objects.values_list("survivor_id", flat=True).get(pk=record.pk)
        (survivor,) = locked(model, holder)
        known = Merge.objects.select_for_update().get(pk=record.pk)
        _check_order(known)
        _check_keys(model, known)
        return _undone(model, known, survivor, by)

    restored = in_one_go(model, work)
    record.refresh_from_db()
    return restored


def expire(moment: datetime) -> int:
    """Delete what it takes to undo merges made before that; returns how many there were.

    That a row was merged, into which, when and by whom, and which fields changed is kept.
    """
    old = Merge.objects.filter(undone_at=None, expired_at=None, merged_at__lt=moment)
    expired = 0
    while records := list(old.order_by("pk")[:_CHUNK]):
        for record in records:
            record.row, record.expired_at = {}, timezone.now()
            record.moved = _without_content(record.moved)
            record.changes = {name: {} for name in record.changed_columns}
        Merge.objects.bulk_update(records, ["row", "moved", "changes", "expired_at"])
        expired += len(records)
    return expired


def _without_content(moved: dict[str, Any]) -> dict[str, Any]:
    """Which merges and links moved; the links' numbers tell whose a key was."""
    return {"merges": moved["merges"], "links": [[pk] for pk, *_ in moved["links"]]}


def _check_order(record: Merge) -> None:
    if record.undone_at is not None:
        raise MergeRefused("undone", f"Merge {record.pk} is undone already.")
    if record.expired_at is not None:
        raise MergeRefused(
            "expired",
            f"Merge {record.pk} can no longer be undone: what the row was like was deleted on "
            f"{localtime(record.expired_at):%Y-%m-%d} (KEEP_MERGES_DAYS).",
        )
    later = Merge.objects.filter(
        model=record.model, survivor_id=record.survivor_id, undone_at=None, pk__gt=record.pk
    ).order_by("-pk")
    if last := later.first():
        message = f"Merge {last.pk} into the same row came later; undo that one first."
        raise MergeRefused("out_of_order", message)


def _check_keys(model: type[models.Model], record: Merge) -> None:
    """Refuse if a key that is to return belongs to a third row by now.

    What the survivor has of the other row's key it gives back, whether the merge or a feed's
    record brought it. A key it has left by itself since is not to return.
    """
    if model._base_manager.filter(pk=record.other_id).exists():
        raise MergeRefused("key_taken", f"There is a {model.__name__} {record.other_id} again.")
    name = _key_of(model)
    keys = [record.row[name]]
    if _is_from_merge(model, record, name, rows.kept_row(model, record.survivor_id)[name]):
        keys.append(record.changes[name]["before"])
    for key in keys:
        owner = model._base_manager.filter(**{name: key}).first() if key is not None else None
        if owner is not None and owner.pk != record.survivor_id:
            message = f"The {name} of one of them belongs to {model.__name__} {owner.pk} by now."
            raise MergeRefused("key_taken", message)


def _undone(
    model: type[models.Model], record: Merge, survivor: models.Model, by: Any
) -> models.Model:
    touched = _take_back_changes(model, record)
    restored = rows.write_back(model, record.row)
    relations.move_back(record.moved, survivor, restored)
    carry_reserved(restored, source=survivor, destination=restored)
    Merge.objects.filter(pk__in=record.moved["merges"]).update(survivor_id=restored.pk)
    part_new_links(record, survivor, restored)
    return_links(record.moved["links"], survivor, restored)
    doubt_links(survivor, None if touched else record.moved["survivor_links"])
    for row in relations.arrived_since(record.merged_at, survivor):
        doubt_links(row, None)
    now = timezone.now()
    # What the row was like is in the row again, and nowhere else.
    Merge.objects.filter(pk=record.pk).update(
        row={}, changes={}, moved={}, undone_by=by, undone_at=now
    )
    MergeCandidate.objects.filter(merge=record).update(
        state=CandidateState.DISMISSED, decided_by=by, decided_at=now
    )
    return restored


def _take_back_changes(model: type[models.Model], record: Merge) -> bool:
    """Give the survivor back what the merge changed; whether somebody has written it since."""
    now = rows.kept_row(model, record.survivor_id)
    touched = bool(now["version"] != record.changes["version"]["after"])
    values = {
        name: rows.restored(model._meta.get_field(name), change["before"])
        for name, change in record.changes.items()
        if _is_from_merge(model, record, name, now[name])
    }
    if "pinned" in record.changes and "pinned" not in values:
        values["pinned"] = _without_added_pins(record, now["pinned"])
    if touched:
        values |= {"version": F("version") + 1, "updated_at": timezone.now()}
    model._base_manager.filter(pk=record.survivor_id).update(**values)
    return touched


def _without_added_pins(record: Merge, now: rows.Kept) -> list[str]:
    """The survivor's pins but for those the merge brought: people may have set others since."""
    pins = record.changes["pinned"]
    before, after, present = map(_names, (pins["before"], pins["after"], now))
    return [name for name in present if name in before or name not in after]


def _names(kept: rows.Kept) -> list[str]:
    return list(json.loads(str(kept)))


def _is_from_merge(model: type[models.Model], record: Merge, name: str, value: rows.Kept) -> bool:
    """Whether the survivor has this value of a column from the other row, or from the merge."""
    if name == _key_of(model) and value is not None and value == record.row[name]:
        return True
    return rows.is_equal(model._meta.get_field(name), value, record.changes[name]["after"])


def _key_of(model: type[models.Model]) -> str:
    return str(model.sync_key)  # type: ignore[attr-defined]
