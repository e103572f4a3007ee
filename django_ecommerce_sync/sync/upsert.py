"""Rows by their key, from somebody who has them in hand: the steps of a feed, without a feed.

There is no run, so nothing is resumed, and there are no links: a row is known by its key alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import DatabaseError, models, transaction

from .. import signals
from ..conf import settings
from ..exceptions import RecordError
from ..feeds import Payload, Reference, Stream
from ..models import LOCAL_SOURCE
from .apply import Applier
from .arrivals import announce_batch
from .changes import Changes, Item
from .faults import is_about_a_row, is_passing
from .history import Edits
from .links import forget_digests
from .match import Matcher
from .met import Met
from .ownership import Fellow, Ownership
from .references import References
from .report import Report
from .table import Row
from .target import Target

#: The alias no feed has.
_NO_FEED = ""
#: How often everything is tried again when the database says "not now".
_TRIES = 5

#: A row and its index.
Numbered = tuple[int, Payload]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: ``status`` is one of ``OUTCOMES``, ``id`` its primary key."""

    index: int
    key: str
    status: str
    id: Any = None
    error: RecordError | None = None


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of all rows, by index, and what is strange about those that were taken."""

    outcomes: list[Outcome] = field(default_factory=list)
    warnings: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __add__(self, other: Upserted) -> Upserted:
        return Upserted(self.outcomes + other.outcomes, {**other.warnings, **self.warnings})

    @property
    def has_rejections(self) -> bool:
        """Whether any row was not taken."""
        return any(outcome.error for outcome in self.outcomes)


def upsert(
    stream: Stream,
    rows: Sequence[Numbered],
    *,
    atomic: bool,
    dry_run: bool,
    complete: Callable[[Row, Row], None] | None = None,
    kept: Collection[str] = (),
    written: Callable[[Report], None] | None = None,
    by: Any = None,
) -> Upserted:
    """Create or change the rows of the stream's model that have these keys, in one transaction.

    ``atomic``: one rejected row, and nothing is written. ``complete`` stands in for the model's
    ``sync_complete``. ``kept`` are fields that a row which is there already keeps. ``written`` is
    called in the same transaction. ``by`` is the user whose edits they are. References
    name primary keys or keys; rows without a scope of their own are ``LOCAL_SOURCE``'s.
    """
    target = Target(stream, LOCAL_SOURCE)
    target.complete = complete or target.complete
    return _Upsert(
        target, atomic=atomic, dry_run=dry_run, kept=frozenset(kept), written=written, by=by
    ).go(rows)


class _PrimaryKeys(References):
    """References whose ids are primary keys."""

    def _links(
        self, alias: str, model: type[models.Model], references: Iterable[Reference]
    ) -> Iterator[tuple[Reference, str]]:
        return ((ref, ref.external_id) for ref in references if ref.external_id)


class _PersonsWord(Ownership):
    """Who sends rows himself may write what he likes: feeds and pins speak against other feeds."""

    def hold(self, items: Sequence[Item]) -> None:
        """Nothing is held back."""

    def _fellows(self) -> Iterator[Fellow]:
        return iter(())


class _Upsert:
    def __init__(
        self,
        target: Target,
        *,
        atomic: bool,
        dry_run: bool,
        kept: frozenset[str],
        written: Callable[[Report], None] | None,
        by: Any,
    ) -> None:
        self.target = target
        self.atomic = atomic
        self.dry_run = dry_run
        self.kept = kept
        self.written = written
        self.alias = target.connection.alias
        stream = target.stream
        references = _PrimaryKeys(_NO_FEED, {}, None)
        place: dict[str, Any] = {"feed": _NO_FEED, "run": 0}
        met = Met(0, stream.name, target.connection)
        self.matcher = Matcher(
            stream,
            target,
            references,
            _PersonsWord(stream, target, _NO_FEED),
            full=True,
            ledger=None,
            met=met,
            **place,
        )
        self.applier = Applier(target, met, stream=stream.name, **place)
        self.applier.history = Edits(target, by) if settings.CHANGE_LOG else None

    def go(self, rows: Sequence[Numbered]) -> Upserted:
        nested = self.target.connection.in_atomic_block
        attempt = 0
        while True:
            attempt += 1
            try:
                with transaction.atomic(using=self.alias):
                    # The first time, another writer may have been quicker: match anew.
                    done = self._land(rows, may_split=nested or attempt > 1)
                    if self.atomic and done.has_rejections:
                        transaction.set_rollback(True, using=self.alias)
                    return done
            except DatabaseError as error:
                again = is_about_a_row(error) or is_passing(error)
                if nested or not again or attempt == _TRIES:
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311

    def _land(self, rows: Sequence[Numbered], *, may_split: bool) -> Upserted:
        """Write the rows; if the database refuses them, find the row it refuses."""
        try:
            with transaction.atomic(using=self.alias):
                return self._write(rows)
        except DatabaseError as error:
            if not (may_split and is_about_a_row(error)):
                raise
        if len(rows) > 1:
            middle = len(rows) // 2
            halves = (rows[:middle], rows[middle:])
            first, second = (self._land(half, may_split=True) for half in halves)
            return first + second
        ((index, payload),) = rows
        refused = RecordError("db_rejected", "The database refused the row.")
        return Upserted([Outcome(index, self._key(payload), "rejected", error=refused)])

    def _write(self, rows: Sequence[Numbered]) -> Upserted:
        changes = self.matcher.match(rows)
        self._reject_moves(changes)
        landing = [*changes.create, *changes.update, *changes.relink, *changes.seen]
        items = {item.external_id: item for item in landing}
        for item in landing:
            item.external_id = ""  # so that no link is made
        if not self.dry_run:
            self._tell_afterwards(self._apply(changes))
        return Upserted(self._outcomes(rows, changes, items), changes.warnings)

    def _reject_moves(self, changes: Changes) -> None:
        """Reject rows that would change what a row that is there keeps."""
        for item in list(changes.update):
            if moved := sorted(self.kept & set(item.changed)):
                changes.update.remove(item)
                message = "It cannot be changed in bulk once the row is there."
                changes.reject(item, RecordError("settled", message, field=moved[0]))

    def _apply(self, changes: Changes) -> Report:
        report = self.applier.apply(changes)
        forget_digests(self.target.model, report.updated)
        place = {"feed": _NO_FEED, "stream": self.target.stream.name}
        announce_batch(self.target, changes, "arrived", **place)
        if self.written is not None:
            self.written(report)
        return report

    def _tell_afterwards(self, report: Report) -> None:
        """Bulk writes send no ``post_save``; tell who listens once they are committed."""
        if report.created or report.updated:
            tell = partial(
                signals.tell,
                signals.batch_synced,
                self.target.model,
                run=None,
                stream=self.target.stream.name,
                created=report.created,
                updated=report.updated,
            )
            transaction.on_commit(tell, using=self.alias)

    def _outcomes(
        self, rows: Sequence[Numbered], changes: Changes, items: dict[str, Item]
    ) -> list[Outcome]:
        errors = {each.position: each.error for each in changes.rejections}
        lists = {"created": changes.create, "updated": changes.update}
        written = {item.position: name for name, found in lists.items() for item in found}
        outcomes = []
        for index, payload in rows:
            key = self._key(payload)
            item = items.get(key)
            if index in errors:
                outcomes.append(Outcome(index, key, "rejected", error=errors[index]))
            elif item is not None and item.position == index:
                status = written.get(index, "unchanged")
                outcomes.append(Outcome(index, key, status, self._id(item)))
            else:
                outcomes.append(Outcome(index, key, "duplicate", item and self._id(item)))
        return outcomes

    def _key(self, payload: Payload) -> str:
        return self.target.identify(payload)

    def _id(self, item: Item) -> Any:
        return (item.row or {}).get(self.target.table.pk.attname)
