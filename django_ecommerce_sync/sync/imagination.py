"""Carry out what match decided in imagination only: what ``apply`` writes, in a ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ..models import SyncLink
from .absence import Absence
from .changes import MARKS, STALE, Changes, Item, Link
from .landing import Landing
from .ledger import Imagined, ImaginedRow, Ledger
from .report import Report
from .table import Row
from .target import Target, defaults_of


class Imagination(Landing):
    """As ``Applier``, without a trace in the database."""

    def __init__(self, target: Target, ledger: Ledger, *, feed: str, stream: str, run: int) -> None:
        self.target = target
        self.ledger = ledger
        self.feed = feed
        self.stream = stream
        self.run = run
        self.pk = target.table.pk.attname

    def apply(self, changes: Changes) -> Report:
        """Note rows and links as they would be; the report tells of no rows, for none changed."""
        self._put_rows(changes)
        self._doubt_absent(changes.update)
        self._let_others_speak(
            item.link.object_id
            for item in (*changes.update, *changes.relink)
            if item.link and item.lacks_more
        )
        self.ledger.put_links(self.stream, self._links(changes))
        landed = (*changes.create, *changes.update, *changes.relink, *changes.seen)
        self.ledger.meet(self.stream, [item.external_id for item in landed if item.external_id])
        return Report(
            counts=changes.counts,
            rejections=changes.rejections,
            landed=[(item.external_id, item.position) for item in landed if not item.is_stale],
        )

    def archive(self, absence: Absence, rows: Mapping[Any, str]) -> Report:
        """Note rows as archived, and that their records would be compared in full."""
        stored = self.target.table.select(self.pk, list(rows))
        for row in self.ledger.over(self.target.label, self.pk, stored, (), ()):
            self._put({**row, "archived_at": timezone.now()}, {})
        self._doubt(absence.links_of(rows).filter(feed=absence.feed))
        return Report()

    def note(self, absence: Absence, links: Collection[int]) -> None:
        """Note that the records of these links are missing."""
        self.ledger.miss(links)
        gone = SyncLink.objects.using(self.target.connection.alias).filter(
            pk__in=links, missing_since=None
        )
        self._let_others_speak(gone.values_list("object_id", flat=True))

    # -- rows --------------------------------------------------------------------------------

    def _put_rows(self, changes: Changes) -> None:
        defaults = {**self.target.defaults(), **self.target.scope} if changes.create else {}
        for item in changes.create:
            pk = Imagined(f"{self.stream} {item.external_id or item.position}")
            item.row = {**defaults, **item.values, self.pk: pk}
            self._put(item.row, self._children(item))
        for item in changes.update:
            self._put({**(item.row or {}), **item.values}, self._children(item))
        for item in changes.relink:  # a row that this stream has not known so far
            if item.link is None and item.row is not None:
                self._put(item.row, self._children(item))

    def _put(self, row: Row, children: dict[str, list[Row]]) -> None:
        label, pk = self.target.label, row[self.pk]
        if self.target.children and (known := self.ledger.row(label, pk)):
            children = {**known.children, **children}
        self.ledger.put_row(label, pk, row[self.target.key], ImaginedRow(row, children))

    def _children(self, item: Item) -> dict[str, list[Row]]:
        """The child rows as they would be; those the record does not carry are left alone."""
        children = {}
        for name, rows in item.children.items():
            child = self.target.children[name]
            defaults = defaults_of(child.table(self.target.connection))
            children[name] = [
                {
                    **(rows.stored[index] if index < len(rows.stored) else defaults),
                    **line,
                    child.position: index + 1,
                }
                for index, line in enumerate(rows.wanted)
            ]
        return children

    # -- links -------------------------------------------------------------------------------

    def _links(self, changes: Changes) -> Iterator[Link]:
        changed = {id(item) for item in (*changes.create, *changes.update)}
        for item in (*changes.create, *changes.update, *changes.relink):
            if item.external_id:
                link = self._landed(item, changed=id(item) in changed)
                timed = changes.newest is not None
                time = item.source_updated_at if timed else item.known_time
                yield link._replace(source_updated_at=time)
        for item in changes.seen:
            if item.link is not None:
                yield self._seen(item, item.link)

    def _doubt_absent(self, items: Collection[Item]) -> None:
        """As ``Applier`` does where a record stands in for a row's own."""
        rows = [item.link.object_id for item in items if item.link and item.link.merged_row]
        if rows:
            links = SyncLink.objects.using(self.target.connection.alias).filter(
                feed=self.feed, stream=self.stream, model=self.target.label
            )
            self._doubt(links.filter(object_id__in=sorted(rows), merged_row=None))

    def _let_others_speak(self, rows: Iterable[str]) -> None:
        """As ``Applier`` does for rows of which a record says less than before."""
        if ids := sorted(rows):
            links = SyncLink.objects.using(self.target.connection.alias).filter(
                feed=self.feed, model=self.target.label, object_id__in=ids
            )
            self._doubt(links.exclude(stream=self.stream))

    def _doubt(self, links: QuerySet[SyncLink]) -> None:
        """Note that the records of stored links would be compared in full."""
        for stream, *columns in links.values_list("stream", *Link._fields):
            link = Link(*columns)
            link = self.ledger.link(stream, link.external_id) or link
            self.ledger.put_links(stream, [link._replace(hash="")])

    def _landed(self, item: Item, *, changed: bool) -> Link:
        new = Link(0, "", "", "", "", False, "", item.merged_row, self.run, 0, None)
        link = item.link or new
        pk = (item.row or {})[self.pk]
        return link._replace(
            external_id=item.external_id,
            model=self.target.label,
            object_id=pk if isinstance(pk, Imagined) else str(pk),
            hash=item.digest,
            repeats=self._repeats(item),
            last_changed_run=self.run if changed else link.last_changed_run,
            missing_since=None,
            lacks=item.lacks,
        )

    def _seen(self, item: Item, link: Link) -> Link:
        if item.is_stale and not item.earlier:
            link = link._replace(hash=STALE)
        elif not item.is_stale and link.hash in MARKS:
            link = link._replace(hash="")
        return link._replace(repeats=self._repeats(item), missing_since=None)

    def _repeats(self, item: Item) -> bool:
        known = item.link is not None and bool(item.link.repeats)
        return known or item.repeated or bool(item.earlier)
