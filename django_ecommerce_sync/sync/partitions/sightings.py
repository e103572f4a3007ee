"""Which records a partition has met, and how it counted them.

Two partitions may have copies of one record and cannot know of each other. So each notes, in
its batches' transactions, a letter for every link it meets; those of all partitions side by side
tell, once all have ended, which records came more than once and how often they were counted.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from ...models import MetInPartition, SyncLink, SyncPartition
from ..changes import Changes, Item, Link
from ..met import Met
from ..table import Table

#: Links of a page: the column takes a letter for each.
PAGE = 1024
#: Counted as unchanged: an equal digest, or another one of the same values.
SETTLED, UNCHANGED = "e", "u"
CHANGED, SKIPPED = "c", "s"
#: A row without a link was there already: updated, or as it should be.
ADOPTED_CHANGED, ADOPTED = "a", "b"
NOT_MET = "."
#: What a letter was counted as; in upper case, a later copy of the record waits for the last.
OUTCOMES = {
    SETTLED: "unchanged",
    UNCHANGED: "unchanged",
    CHANGED: "updated",
    SKIPPED: "skipped",
    ADOPTED_CHANGED: "updated",
    ADOPTED: "unchanged",
}
_EARLIER = {"updated": "changed", "unchanged": "unchanged", "skipped": "skipped"}


class Sightings(Met):
    """The links one partition has met so far."""

    def __init__(self, partition: SyncPartition, connection: BaseDatabaseWrapper) -> None:
        self.run = partition.run_id
        self.feed = {"feed": partition.run.feed, "stream": partition.stream}
        self.links = Table(SyncLink, connection)
        self.place = {"partition_id": partition.pk}
        self.table = Table(MetInPartition, connection)
        self.pages = MetInPartition.objects.using(connection.alias).filter(partition=partition)
        self.load()

    def load(self) -> None:
        """Read what is stored."""
        self._letters = dict(self.pages.values_list("page", "outcomes"))
        self._written: dict[int, str] = {}

    def has(self, link: Link) -> bool:
        """Whether the link was met earlier in this partition."""
        return self.has_id(link.id)

    def has_id(self, link_id: int) -> bool:
        """The same of the link with that primary key."""
        return self._letter(link_id) != NOT_MET

    def has_any(self, link_ids: Iterable[int]) -> bool:
        """The same of any of several links."""
        return any(map(self.has_id, link_ids))

    def outcome(self, link: Link) -> str:
        """What became of an earlier copy of the link's record in this partition, or ""."""
        return _EARLIER.get(OUTCOMES.get(self._letter(link.id).lower(), ""), "")

    def note(self, changes: Changes) -> None:
        """Note which links a batch has met, in its transaction; ``keep`` when that is through."""
        letters = dict.fromkeys((link_id for link_id, _, _ in changes.settled), SETTLED)
        for item, outcome in _looked_at(changes):
            if item.link:
                letters[item.link.id] = self._after(item, item.link, outcome)
        letters |= self._adopted(changes)
        for item in changes.postponed:
            if item.link:
                letters[item.link.id] = letters[item.link.id].upper()
        self._write_down(letters)

    def _after(self, item: Item, link: Link, outcome: str) -> str:
        """The letter of a link met once more: as ``Changes.count`` counts it."""
        before = self._letter(link.id)
        if before == NOT_MET:
            return outcome
        moves = item.earlier != "changed" and not item.is_stale
        after = outcome if moves and outcome != SETTLED else before
        return after.upper() if before.isupper() else after

    def _adopted(self, changes: Changes) -> dict[int, str]:
        """Letters for the links of this batch that found their row by its key."""
        found = {item.external_id: ADOPTED for item in changes.relink if item.link is None}
        found |= {item.external_id: ADOPTED_CHANGED for item in changes.update if not item.link}
        ids = sorted(external_id for external_id in found if external_id)
        links = self.links.find(("id", "external_id"), "external_id", ids, **self.feed)
        return {link_id: found[external_id] for link_id, external_id in links}

    def _letter(self, link_id: int) -> str:
        page, place = divmod(link_id, PAGE)
        letters = self._letters.get(page)
        return NOT_MET if letters is None else letters[place]

    def _write_down(self, letters: dict[int, str]) -> None:
        pages: dict[int, list[str]] = {}
        for link_id, letter in letters.items():
            page, place = divmod(link_id, PAGE)
            if page not in pages:
                pages[page] = list(self._letters.get(page, NOT_MET * PAGE))
            pages[page][place] = letter
        self._written = {page: "".join(letters) for page, letters in sorted(pages.items())}
        rows = list(self._written.items())
        unique = ("partition_id", "page")
        self.table.upsert(("page", "outcomes"), rows, self.place, unique=unique)

    def keep(self) -> None:
        """What was written last is committed."""
        self._letters |= self._written
        self._written = {}


def _looked_at(changes: Changes) -> Iterable[tuple[Item, str]]:
    for item in changes.update:
        yield item, CHANGED
    for item in changes.relink:
        yield item, SKIPPED if item.skipped else UNCHANGED
    for item in changes.seen:
        yield item, SKIPPED if item.skipped else _as_seen(item)


def _as_seen(item: Item) -> str:
    return SETTLED if item.link and item.link.hash == item.digest else UNCHANGED
