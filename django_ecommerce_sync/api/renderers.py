"""How answers are written: JSON the same in every project, problems, CSV."""

from __future__ import annotations

from rest_framework.renderers import BaseRenderer
from rest_framework.renderers import JSONRenderer as BaseJSONRenderer


class JSONRenderer(BaseJSONRenderer):
    """JSON in UTF-8, whatever the project's own settings for its API are."""

    ensure_ascii = False
    compact = True
    strict = True


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
