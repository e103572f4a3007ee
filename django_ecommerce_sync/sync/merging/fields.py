"""Two rows become one, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from ...exceptions import MergeRefused
from ...models import MoneyField

SURVIVOR, OTHER = "survivor", "other"
#: Which row a field is taken from, where somebody says so.
Choices = Mapping[str, str]
_BLANK: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class FieldMerge:
    """One field of two rows, and what the merged row has.

    ``side`` says where that comes from: "survivor", "other", or "both" for JSON put together.
    """

    name: str
    label: str
    survivor: Any
    other: Any
    merged: Any
    side: str

    @property
    def differs(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.survivor != self.other)

    @property
    def is_conflict(self) -> bool:
        """Whether both rows have a value, and not the same."""
        return self.differs and not (is_blank(self.survivor) or is_blank(self.other))


def is_blank(value: Any) -> bool:
    """Whether a value says nothing; zero does."""
    return value in _BLANK


def mergeable_fields(model: type[models.Model]) -> list[Any]:
    """The fields that people and feeds fill, not those the package counts for itself."""
    return [
        field for field in model._meta.concrete_fields if field.editable and not field.primary_key
    ]


def field_names(model: type[models.Model]) -> list[str]:
    """The fields a merge lets one choose."""
    return [field.name for field in mergeable_fields(model)]


def merged_fields(
    survivor: models.Model, other: models.Model, choices: Choices
) -> list[FieldMerge]:
    """Each field of the two rows with what a merge makes of it.

    The survivor's value counts, the other's where that is blank or where a person has pinned the
    other's only; JSON objects are put together by name in the same way. ``choices`` takes a
    field from one side as it is, blank or not. Stock is no exception: two rows that are one
    thing have counted the same shelf, so the sum would count it twice.
    """
    fields = mergeable_fields(type(survivor))
    _check(choices, field_names(type(survivor)))
    wishes = {**dict.fromkeys(_pinned_in_one(survivor, other), OTHER), **choices}
    merged = {
        field.name: _merged(field, survivor, other, wishes.get(field.name)) for field in fields
    }
    if "currency" in merged:
        merged.update(_within_currency(fields, merged, survivor, other, choices))
    return list(merged.values())


def _pinned_in_one(survivor: models.Model, other: models.Model) -> set[str]:
    """Fields that a person has fixed in the other row only."""
    ours, theirs = (set(getattr(row, "pinned", None) or ()) for row in (survivor, other))
    return theirs - ours


def _check(choices: Choices, names: list[str]) -> None:
    for name, side in choices.items():
        if name not in names:
            known = ", ".join(names)
            raise MergeRefused("unknown_field", f"There is no field '{name}'; there is: {known}.")
        if side not in (SURVIVOR, OTHER):
            message = f"'{name}' is taken from 'survivor' or from 'other', not from '{side}'."
            raise MergeRefused("unknown_side", message)


def _merged(
    field: Any, survivor: models.Model, other: models.Model, choice: str | None
) -> FieldMerge:
    ours, theirs = getattr(survivor, field.attname), getattr(other, field.attname)
    side = choice or (OTHER if is_blank(ours) and not is_blank(theirs) else SURVIVOR)
    value = theirs if side == OTHER else ours
    if choice is None and isinstance(ours, dict) and isinstance(theirs, dict):
        together = _together(ours, theirs)
        if together != value:
            side, value = "both", together
    return FieldMerge(field.name, str(field.verbose_name), ours, theirs, value, side)


def _together(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Our names with our values, and what only the other object says."""
    added = {
        name: value
        for name, value in theirs.items()
        if is_blank(ours.get(name)) and not is_blank(value)
    }
    return {**ours, **added}


def _within_currency(
    fields: list[Any],
    merged: Mapping[str, FieldMerge],
    survivor: models.Model,
    other: models.Model,
    choices: Choices,
) -> Iterator[tuple[str, FieldMerge]]:
    """Amounts that would stand beside a currency they are not in: left blank, or refused."""
    currency = merged["currency"].merged
    currencies = {
        SURVIVOR: getattr(survivor, "currency", ""),
        OTHER: getattr(other, "currency", ""),
    }
    for field in fields:
        found = merged[field.name]
        theirs = currencies.get(found.side)
        if not isinstance(field, MoneyField) or found.merged is None:
            continue
        if not theirs or theirs == currency:
            continue
        if field.name in choices or "currency" in choices or found.side == SURVIVOR:
            raise MergeRefused(
                "currency",
                f"'{field.name}' of the {found.side} is in {theirs}, the merged row would be in "
                f"{currency}: take both from the same row.",
            )
        yield (
            field.name,
            FieldMerge(
                found.name, found.label, found.survivor, found.other, found.survivor, SURVIVOR
            ),
        )
