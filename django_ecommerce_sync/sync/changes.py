"""What a batch would change: decided by match, carried out by apply, shown by a dry run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..exceptions import RecordError
from ..feeds import Payload
from .insert import Insert
from .reader import FeedRow, NumberedRow
from .report import Rejection
from .table import Row

#: Stands in place of a link's digest while its record was met in an older state only.
STALE = "stale"
#: The same while the row does without some of its record's news: it is compared every time.
HELD = "held"
#: All that a link may say in place of a digest.
MARKS = frozenset({STALE, HELD})
#: Why a value is not written: a person fixed the field, another feed's record is newer, another
#: feed ranks higher, or the stream's own policy.
PINNED, OLDER, PRIORITY, POLICY = "pinned", "older", "priority", "policy"
#: Why a record is skipped, beside ``PINNED`` and ``OLDER``: since a merge another writes its row.
MERGED = "merged"


class Link(NamedTuple):
    """The columns of a ``SyncLink`` that matching needs."""

    id: int
    external_id: str
    model: str
    object_id: str
    hash: str
    repeats: bool
    #: What the record does not carry, as ``Item.lacks``.
    lacks: str
    merged_row: int | None
    first_run: int
    last_changed_run: int
    #: The complete run that did not meet the record any more, None for one that is there.
    missing_since: int | None
    #: Read only for streams whose records say when they changed.
    source_updated_at: datetime | None = None

    def outcome_in(self, run: int) -> str:
        """What became of an earlier copy that this very run has met, as in ``Item.earlier``."""
        if self.last_changed_run == run:
            return "changed"
        is_stale = self.hash == STALE and self.source_updated_at is not None
        return "skipped" if is_stale or self.hash == HELD else "unchanged"


@dataclass(slots=True)
class ChildRows:
    """Child rows of one record as they shall be, and as they are stored, by position."""

    wanted: list[Row]
    stored: list[Row]


@dataclass(slots=True)
class Item:
    """One record of a batch on its way to a row."""

    position: int
    payload: Payload
    external_id: str
    digest: str
    #: The row it comes from, as the feed handed it over.
    origin: FeedRow = field(default_factory=dict)
    #: When the source changed the record, where it says so.
    source_updated_at: datetime | None = None
    link: Link | None = None
    #: What became of an earlier copy of it in this run: ``changed``, ``unchanged``, ``skipped``
    #: or "".
    earlier: str = ""
    #: Whether its batch has another copy of it.
    repeated: bool = False
    #: Clean values by field name; relations by the attribute that holds their key.
    values: Row = field(default_factory=dict)
    #: What the related rows offer to be copied, by field name.
    copies: Row = field(default_factory=dict)
    #: The row as stored, None for one to be created.
    row: Row | None = None
    #: Of a record found by its row's former key, the row that had it, see ``former_keys``.
    merged_row: int | None = None
    children: dict[str, ChildRows] = field(default_factory=dict)
    #: Columns, and child rows, that others speak for, and why the record does not.
    guarded: dict[str, str] = field(default_factory=dict)
    #: Those of them where the record differs from the row.
    held: dict[str, str] = field(default_factory=dict)
    #: What the stream maps and the record does not carry, as kept in its link.
    lacks: str = ""
    #: Why it is counted as skipped, if it is.
    skipped: str = ""
    changed: tuple[str, ...] = ()
    #: Digests of the row it refers to and that is not there yet.
    waits_for: tuple[str, ...] = ()
    error: RecordError | None = None

    @property
    def known_time(self) -> datetime | None:
        """The newest time of change among the record's states applied so far."""
        return self.link.source_updated_at if self.link else None

    @property
    def is_stale(self) -> bool:
        """Whether a newer state of the record has been applied before.

        A record that was gone is what the source has now, however old it says it is.
        """
        time, known = self.source_updated_at, self.known_time
        if self.link is not None and self.link.missing_since is not None:
            return False
        return time is not None and known is not None and time < known

    @property
    def is_newer(self) -> bool:
        """Whether the record says that it is newer than every state applied so far."""
        time, known = self.source_updated_at, self.known_time
        return time is not None and known is not None and time > known

    @property
    def lacks_more(self) -> bool:
        """Whether the record carried a field when it was applied last that it does not now."""
        known = self.link.lacks.split() if self.link else ()
        return bool({*self.lacks.split()}.difference(known))

    @property
    def is_left_alone(self) -> bool:
        """Whether the row does without news of the record, for a person or a newer record."""
        return PINNED in self.held.values() or OLDER in self.held.values()


