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
        self._finders: dict[Encoding, Callable[[Sequence[bytes]], list[str]]] = {}

    def known(self, rows: Iterable[FeedRow]) -> list[Known]:
        """What each row is known by, as far as that can be had."""
        rows = list(rows)
        known = self._known_at_once(rows)
        return list(map(self._known, rows)) if known is None else known

    def digest_of(self, row: FeedRow, payload: Payload) -> str:
        """The digest of a row; raises what payloads raise that are no JSON."""
        if isinstance(row, tuple):
            return self.digest.of_raw(row)
        return self.digest.of_payload(payload)

    def _known_at_once(self, rows: Sequence[FeedRow]) -> list[Known] | None:
        """The same where all rows are written in one way and none is odd, else None."""
        if not all(type(row) is tuple for row in rows):
            return None
        # Mostly it is one object: to hash it for each row would cost as much as to find the id.
        encodings = set({id(row[2]): row[2] for row in rows}.values())  # type: ignore[index]
        if len(encodings) != 1:
            return None
        (encoding,) = encodings
        contents = [row[0] for row in rows]  # type: ignore[index]
        try:
            ids = self._find(encoding, contents)
        except _ODD:
            return None
        return list(zip(ids, self.digest.of_contents(encoding, contents), strict=True))

    def _known(self, row: FeedRow) -> Known:
        external_id = ""
        try:
            if isinstance(row, tuple):
                (external_id,) = self._find(row[2], [row[0]])
                return external_id, self.digest.of_raw(row)
            if not isinstance(row, BadRow):
                external_id = one_spelling(self.target.identify(row))
                return external_id, self.digest.of_payload(row)
        except _ODD:
            pass
        return external_id, ""

    def _find(self, encoding: Encoding, contents: Sequence[bytes]) -> list[str]:
        """The ids of rows that are not decoded."""
        find = self._finders.get(encoding)
        if find is None:
            find = self._finders[encoding] = self._finder(encoding)
        ids = find(contents)
        return ids if "".join(ids).isascii() else list(map(one_spelling, ids))

    def _finder(self, encoding: Encoding) -> Callable[[Sequence[bytes]], list[str]]:
        name = self.stream.id_name(self.target.key)
        find = encoding.finder(name) if name else None
        if find is None:
            return lambda contents: [self._id_of_decoded(encoding, text) for text in contents]
        if self.stream.external_id is not None:
            return lambda contents: list(map(own_identifier, find(contents)))

        normalize = self.target.normalize_keys
        return lambda contents: normalize(list(map(_key_text, find(contents))))

    def _id_of_decoded(self, encoding: Encoding, content: bytes) -> str:
        (payload,) = encoding.decode([(content, 0, encoding)])
        return "" if isinstance(payload, BadRow) else self.target.identify(payload)


def _key_text(value: Any) -> str:
    return value if isinstance(value, str) else identifier(value)


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
