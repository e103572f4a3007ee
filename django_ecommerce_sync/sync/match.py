"""Decide what a batch changes. Only reads; dry runs end here.

A record is matched by its link (feed, stream, external id), then by its key, else it is new.
A key that belongs to another record of the stream is a conflict, never a silent merge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import compress
from operator import attrgetter, itemgetter
from typing import Any

from django.core.exceptions import ValidationError

from ..conf import settings
from ..exceptions import RecordError
from ..feeds import BadRow, Payload, Stream
from ..models import SyncLink
from .changes import HELD, MERGED, OLDER, PINNED, Changes, Item, Link, Load
from .columns import PlainRecords
from .compare import compare_row, new_row, warnings_about
from .ledger import Ledger
from .loading import Loader
from .met import Met
from .neighbours import Neighbours
from .ownership import Ownership
from .reader import Known, NumberedRow, Reader, decoded, one_spelling
from .references import References
from .rows import Rows
from .source_time import newest_last, newest_of, source_time
from .table import Row, Table
from .target import Target
from .writers import Writers, writers_of

#: Rejections that may succeed once the rest of the feed has been applied.
WAITING = frozenset({"unresolved_reference", "identity_conflict"})
#: What matching reads of every link; the source's time only where there is one.
_LINK = tuple(name for name in Link._fields if name not in Link._field_defaults)
#: What matching reads of a link whose record may be what it was.
_PLAIN_LINK = ("external_id", "id", "hash", "first_run")
#: Such links by external id.
PlainLinks = Mapping[str, tuple[Any, ...]]
#: From so many records on it is quicker to clean them column by column.
_MANY = 8
#: ``Item.earlier`` where no copy of the record has been applied in this run.
_NOT_APPLIED = frozenset({"", "skipped"})
#: What the run tells of news that a row does without.
_LEFT_ALONE = {
    PINNED: "{}: pinned by a person, so the feed's value was left aside: {}.",
    OLDER: "{}: another feed has a newer state, so this one was left aside: {}.",
}


class Matcher:
    """Matches the batches of one stream in one run."""

    def __init__(
        self,
        stream: Stream,
        target: Target,
        references: References,
        ownership: Ownership,
        *,
        feed: str,
        run: int,
        full: bool,
        ledger: Ledger | None,
        met: Met,
    ) -> None:
        self.stream = stream
        self.target = target
        self.references = references
        self.ownership = ownership
        self.feed = feed
        self.place = {"feed": feed, "stream": stream.name}
        self.run = run
        self.full = full
        self.ledger = ledger
        self.met = met
        #: Set once the stream has ended: the copies at hand are the last ones.
        self.settling = False
        #: Set for records that have waited until the stream had ended.
        self.waited = False
        self.links = Table(SyncLink, target.connection)
        #: Links that say nothing but what the record was when it was applied last.
        self.neighbours = Neighbours(
            self.links,
            _PLAIN_LINK,
            **self.place,
            repeats=False,
            missing_since=None,
            merged_row=None,
        )
        self.writers = Writers()
        self.reader = Reader(stream, target, ownership.description)
        self.source_time = source_time(stream)
        self.columns = PlainRecords(stream, target) if PlainRecords.suits(target) else None
        #: The short way, where nothing is there yet to be matched.
        self.loader: Loader | None = None
        self.rows = Rows(target, ledger, feed=feed, stream=stream.name)
        self.key_is_personal = target.key_is_personal

    def match(
        self,
        rows: Sequence[NumberedRow],
        known: Sequence[Known] | None = None,
        load: Load | None = None,
    ) -> Changes:
        """What a batch of numbered rows changes; the caller holds the transaction.

        ``known`` is what the rows are known by, where the caller has it already; ``load`` are
        those that go the short way.
        """
        changes = Changes(settling=self.settling)
        changes.counts["read"] = len(rows)
        near: PlainLinks = {}
        if load is not None:
            rows = self._without_loaded(load, changes)
        elif self._may_be_settled():
            known = self.reader.known(row for _, row in rows) if known is None else known
            times = Counter(map(itemgetter(0), known))
            near = self.neighbours.find([one for one, n in times.items() if one and n == 1])
            rows, known = self._without_settled(rows, known, near, changes)
        items = list(self._items(rows, changes, known if load is None else None))
        self._find_links(items, near)
        usable = self._usable(items, self._cleaned(items), changes)
        items = sorted(usable, key=attrgetter("position"))
        items = self._without_errors(self.references.resolve(self.target, items), items, changes)
        self.rows.find(items)
        items = self._find_survivors(items, changes)
        linked = {id(item): item for item in items if item.row}
        self._hold(list(linked.values()))
        items = self._without_errors(self.rows.conflicts(items), items, changes)
        self._hold([item for item in items if item.row and id(item) not in linked])
        for item in items:
            self._decide(item, changes)
        changes.rejections.sort(key=lambda rejection: rejection.position)
        if self.source_time is not None:
            landing = (*changes.create, *changes.update, *changes.relink, *changes.seen)
            changes.newest = newest_of(item.source_updated_at for item in landing)
        return changes

    def try_short_way(self) -> None:
        """Take the short way if the stream has no links and its model no rows yet."""
        if self.ledger is None:
            alias = self.target.connection.alias
            links = SyncLink.objects.using(alias).filter(feed=self.feed, stream=self.stream.name)
            if not (links.exists() or self.target.model._base_manager.using(alias).exists()):
                self.take_short_way()

    def take_short_way(self) -> None:
        """Load records without a look at the tables, if the stream's are such that it can be."""
        if Loader.suits(self.stream, self.target, self.ownership):
            self.loader = Loader(
                self.stream, self.target, self.ownership, feed=self.feed, run=self.run
            )

    @property
    def last_copy_counts(self) -> bool:
        """Whether the last copy of a record counts, for none says when it changed."""
        return self.source_time is None

    def key_text(self, payload: Payload) -> str:
        """The record's key as far as it can be told, to find the record by; no e-mail address."""
        if self.key_is_personal:
            return ""
        try:
            return self.stream.key_of(payload, self.target.key)
        except (RecordError, ValueError):
            return ""

    def id_of(self, payload: Payload) -> str:
        """The record's id as its link has it, or "" without one."""
        with suppress(RecordError, TypeError, ValueError, RecursionError):
            return self._checked_id(payload)
        return ""

    def links_of(self, external_ids: Sequence[str]) -> list[Link]:
        """The links of these records."""
        return [Link(*row) for row in self._read_links(sorted(external_ids))]

    def has_repeats(self) -> bool:
        """Whether the stream is known to have several copies of a record."""
        known = SyncLink.objects.using(self.target.connection.alias).filter(repeats=True)
        return known.filter(feed=self.feed, stream=self.stream.name).exists()

    def repeated(self, rows: Sequence[NumberedRow]) -> list[Item]:
        """Of the rows, those whose record is known to come more than once."""
        items = list(self._items(rows, Changes()))
        self._find_links(items, {})
        return [item for item in items if item.link and item.link.repeats]

    def still_unseen(self, rows: Sequence[NumberedRow]) -> list[NumberedRow]:
        """Of rows that wait, those of which no copy that counts more has landed in this run.

        Which come later in the stream is known to who kept them; where records say when they
        changed, any that is as new counts more.
        """
        if self.last_copy_counts:
            return list(rows)
        items = list(self._items(rows, Changes()))
        self._find_links(items, {})
        unseen = [item for item in items if item.earlier in _NOT_APPLIED or item.is_newer]
        return [(item.position, item.origin) for item in unseen]

    # -- records of which nothing is known yet ----------------------------------------------

    def _without_loaded(self, load: Load, changes: Changes) -> list[NumberedRow]:
        """Count the records that are loaded; the rest takes the long way."""
        changes.load = load
        changes.counts["created"] += len(changes.load.keys)
        if find := getattr(self.target.model, "sync_warnings", None):
            for values in changes.load.values:
                for code, message in find(dict(zip(changes.load.names, values, strict=True)), {}):
                    changes.warn(code, message)
        return load.rest

    # -- records that are as they were -------------------------------------------------------

    def _may_be_settled(self) -> bool:
        """Whether an equal digest is all there is to know of a record."""
        needs_more = self.full or self.settling or self.ledger is not None
        return not needs_more and self.source_time is None

    def _without_settled(
        self,
        rows: Sequence[NumberedRow],
        known: Sequence[Known],
        near: PlainLinks,
        changes: Changes,
    ) -> tuple[Sequence[NumberedRow], Sequence[Known]]:
        """Count the records that are as they were; the rest wants a closer look.

        Most feeds bring little news: this is where the time of a sync goes, so no object is
        made for such a record. Where it meets anything odd it leaves the record alone.
        """
        links = list(map(self._unmet(near).get, known))
        changes.settled += [
            (link_id, external_id, position)
            for link_id, (external_id, _), (position, _) in zip(links, known, rows, strict=True)
            if link_id is not None
        ]
        changes.counts["unchanged"] += len(rows) - links.count(None)
        rest = [link_id is None for link_id in links]
        return list(compress(rows, rest)), list(compress(known, rest))

    def _unmet(self, near: PlainLinks) -> dict[Known, int]:
        """By what records were known by, the links of those that the run meets only now."""
        links = {
            (external_id, digest): link_id
            for external_id, link_id, digest, first_run in near.values()
            if digest and first_run != self.run
        }
        if self.met.has_any(links.values()):
            return {one: link_id for one, link_id in links.items() if not self.met.has_id(link_id)}
        return links

    # -- records and links -------------------------------------------------------------------

    def _items(
        self,
        rows: Sequence[NumberedRow],
        changes: Changes,
        known: Sequence[Known] | None = None,
    ) -> Iterator[Item]:
        told = known or [("", "")] * len(rows)
        for (position, row, payload), (external_id, digest) in zip(
            decoded(rows), told, strict=True
        ):
            if isinstance(payload, BadRow):
                changes.reject(Item(position, {}, "", "", row), payload.error)
                continue
            item = Item(position, payload, "", "", row)
            try:
                item.external_id = self._checked_id(payload, external_id)
                item.digest = digest or self.reader.digest_of(row, payload)
                if self.source_time is not None:
                    item.source_updated_at = self.source_time(payload)
            except RecordError as error:
                changes.reject(item, error, self.key_text(item.payload))
            except (TypeError, ValueError, RecursionError) as error:
                changes.reject(item, self._unwritable(item, error), self.key_text(item.payload))
            else:
                yield item

    def _checked_id(self, payload: Payload, external_id: str = "") -> str:
        external_id = external_id or self.target.identify(payload)
        if not external_id and self.stream.external_id is not None:
            raise RecordError("required", "The record has no id.", field="external_id")
        try:
            return one_spelling(external_id)
        except ValidationError as error:
            raise RecordError(
                error.code or "invalid_key",
                error.messages[0],
                field="external_id",
                value=external_id,
            ) from error

    def _unwritable(self, item: Item, error: Exception) -> RecordError:
        """Why no digest can be made of a record; only sources written in Python yield such."""
        try:
            self._checked(item)
        except RecordError as named:
            return named
        except (TypeError, ValueError, RecursionError):
            pass
        if isinstance(error, UnicodeEncodeError):
            return RecordError("bad_unicode", "It has half a character (a lone surrogate).")
        if isinstance(error, RecursionError):
            return RecordError("too_deep", "It is nested too deep.")
        if isinstance(error, ValueError):
            return RecordError("number_too_long", "It has a number of thousands of digits.")
        return RecordError("not_an_object", "Its names are not all text.")

    def _find_links(self, items: Sequence[Item], near: PlainLinks) -> None:
        """Read the links of records, those that are ``near`` by their primary keys."""
        ids = sorted({item.external_id for item in items if item.external_id})
        numbers = sorted(near[external_id][1] for external_id in ids if external_id in near)
        rows = self.links.find(_LINK, "id", numbers, **self.place)
        rows += self._read_links([external_id for external_id in ids if external_id not in near])
        links = {row[1]: Link(*row) for row in rows}
        if self.source_time is not None:
            links = self._with_times(links)
        if self.ledger is not None:
            links |= self.ledger.links(self.stream.name, ids)
        alias, model = self.target.connection.alias, self.target.label
        self.writers = writers_of(links.values(), alias, self.ledger, model=model, **self.place)
        for item in items:
            item.link = links.get(item.external_id)
            item.earlier = self._earlier(item)

    def _read_links(self, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        return self.links.find(_LINK, "external_id", ids, **self.place)

    def _with_times(self, links: dict[str, Link]) -> dict[str, Link]:
        ids = [link.id for link in links.values()]
        known = SyncLink.objects.using(self.target.connection.alias).filter(pk__in=ids)
        times = dict(known.values_list("pk", "source_updated_at"))
        return {
            external_id: link._replace(source_updated_at=times.get(link.id))
            for external_id, link in links.items()
        }

    def _earlier(self, item: Item) -> str:
        if item.link is None:
            return ""
        if self.ledger is None:
            return self.met.outcome(item.link)
        is_met = self.ledger.has_met(self.stream.name, item.link.external_id)
        return item.link.outcome_in(self.run) if is_met else ""

    def _usable(
        self, items: Sequence[Item], cleaned: Mapping[int, Row], changes: Changes
    ) -> Iterator[Item]:
        """The records to look at further, last first: the last usable copy of an id wins.

        Where records say when they changed, the last of the newest copies does.
        """
        taken: dict[str, Item] = {}
        timed = self.source_time is not None
        for item in reversed(newest_last(items) if timed else items):
            if item.external_id in taken:
                changes.counts["duplicate"] += 1
                taken[item.external_id].repeated = True
                continue
            if timed and item.is_stale:
                item.skipped = OLDER
                changes.count(item, "skipped")
                changes.seen.append(item)
            elif self._may_be_overruled(item):
                changes.count(item, "unchanged")
                changes.seen.append(item)
                changes.postponed.append(item)
            elif item.link is not None and item.link.id in self.writers.set_aside:
                self._set_aside(item, item.link, changes)
            elif self._is_settled(item):
                changes.count(item, "unchanged")
                changes.seen.append(item)
            else:
                try:
                    item.values = self._checked(item, cleaned.get(id(item)))
                except RecordError as error:
                    changes.reject(item, error, self.key_text(item.payload))
                    continue
                yield item
            if item.external_id:
                taken[item.external_id] = item

    def _set_aside(self, item: Item, link: Link, changes: Changes) -> None:
        """Another record of the stream writes the row: one that says something new is skipped."""
        if link.hash == item.digest:
            changes.count(item, "unchanged")
            changes.seen.append(item)
            return
        # An empty digest asks for a comparison; nothing says that the record has changed.
        item.skipped = MERGED if link.hash else ""
        changes.count(item, "skipped" if item.skipped else "unchanged")
        item.lacks = link.lacks
        item.row = {self.target.table.pk.attname: link.object_id}
        changes.relink.append(item)

    def _may_be_overruled(self, item: Item) -> bool:
        """Whether the feed had several copies of the record, so that this may not be the last.

        A copy newer than what is stored need not wait: no older one can overrule it.
        """
        if not self._has_copies(item):
            return False
        tells_first = item.source_updated_at is not None and item.known_time is None
        return not (tells_first or item.is_newer)

    def _has_copies(self, item: Item) -> bool:
        return item.link is not None and bool(item.link.repeats) and not self.settling

    def _is_settled(self, item: Item) -> bool:
        if item.link is None or item.link.hash != item.digest or self.full:
            return False
        if item.link.id in self.writers.standing_in or item.link.missing_since is not None:
            return False
        # The link must learn the record's time before it can turn an older one away.
        return item.source_updated_at is None or item.known_time is not None

    def _cleaned(self, items: Sequence[Item]) -> dict[int, Row]:
        """The values of records that are plain, by ``id`` of the item."""
        news = [item for item in items if item.link is None or item.link.hash != item.digest]
        if self.columns is None or len(news) < _MANY:
            return {}
        found = self.columns.values([item.payload for item in news])
        return {id(item): row for item, row in zip(news, found, strict=True) if row is not None}

    def _checked(self, item: Item, values: Row | None = None) -> Row:
        """The clean values of a record, which may be at hand; raises ``RecordError``."""
        if values is None:
            values = self.target.values(item.payload)
        if not item.external_id and not values.get(self.target.key):
            raise RecordError(
                "invalid_key", "The record has neither an id nor a key.", field=self.target.key
            )
        item.lacks = self.ownership.lacks(values)
        return values

    def _without_errors(
        self, errors: dict[int, RecordError], items: list[Item], changes: Changes
    ) -> list[Item]:
        """Reject the items whose index has an error; the others go on."""
        for index, error in errors.items():
            changes.reject(items[index], error, self.key_text(items[index].payload))
            if error.code in WAITING:
                changes.waiting.append(items[index])
        return [item for index, item in enumerate(items) if index not in errors]

    # -- rows --------------------------------------------------------------------------------

    def _find_survivors(self, items: list[Item], changes: Changes) -> list[Item]:
        """Lead records to rows that took theirs in; those that do not write them go no further."""
        found, errors = self.rows.find_survivors(items, at_end=self.waited)
        items = self._without_errors(errors, items, changes)
        second = self.rows.second_records(items, found)
        for item in second:
            changes.count(item, "unchanged")
        changes.relink += second
        done = set(map(id, second))
        return [item for item in items if id(item) not in done]

    def _hold(self, items: Sequence[Item]) -> None:
        """Take from records that have rows what they may not write there."""
        self.rows.find_children(items)
        self.ownership.hold(items)

    # -- decisions ---------------------------------------------------------------------------

    def _decide(self, item: Item, changes: Changes) -> None:
        if item.row is None:
            self.ownership.strip_new(item)
            try:
                new_row(item, self.target, currency=settings.DEFAULT_CURRENCY)
            except RecordError as error:
                changes.reject(item, error, self.key_text(item.payload))
                return
            self._warn(item, changes)
            changes.create.append(item)
            changes.count(item, "created")
            return
        try:
            compare_row(item, self.target)
        except RecordError as error:
            changes.reject(item, error, self.key_text(item.payload))
            return
        self._warn(item, changes)
        if self._has_copies(item):  # newer than what is stored; a later one may be so, too
            changes.postponed.append(item)
        if item.is_left_alone:
            self._leave_alone(item, changes)
        if item.changed:
            changes.update.append(item)
            changes.count(item, "updated")
        else:
            if item.is_left_alone:
                item.skipped = PINNED if PINNED in item.held.values() else OLDER
            changes.relink.append(item)
            changes.count(item, "skipped" if item.skipped else "unchanged")

    def _leave_alone(self, item: Item, changes: Changes) -> None:
        """Note that a row does without some of the record's news."""
        item.digest = HELD
        for code, sentence in _LEFT_ALONE.items():
            if names := sorted(name for name, reason in item.held.items() if reason == code):
                changes.warn(code, sentence.format(self._name(item), ", ".join(names)))

    def _name(self, item: Item) -> str:
        """The record's row as a person may read it anywhere."""
        key = "" if self.key_is_personal else (item.row or {}).get(self.target.key)
        return str(key or item.external_id)

    def _warn(self, item: Item, changes: Changes) -> None:
        for code, message in warnings_about(item, self.target):
            changes.warn(code, message)