@dataclass(slots=True)
class Load:
    """New rows in the order of their keys, column by column the same."""

    names: tuple[str, ...] = ()
    values: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    #: Of the records they come from: external id, digest, place in the stream, what it lacks.
    records: list[tuple[str, str, int, str]] = field(default_factory=list)
    #: The rows, ready to be sent.
    insert: Insert | None = None
    #: Their links but for the rows' primary keys, and the keys of the rows in the links' order.
    links: Insert | None = None
    linked: list[Any] = field(default_factory=list)
    #: The rows of the batch that take the long way.
    rest: list[NumberedRow] = field(default_factory=list)


@dataclass(slots=True)
class Changes:
    """The decisions about one batch."""

    create: list[Item] = field(default_factory=list)
    #: More new rows, which went the short way.
    load: Load = field(default_factory=Load)
    update: list[Item] = field(default_factory=list)
    #: The row is as it should be, but the link must learn the new digest (or is new itself).
    relink: list[Item] = field(default_factory=list)
    #: Nothing to do but to note that the record was seen.
    seen: list[Item] = field(default_factory=list)
    #: Copies to be looked at again when the stream has ended, for a later copy may come.
    postponed: list[Item] = field(default_factory=list)
    #: Rejections that may succeed once the rest of the feed has been applied.
    waiting: list[Item] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    #: Records that are as they were, found without a closer look: link, external id, position.
    settled: list[tuple[int, str, int]] = field(default_factory=list)
    #: The latest time at which the source changed any of the records, where it says so.
    newest: datetime | None = None
    #: What a person should know though nothing is rejected: how often, and one sentence, by code.
    warnings: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: Whether the records are last copies that were counted when they were read.
    settling: bool = False

    def count(self, item: Item, outcome: str, *, by: int = 1) -> None:
        """Count a record once, also where an earlier copy of it in this run was counted before.

        ``by=-1`` takes that back.
        """
        if not item.earlier:
            self.counts[outcome] += by
            return
        self.counts["duplicate"] += by
        if item.earlier != "changed" and not item.is_stale:  # this copy is the record
            self.counts[item.earlier] -= by
            self.counts[outcome] += by

    def warn(self, code: str, message: str) -> None:
        """Something a person should know; of several with one code the first is the example."""
        count, example = self.warnings.get(code, (0, message))
        self.warnings[code] = (count + 1, example)

    def reject(self, item: Item, error: RecordError, key: Any = "") -> None:
        """The record is not applied."""
        item.error = error
        self.counts["rejected"] += 1
        if self.settling:  # the copy was counted before, in the hope of the best
            self.counts["duplicate" if item.earlier == "changed" else item.earlier] -= 1
        self.rejections.append(
            Rejection(
                item.position, item.external_id, str(key or ""), error, item.waits_for, item.origin
            )
        )

    def refuse(self, refused: Sequence[tuple[Item, RecordError, Any]]) -> None:
        """Records with errors and keys that were to be written: their model would not have them."""
        for item, error, key in refused:
            self.count(item, "created" if item.row is None else "updated", by=-1)
            self.reject(item, error, key)
        gone = {id(item) for item, _, _ in refused}
        for decided in (self.create, self.update, self.postponed):
            decided[:] = [item for item in decided if id(item) not in gone]
