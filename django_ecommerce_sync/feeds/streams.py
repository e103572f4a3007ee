"""A stream: one kind of record in a feed, and how it becomes rows of one model."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from ..exceptions import ConfigurationError
from .mapping import Converter, Fields, Path, converter, identifier, own_identifier, paths
from .records import Payload

#: The models of the streams everybody has; any other stream names its own.
DEFAULT_MODELS = {
    "products": "ecommerce_sync.Product",
    "customers": "ecommerce_sync.Customer",
    "orders": "ecommerce_sync.Order",
}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """``"15m"``, ``"2h"``, ``"1d"`` or ``"30s"`` as a time span."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise ConfigurationError(f"'{text}' is no time span; write for example 30s, 15m, 2h or 1d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@dataclass(frozen=True, slots=True)
class Since:
    """How to ask a source only for what changed since the last complete run.

    ``field`` is where a record says when it changed: a path or a ``Moment``. ``param`` is the
    query parameter that takes the time, written as ``format`` says: as for ``strftime``, in UTC,
    or ``"epoch"`` for seconds. Less by ``overlap``, for sources that are late with some rows.
    """

    field: Any
    param: str = ""
    overlap: str = "1m"
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    #: Filled in when a run begins: from when on changes are wanted; None for everything.
    start: datetime | None = None

    @property
    def value(self) -> str | int | None:
        """What to send as ``param``, or None to ask for everything."""
        if self.start is None:
            return None
        moment = (self.start - duration(self.overlap)).astimezone(UTC)
        return int(moment.timestamp()) if self.format == "epoch" else moment.strftime(self.format)


@dataclass(frozen=True, slots=True)
class Keep:
    """Rows the feed no longer has stay as they are."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Rows the feed no longer has are archived, after a complete run and never more than this."""

    max_ratio: float = 0.1


class Policy(enum.StrEnum):
    """Whose word counts for a field that the feed carries."""

    #: The feed's, whenever it changes: the rule unless another is declared.
    SOURCE = "source"
    #: The feed's, as long as the row has nothing there.
    FILL = "fill"
    #: The feed's for a row it creates; afterwards ours.
    CREATE = "create"
    #: Ours: the feed's value is never written.
    NEVER = "never"


@dataclass(frozen=True)
class Stream:
    """One kind of record: where it is, which model it becomes, what identifies it.

    ``Stream("products", fields={"sku": "code", "name": "title"})``
    """

    name: str
    _: KW_ONLY
    #: Model field ← dotted path, converter or callable.
    fields: Mapping[str, Any]
    #: ``app.Model``; the streams products, customers and orders know theirs.
    model: str = ""
    #: The model's field that finds a row no link knows yet; the model's own ``sync_key`` if empty.
    key: str = ""
    #: The payload's own id: path, converter or callable; by default the key's value.
    external_id: Any = None
    #: What to append to the feed's base address.
    path: str = ""
    #: Where the list of records is in a document, as a dotted path; "" is the document itself.
    records: str = ""
    #: Query parameters sent with each request.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: How one page leads to the next; the feed's own paginator if None.
    paginator: Any = None
    #: How it is cut into parts for many workers, ``ByteRanges(8)`` for one; None reads it as one.
    partitions: Any = None
    since: Since | None = None
    missing: Keep | Archive = field(default_factory=Keep)
    #: ISO code for amounts that come without one.
    currency: str = ""
    #: The decimal mark of numbers written as text.
    decimal: str = "."
    #: Whether keys that differ only in case are the same key.
    casefold: bool = False
    #: Rows with an equal value at this path are one record; it has them as ``rows``.
    group_by: str = ""
    #: Rows with a value at this path belong to the row with that id, which has them as
    #: ``children``.
    parent: str = ""
    #: A list inside each row whose elements are the records; each has the outer row as
    #: ``parent``.
    each: str = ""
    #: Model field → ``source``, ``fill``, ``create`` or ``never``; see ``Policy``.
    policy: Mapping[str, str] = field(default_factory=dict)
    #: Whether no rows at all is good news.
    allow_empty: bool = False
    #: The part of its rows a stream may lose from one complete run to the next before the run
    #: fails; all of them unless said otherwise, for ``missing`` keeps rows from harm.
    max_shrink: float = 1.0
    #: Whether rows are written one by one through ``save()`` of their model, for hosts whose
    #: models or ``pre_save`` and ``post_save`` listeners must hear of them; many times slower.
    save_rows: bool = False
    #: Filled in when a run begins: the validators of the document as it was read last.
    known: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigurationError(
                f"Stream '{self.name}' maps no fields; give it fields={{...}}."
            )
        if not self.model_label:
            raise ConfigurationError(
                f"Stream '{self.name}' needs model='app.Model'; only products, customers and "
                "orders have one by default."
            )

    @property
    def model_label(self) -> str:
        """The model's label, given or by the stream's name."""
        return self.model or DEFAULT_MODELS.get(self.name, "")

    @cached_property
    def sources(self) -> Fields:
        """The mapping, compiled."""
        return Fields(self.fields)

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every dotted path this stream reads from a payload; callables tell nothing."""
        named = [self.sources, self._id_source if self.external_id is not None else None]
        if self.since is not None:
            named.append(converter(self.since.field))
        return frozenset(paths(named)) | ({self.group_by, self.parent, self.each} - {""})

    @property
    def spans_pages(self) -> bool:
        """Whether a record may be put together from rows of several pages."""
        return bool(self.group_by or self.parent)

    @property
    def reshapes(self) -> bool:
        """Whether a record is anything but a row."""
        return bool(self.spans_pages or self.each)

    def identify(self, payload: Payload, key: str) -> str:
        """The record's id in the feed, or "" without one; ``key`` is the model's key field."""
        if self.external_id is not None:
            return own_identifier(self._id_source.extract(payload))
        return self.key_of(payload, key)

    def id_name(self, key: str) -> str:
        """The name at the top of a payload whose value is the record's id, "" if it is no such."""
        source = self.sources.get(key) if self.external_id is None else self._id_source
        return source.path if type(source) is Path and len(source.steps) == 1 else ""

    def key_of(self, payload: Payload, key: str) -> str:
        """What the record carries as the model's key, or "" where it carries none."""
        source = self.sources.get(key)
        return identifier(source.extract(payload)) if source else ""

    def map(self, payload: Payload) -> dict[str, Any]:
        """The values the payload carries, by model field; raises ``RecordError``."""
        return self.sources.map(payload)

    @cached_property
    def _id_source(self) -> Converter:
        return converter(self.external_id)
