"""What a format does with a document."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...exceptions import RecordError
from ..document import Document
from ..records import BadRow, Payload, RawRows
from ..streams import Stream

#: Limits on one record, whatever its format.
MAX_DEPTH = 30
MAX_RECORD = 1 << 20

Row = Payload | BadRow


@dataclass(frozen=True, slots=True)
class Content:
    """A document's rows, read lazily while the document is open, and what surrounds them."""

    rows: Iterable[Row] | RawRows
    #: How many rows there are, where that is known before they are read.
    count: int | None = None
    #: The document without its rows: the place of cursors and totals. None where that is too
    #: large to be held.
    envelope: Mapping[str, Any] | None = field(default_factory=dict)


class Format(ABC):
    """Turns documents into rows."""

    #: The options a feed may pass on to the format's constructor.
    option_names: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def read(self, document: Document, stream: Stream) -> Content:
        """The document's content; raises ``FeedError`` where it is not of this format.

        A format whose documents can be broken as a whole has checked all of it by the time
        this returns, so that no row of a broken document is ever used.
        """

    #: Whether a document can be cut between its records, see ``cuts``.
    can_be_cut: ClassVar[bool] = False

    def cuts(
        self, document: Document, stream: Stream, size: int, number: int
    ) -> tuple[bytes, list[int]]:
        """What each part of a document of ``size`` bytes needs before it, and where parts begin.

        The first part begins with the first record; a document that cannot be cut safely has no
        more than that one.
        """
        return b"", [0]


def bad_row(code: str, message: str, value: Any = None) -> BadRow:
    """A row rejected before it could become a payload."""
    return BadRow(RecordError(code, message, value=value))
