"""Lists as files, row by row: JSON Lines, and CSV that no spreadsheet carries out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from .conf import api_settings
from .problems import InvalidQuery
from .renderers import CSVRenderer, JSONLinesRenderer, JSONRenderer

#: Rows read at once.
_CHUNK = 500
#: What a spreadsheet takes for the beginning of a formula; some take the full-width forms, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(queryset: QuerySet[Any], serializer: Any, format: str, name: str) -> Any:
    """All rows of a list as a file ``name.format``, in the list's order.

    Raises ``InvalidQuery`` where there are more than one file may have.
    """
    limit = api_settings.MAX_EXPORT_ROWS
    keys = list(queryset.values_list("pk", flat=True)[: limit + 1])
    if len(keys) > limit:
        detail = _("More than %d rows match; filter them, or walk with cursor=.") % limit
        raise InvalidQuery("format", detail, "too_many_rows")
    rows = _rows(queryset, keys, serializer)
    if format == JSONLinesRenderer.format:
        return file_response(_json_lines(rows), f"{name}.jsonl", JSONLinesRenderer.media_type)
    return csv_response(list(serializer.fields), cells(_values(rows, serializer)), f"{name}.csv")


def csv_response(
    header: Sequence[str], lines: Iterable[Sequence[Any]], filename: str
) -> StreamingHttpResponse:
    """Lines of finished cells as a CSV file, never all of them in memory."""
    media_type = f"{CSVRenderer.media_type}; charset={CSVRenderer.charset}"
    writer = csv.writer(_Echo())
    written = (writer.writerow(line) for line in chain([header], lines))
    return file_response(written, filename, media_type)


def cells(rows: Iterable[Iterable[Any]]) -> Iterator[list[Any]]:
    """Rows of values as lines of cells that no spreadsheet carries out."""
    return ([_cell(value) for value in row] for row in rows)


def file_response(
    lines: Iterator[str | bytes], filename: str, content_type: str
) -> StreamingHttpResponse:
    """Lines as a file to keep, as they come."""
    response = StreamingHttpResponse(lines, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _rows(queryset: QuerySet[Any], keys: Sequence[Any], serializer: Any) -> Iterator[Any]:
    """The rows as the serializer shows them; those deleted meanwhile are left out."""
    unordered = queryset.order_by()
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        found = {row.pk: row for row in unordered.filter(pk__in=chunk)}
        yield from (serializer.to_representation(found[key]) for key in chunk if key in found)


def _json_lines(rows: Iterator[Any]) -> Iterator[bytes]:
    renderer = JSONRenderer()
    return (renderer.render(row) + b"\n" for row in rows)


def _values(rows: Iterator[Any], serializer: Any) -> Iterator[list[Any]]:
    """The rows' values; amounts as numbers again, which need no protection."""
    number: dict[str, Callable[[str], Decimal]] = {
        name: Decimal
        for name, field in serializer.fields.items()
        if isinstance(field, serializers.DecimalField)
    }
    for row in rows:
        yield [
            number[name](value) if name in number and value is not None else value
            for name, value in row.items()
        ]


class _Echo:
    """A file for csv.writer that gives back what it is told to write."""

    def write(self, text: str) -> str:
        return text


def _cell(value: Any) -> Any:
    """A value as a cell; text that a spreadsheet would carry out is marked as text."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else value
