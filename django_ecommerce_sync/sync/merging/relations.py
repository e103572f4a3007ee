"""What points to a row, and its way to another row and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ...exceptions import MergeRefused
from ...models import SyncedModel

#: Rows moved back in one statement.
_CHUNK = 500


def pointing_fields(model: type[models.Model]) -> Iterator[Any]:
    """Every foreign key to the model, also those of the project and of many-to-many tables."""
    for relation in model._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and not relation.many_to_many:
            yield relation.field  # type: ignore[union-attr]


def number_of_pointing_rows(row: models.Model) -> int:
    """How many rows need this one."""
    return sum(_pointing(field, row).count() for field in pointing_fields(type(row)))


def move_all(source: models.Model, destination: models.Model) -> dict[str, list[Any]]:
    """Let everything that points to one row point to another.

    Returns the rows by relation: primary keys, or lists of primary key, version and time of the
    last change for rows that count their changes. Raises ``MergeRefused`` where one cannot move.
    """
    moved = {}
    for field in pointing_fields(type(source)):
        rows = _moved(field, source, destination)
        if rows:
            moved[_name(field)] = rows
    return moved


def move_back(moved: dict[str, list[Any]], source: models.Model, destination: models.Model) -> None:
    """Let the rows that were moved to ``source`` point to ``destination`` again.

    Those that somebody has pointed elsewhere since are left alone.
    """
    for field in pointing_fields(type(source)):
        rows = moved.get(_name(field), [])
        for start in range(0, len(rows), _CHUNK):
            _move_back(field, rows[start : start + _CHUNK], source, destination)


def arrived_since(moment: datetime, row: models.Model) -> Iterator[models.Model]:
    """The rows that have pointed to this one, themselves or by their child rows, since then.

    Only of those that tell when they changed.
    """
    for field in pointing_fields(type(row)):
        for owner, path in _owners(field):
            rows = owner._base_manager.filter(**{path: row}, updated_at__gt=moment)
            yield from rows.distinct().iterator(chunk_size=_CHUNK)


def _owners(field: Any) -> Iterator[tuple[type[SyncedModel], str]]:
    """Synced models whose rows point by the field, and the path from there."""
    if _counts_changes(field):
        yield field.model, field.name
    for relation in field.model._meta.concrete_fields:
        parent = relation.related_model
        children = getattr(parent, "sync_children", ())
        if children and relation.remote_field.get_accessor_name() in children:
            yield parent, f"{relation.remote_field.get_accessor_name()}__{field.name}"


def _name(field: Any) -> str:
    return f"{field.model._meta.label_lower}.{field.name}"


def _pointing(field: Any, row: models.Model) -> models.QuerySet[Any]:
    return field.model._base_manager.filter(**{field.name: row})  # type: ignore[no-any-return]


def _counts_changes(field: Any) -> bool:
    return issubclass(field.model, SyncedModel)


def _moved(field: Any, source: models.Model, destination: models.Model) -> list[Any]:
    rows = _pointing(field, source)
    columns = ("pk", "version", "updated_at") if _counts_changes(field) else ("pk",)
    found = list(rows.select_for_update().order_by("pk").values_list(*columns))
    if not found:
        return []
    if field.primary_key:
        raise MergeRefused("immovable", f"{_belonging(field, found)}: it is part of what they are.")
    try:
        with transaction.atomic(using=router.db_for_write(field.model)):
            rows.update(**{field.name: destination}, **_counted(field))
    except IntegrityError:
        reason = "the other row has such rows itself; remove one of them first."
        raise MergeRefused("immovable", f"{_belonging(field, found)}: {reason}") from None
    return [_kept(values) for values in found]


def _belonging(field: Any, found: Sequence[Any]) -> str:
    pks = ", ".join(str(values[0]) for values in found[:3])
    return f"{field.model._meta.label} {pks} cannot be moved ({field.name})"


def _counted(field: Any) -> dict[str, Any]:
    if not _counts_changes(field):
        return {}
    return {"version": F("version") + 1, "updated_at": timezone.now()}


def _kept(values: Sequence[Any]) -> Any:
    pk = values[0] if isinstance(values[0], int) else str(values[0])
    if len(values) == 1:
        return pk
    return [pk, values[1], values[2].isoformat()]


def _move_back(
    field: Any, kept: Sequence[Any], source: models.Model, destination: models.Model
) -> None:
    mine = _pointing(field, source)
    if not _counts_changes(field):
        mine.filter(pk__in=kept).update(**{field.name: destination})
        return
    stamps: dict[tuple[int, datetime | None], list[Any]] = defaultdict(list)
    for pk, version, moment in kept:
        stamps[version, parse_datetime(moment)].append(pk)
    for (version, moment), pks in stamps.items():
        untouched = mine.filter(pk__in=pks, version=version + 1)
        untouched.update(**{field.name: destination}, version=version, updated_at=moment)
        mine.filter(pk__in=pks).update(**{field.name: destination}, **_counted(field))
