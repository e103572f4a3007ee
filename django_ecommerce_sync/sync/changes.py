"""What a batch would change: decided by match, carried out by apply, shown by a dry run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..exceptions import RecordError
from ..feeds import Payload
from .report import Rejection
from .table import Row


class Link(NamedTuple):
    """The columns of a ``SyncLink`` that matching needs."""

    id: int
    external_id: str
    model: str
    object_id: str
    hash: str
    repeats: bool
    first_run: int
    last_changed_run: int
    last_seen_run: int

    def outcome_in(self, run: int) -> str:
        """What became of an earlier copy in this very run: ``changed``, ``unchanged`` or ""."""
        if self.last_seen_run != run:
            return ""
        return "changed" if self.last_changed_run == run else "unchanged"


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
    link: Link | None = None
    #: What became of an earlier copy of it in this run, or "".
    earlier: str = ""
    #: Whether its batch has another copy of it.
    repeated: bool = False
    #: Clean values by field name; relations by the attribute that holds their key.
    values: Row = field(default_factory=dict)
    #: What the related rows offer to be copied, by field name.
    copies: Row = field(default_factory=dict)
    #: The row as stored, None for one to be created.
    row: Row | None = None
    children: dict[str, ChildRows] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    error: RecordError | None = None


@dataclass(slots=True)
class Changes:
    """The decisions about one batch."""

    create: list[Item] = field(default_factory=list)
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
    #: Whether the records are last copies that were counted when they were read.
    settling: bool = False

    def count(self, item: Item, outcome: str) -> None:
        """Count a record once, also where an earlier copy of it in this run was counted before."""
        if not item.earlier:
            self.counts[outcome] += 1
            return
        self.counts["duplicate"] += 1
        if outcome == "updated" and item.earlier == "unchanged":
            self.counts["unchanged"] -= 1
            self.counts["updated"] += 1

    def reject(self, item: Item, error: RecordError, key: Any = "") -> None:
        """The record is not applied."""
        item.error = error
        self.counts["rejected"] += 1
        if self.settling:  # the copy was counted before, in the hope of the best
            self.counts["unchanged" if item.earlier == "unchanged" else "duplicate"] -= 1
        self.rejections.append(Rejection(item.position, item.external_id, str(key or ""), error))
