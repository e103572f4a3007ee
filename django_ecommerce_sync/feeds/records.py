"""What a feed hands over: pages of payloads, with marks for what is missing or unreadable."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ..exceptions import RecordError

#: One record as the feed spells it.
Payload = Mapping[str, Any]


class _Missing(enum.Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


#: The payload does not carry the value: what is stored is left alone. Unlike None, which it
#: does carry.
MISSING: Final = _Missing.MISSING


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that could not even be read; it takes its place among the rows of the page."""

    error: RecordError


class Encoding(ABC):
    """How a format writes its rows."""

    #: What a row's content does not say and its payload depends on, such as the names of columns.
    context: bytes = b""

    @abstractmethod
    def decode(self, rows: Sequence[RawRow]) -> list[Payload | BadRow]:
        """The payloads of these rows, or why there are none."""

    @abstractmethod
    def finder(self, name: str) -> Callable[[Iterable[bytes]], list[Any]] | None:
        """A function that finds what rows have under a name, quicker than decoding all of them.

        It takes the rows' contents and raises ``ValueError`` where one wants a closer look. None
        if there is no such way.
        """


#: A row that is not decoded yet: its content, the same for the same row; its place in the
#: document, for messages; and how it is written.
RawRow = tuple[bytes, int, Encoding]


class RawRows(ABC):
    """Rows at hand, such as those of a local file, that are decoded one by one as they are read.

    Most records of most syncs are what they were, which can be told without decoding them.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Payload | BadRow]:
        """The rows, decoded."""

    @abstractmethod
    def raw(self) -> Iterator[RawRow | Payload | BadRow]:
        """The same rows as they stand in the document, where they can be had so."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a stream, in the feed's order.

    ``rows`` may be an iterator of any length: it is consumed once, batch by batch. Of
    ``RawRows`` only those are decoded that want a closer look.
    ``cursor`` is the JSON value with which ``fetch`` goes on *after* this page, None at the end.
    """

    rows: Iterable[Payload | BadRow] | RawRows
    cursor: Any = None
    #: How many rows the whole stream has, where the source says so.
    total: int | None = None
    #: Whether the source says that the page leaves something out.
    partial: bool = False
    #: When the source gave the page, by its own clock.
    clock: datetime | None = None
    #: What tells this document from any other: ``etag``, ``last_modified``, ``digest``.
    validators: Mapping[str, str] = field(default_factory=dict)
    #: Whether the document is still the one the stream's ``known`` validators tell of; it is
    #: not read then, and there are no rows.
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Another record a value points to: by its id in the same feed, by its key, or by both.

    ``stream`` names the stream whose ids are meant. ``optional`` says that a target nobody
    knows leaves the relation empty instead of rejecting the record.
    """

    stream: str
    external_id: str = ""
    key: str = ""
    optional: bool = False
