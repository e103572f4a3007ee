"""What Schemathesis has to be told: how rows are sent a line each."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def as_it_is(context: Any, value: Any) -> bytes:
    """The schema has text there, and text it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
