"""How answers are written: JSON the same in every project, problems, CSV."""

from __future__ import annotations

from typing import Any

import msgspec
from rest_framework.renderers import BaseRenderer
from rest_framework.renderers import JSONRenderer as BaseJSONRenderer

#: Line and paragraph separator, which old JavaScript cannot have in a string.
_SEPARATORS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
#: To look for one byte takes far less than to look for three.
_SEPARATORS_BEGIN = "\u2028".encode()[:1]


class JSONRenderer(BaseJSONRenderer):
    """JSON in UTF-8, whatever the project's own settings for its API are."""

    ensure_ascii = False
    compact = True
    strict = True

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Rows that are JSON by now (``msgspec.Raw``) go out as they are."""
        rows = data.get("results") if isinstance(data, dict) else data
        if not isinstance(rows, msgspec.Raw):
            return super().render(data, *args, **kwargs)
        body = msgspec.json.encode(data)
        if _SEPARATORS_BEGIN in body:
            for separator, escaped in _SEPARATORS:
                body = body.replace(separator, escaped)
        return body


class ProblemRenderer(JSONRenderer):
    """An error as RFC 9457 has it."""

    media_type = "application/problem+json"
    format = "problem"


class CSVRenderer(BaseRenderer):
    """Stands for CSV in content negotiation; the view streams the rows itself."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: object, *args: object) -> bytes:
        """Never reached with rows: what comes here is empty."""
        return b"" if data is None else str(data).encode()


class JSONLinesRenderer(CSVRenderer):
    """Stands for one JSON object a line in content negotiation."""

    media_type = "application/x-ndjson"
    format = "jsonl"


class HTMLRenderer(BaseRenderer):
    """Stands for a page in content negotiation; the view renders its template itself."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: object, *args: object) -> bytes:
        """Never reached with a page."""
        return b"" if data is None else str(data).encode()
