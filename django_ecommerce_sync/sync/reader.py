"""What a row is known by, and its payload: nothing is decoded that need not be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from django.core.exceptions import ValidationError

from ..exceptions import RecordError
from ..feeds import BadRow, Encoding, Payload, RawRow, Stream
from ..feeds.mapping import identifier, own_identifier
from ..models import SyncLink
from .digest import RecordDigest
from .target import Target

#: A row as a feed hands it over.
FeedRow = RawRow | Payload | BadRow
#: A row with its place in the stream, counted from 1.
NumberedRow = tuple[int, FeedRow]
#: What a row is known by: its external id and its digest; "" where that takes a closer look.
Known = tuple[str, str]

#: What an external id may be is what its column takes.
_ID: Any = SyncLink._meta.get_field("external_id")
_ODD = (
    RecordError,
    TypeError,
    ValueError,
    RecursionError,
    ValidationError,
    msgspec.MsgspecError,
)


def one_spelling(external_id: str) -> str:
    """An id as links have it; raises ``ValidationError`` for what can be none."""
    return str(_ID.normalize(external_id))


class Reader:
    """Reads the rows of one stream, decoded ones and others."""

    def __init__(self, stream: Stream, target: Target, owners: Any = ()) -> None:
        self.stream = stream
        self.target = target
        self.digest = RecordDigest(stream, target.key, owners)
        self._finders: dict[Encoding, Callable[[RawRow], str]] = {}

    def known(self, rows: Iterable[FeedRow]) -> list[Known]:
        """What each row is known by, as far as that can be had."""
        return [self._known(row) for row in rows]

    def digest_of(self, row: FeedRow, payload: Payload) -> str:
        """The digest of a row; raises what payloads raise that are no JSON."""
        if isinstance(row, tuple):
            return self.digest.of_raw(row)
        return self.digest.of_payload(payload)

    def _known(self, row: FeedRow) -> Known:
        external_id = ""
        try:
            if isinstance(row, tuple):
                find = self._finders.get(row[2]) or self._finder(row[2])
                external_id = find(row)
                if not external_id.isascii():
                    external_id = one_spelling(external_id)
                return external_id, self.digest.of_raw(row)
            if not isinstance(row, BadRow):
                external_id = one_spelling(self.target.identify(row))
                return external_id, self.digest.of_payload(row)
        except _ODD:
            pass
        return external_id, ""

    def _finder(self, encoding: Encoding) -> Callable[[RawRow], str]:
        """A function that finds the id of a row that is not decoded."""
        name = self.stream.id_name(self.target.key)
        find = encoding.finder(name) if name else None
        normalize = self.target.normalize_key
        if find is None:
            found = self._id_of_decoded
        elif self.stream.external_id is None:

            def found(row: RawRow) -> str:
                value = find(row)
                return normalize(value if isinstance(value, str) else identifier(value))

        else:

            def found(row: RawRow) -> str:
                return own_identifier(find(row))

        self._finders[encoding] = found
        return found

    def _id_of_decoded(self, row: RawRow) -> str:
        (payload,) = row[2].decode([row])
        return "" if isinstance(payload, BadRow) else self.target.identify(payload)


def decoded(rows: Sequence[NumberedRow]) -> list[tuple[int, FeedRow, Payload | BadRow]]:
    """The rows, each with its payload, or with why there is none."""
    raw: dict[Encoding, list[RawRow]] = {}
    for _, row in rows:
        if isinstance(row, tuple):
            raw.setdefault(row[2], []).append(row)
    payloads = {encoding: iter(encoding.decode(found)) for encoding, found in raw.items()}
    return [
        (position, row, next(payloads[row[2]]) if isinstance(row, tuple) else row)
        for position, row in rows
    ]
