"""Rows as they are kept in a merge, such that they can be put back to the last byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models.functions import Cast

#: A value as JSON can hold it without loss.
Kept = str | int | bool | None


def kept_row(model: type[models.Model], pk: int) -> dict[str, Kept]:
    """The stored row, column by column.

    JSON columns are kept as the database writes them: databases differ in blanks and in the
    order of names, and a text does not add to the depth of the JSON it is kept in.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    texts = {
        f"{name}_text": Cast(name, models.TextField())
        for name, field in fields.items()
        if isinstance(field, models.JSONField)
    }
    plain = [name for name in fields if f"{name}_text" not in texts]
    row = model._base_manager.filter(pk=pk).values(*plain, **texts).get()
    return {
        name: row[f"{name}_text"] if f"{name}_text" in texts else kept(field, row[name])
        for name, field in fields.items()
    }


def kept(field: Any, value: Any) -> Kept:
    """One value that is, or is about to be, in that field."""
    if isinstance(field, models.JSONField):
        return json.dumps(value)
    if value is None or isinstance(value, bool | int):
        return value
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def restored(field: Any, value: Kept) -> Any:
    """A kept value as it can be written."""
    if isinstance(field, models.JSONField):
        return models.Value(value, output_field=models.TextField())
    return field.to_python(value)


def understood(field: Any, value: Kept) -> Any:
    """A kept value as Python knows it."""
    if isinstance(field, models.JSONField):
        return json.loads(str(value))
    return field.to_python(value)


def is_equal(field: Any, one: Kept, other: Kept) -> bool:
    """Whether two kept values are the same, however they are spelled."""
    return bool(understood(field, one) == understood(field, other))


def write_back(model: type[models.Model], row: Mapping[str, Kept]) -> models.Model:
    """Insert the row as it was, its primary key and its times included."""
    fields = model._meta.concrete_fields
    written = model(**{field.attname: restored(field, row[field.attname]) for field in fields})
    written.save_base(raw=True, force_insert=True)
    return model._base_manager.get(pk=written.pk)
