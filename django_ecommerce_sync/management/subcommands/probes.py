"""Trying a feed out: what its streams' first pages are like, and what would be stored of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from ...exceptions import ConfigurationError, EcommerceSyncError, FeedError, RecordError
from ...feeds import BadRow, FeedSource, Page, Payload, Reference, Stream, get_feed
from ...sync.issues import excerpt
from ...sync.preview import Preview
from .outcomes import FAILED, OK, REJECTS, UNREACHABLE, UNREACHABLE_CODES

#: Rows looked at, at most: the only page of a file may have millions.
COUNTED_ROWS = 1000
#: Records, and rejects, that are shown of each stream.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Mapped:
    """A record as it would be stored; what is personal in it is masked."""

    position: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that would be rejected, and why."""

    position: int
    field: str
    code: str
    message: str
    excerpt: str


@dataclass(slots=True)
class Probe:
    """What the first page of a stream was like."""

    stream: str
    ok: bool = False
    #: Until the page was read.
    seconds: float = 0
    #: Rows looked at, and how many of them would be rejected.
    rows: int = 0
    rejected: int = 0
    #: Whether the page has more rows than were looked at.
    more: bool = False
    #: Rows in the whole stream, where the source says so.
    total: int | None = None
    #: The first records, and the first rejects.
    records: list[Mapped] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    code: str = ""
    error: str = ""

    @property
    def exit_code(self) -> int:
        """0, or why not all is well with the stream."""
        if self.ok:
            return REJECTS if self.rejected else OK
        return UNREACHABLE if self.code in UNREACHABLE_CODES else FAILED


@dataclass(frozen=True, slots=True)
class Trial:
    """A feed tried out: how it shows who it is, and its streams."""

    #: The kind of its ``auth``, "" for none, and whether each variable it needs is set.
    auth: str
    variables: dict[str, bool]
    probes: list[Probe]


def trial(alias: str) -> Trial:
    """The feed of that alias, tried out stream by stream."""
    try:
        with get_feed(alias) as feed:
            return Trial(*credentials(feed), [probe(feed, stream) for stream in feed.streams])
    except ConfigurationError as error:
        return Trial("", {}, [Probe("-", code="configuration", error=str(error))])


def credentials(feed: FeedSource) -> tuple[str, dict[str, bool]]:
    """The kind of a feed's ``auth``, and whether each environment variable it names is set."""
    auth = getattr(feed, "auth", None)
    if auth is None:
        return "", {}
    named = fields(auth) if is_dataclass(auth) else ()
    variables = [getattr(auth, item.name) for item in named if item.name.endswith("env")]
    return type(auth).__name__, {name: bool(os.environ.get(name)) for name in variables}


def probe(feed: FeedSource, stream: Stream) -> Probe:
    """The first page of one stream, and its first records mapped and cleaned as a sync would."""
    found = Probe(stream.name)
    start = time.monotonic()
    try:
        preview = Preview(stream, feed.alias)
        page = next(iter(feed.fetch(stream, None)), Page(()))
        rows = list(islice(_iterated(page), COUNTED_ROWS + 1))
    except EcommerceSyncError as error:
        found.code = error.code if isinstance(error, FeedError) else "configuration"
        found.error = str(error)
        found.seconds = _since(start)
        return found
    found.ok = True
    found.seconds = _since(start)
    found.total = page.total
    found.more = len(rows) > COUNTED_ROWS
    look_at(rows[:COUNTED_ROWS], preview, found)
    return found


def look_at(rows: list[Payload | BadRow], preview: Preview, found: Probe) -> None:
    """Note what would become of each row."""
    found.rows = len(rows)
    for position, row in enumerate(rows, 1):
        try:
            values = preview.values(row)
        except RecordError as error:
            found.rejected += 1
            if len(found.rejects) < SHOWN:
                found.rejects.append(_rejected(position, error))
        else:
            if len(found.records) < SHOWN:
                found.records.append(Mapped(position, shown_values(values)))


def shown_values(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Each value of a record as it may be shown."""
    return {name: shown(prefix + name, value) for name, value in values.items()}


def shown(name: str, value: Any) -> Any:
    """A clean value as JSON has it; personal values are masked as they are in issues."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Reference):
        return f"{value.stream} {value.external_id or excerpt(name, value.key)}"
    if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
        return [shown_values(row, f"{name}[{at}].") for at, row in enumerate(value)]
    return excerpt(name, value)


def _rejected(position: int, error: RecordError) -> Rejected:
    seen = excerpt(error.field, error.value)
    return Rejected(position, error.field, error.code, error.message, seen)


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)


def _iterated(page: Page) -> Iterator[Payload | BadRow]:
    yield from page.rows
