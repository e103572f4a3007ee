"""Rows a complete feed no longer has: archived, where that is wished for and can be believed.

A link is as old as the last read that met its record; one that the last complete read did not
meet is absent. A row that a record of another stream stands for, too, stays until that one is
absent as well, or its feed is gone from the settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from django.db import connections, models
from django.db.models import F
from django.utils import timezone

from ..conf import settings
from ..models import SyncLink
from .history import history
from .ledger import Ledger
from .links import forget_others
from .met import Met
from .ownership import streams_of
from .target import Target

#: Rows named where there are too many of them.
_NAMED = 20
#: Numbers of links read at once.
_NUMBERS = 10_000


@dataclass(slots=True)
class Absent:
    """What a stream no longer has: how many rows, the first of them by key.

    ``present`` is what it still has of the records that were there before.
    """

    number: int = 0
    present: int = 0
    named: list[str] = field(default_factory=list)
    _sum: int = 0

    def add(self, rows: Mapping[Any, str]) -> None:
        """Count rows, given as {primary key: key}."""
        self.number += len(rows)
        self.named += list(rows.values())[: _NAMED - len(self.named)]
        for pk in rows:
            digest = blake2b(str(pk).encode(), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(digest)) % 2**128

    @property
    def digest(self) -> str:
        """Which rows they are, in whatever order: 32 hexadecimal characters."""
        return f"{self._sum:032x}"

    @property
    def ratio(self) -> float:
        """The part of the stream's rows that would go."""
        return self.number / (self.number + self.present) if self.number else 0.0


class Absence:
    """The rows one stream of one run did not meet."""

    def __init__(self, target: Target, ledger: Ledger | None, met: Met, **place: Any) -> None:
        """``place`` is ``feed``, ``stream`` and the number of the ``run``."""
        self.history = history(target, **place)
        self.target = target
        self.ledger = ledger
        self.met = met
        self.run: int = place.pop("run")
        self.feed: str = place["feed"]
        self.stream: str = place["stream"]
        self.all_links = SyncLink.objects.using(target.connection.alias).filter(model=target.label)
        self.links = self.all_links.filter(**place)
        self.rows = target.model._base_manager.using(target.connection.alias)
        #: The names of a feed's streams, None for one that is not configured.
        self._streams: dict[str, set[str] | None] = {}

    def look(self, since: int) -> Absent:
        """What would be archived; what came with run ``since`` or later was not there before."""
        found = Absent()
        # Neither what is new nor what went long ago makes a loss any smaller, nor do records that
        # came with merged rows.
        before = self.links.filter(first_run__lt=since, merged_row=None)
        not_met = 0
        for links in self.not_met():
            not_met += before.filter(pk__in=links).count()
            found.add(self._to_archive(links))
        found.present = before.count() - not_met
        return found

    def batches(self) -> Iterator[dict[Any, str]]:
        """Rows to be archived, {primary key: key}, as many as fit into one transaction."""
        for links in self.not_met():
            if rows := self._to_archive(links):
                yield rows

    def not_met(self) -> Iterator[dict[int, str]]:
        """The links of records that were not met, {primary key: row}, by the batch."""
        for pks in self._doubtful():
            columns = ("pk", "object_id", "external_id", "first_run")
            links = self.links.filter(pk__in=pks).order_by("pk").values_list(*columns)
            if absent := {pk: row for pk, row, *about in links if not self._is_met(pk, *about)}:
                yield absent

    def archive(self, pks: Collection[Any]) -> None:
        """Archive rows; should their records come again, they are compared in full."""
        now = timezone.now()
        changed: dict[str, Any] = {"archived_at": now}
        if "updated_at" in self.target.table.fields:
            changed["updated_at"] = now
        if "version" in self.target.table.fields:
            changed["version"] = F("version") + 1
        self.rows.filter(pk__in=pks).update(**changed)
        self.links_of(pks).update(hash="")
        if self.history is not None:
            self.history.write_archived(pks)

    def links_of(self, pks: Collection[Any]) -> Any:
        """The links of these rows, whatever feed they are of."""
        return self.all_links.filter(object_id__in=[str(pk) for pk in pks])

    def note(self, links: Collection[int]) -> None:
        """Keep in mind since which run these records are missing: they claim nothing any more."""
        gone = self.links.filter(pk__in=links, missing_since=None)
        rows = set(gone.values_list("object_id", flat=True))
        gone.update(missing_since=self.run)
        forget_others(self.target.model, rows, feed=self.feed, stream=self.stream)

    def _to_archive(self, links: dict[int, str]) -> dict[Any, str]:
        """Of the rows of these absent records, those that nobody else stands for."""
        absent = set(links.values())
        return self._visible(absent - self._held_by_others(absent))

    def _doubtful(self) -> Iterator[list[int]]:
        """Links that may not have been met, by the batch: most never are more than a number."""
        doubtful = self.met.without(self._older())
        for start in range(0, len(doubtful), settings.BATCH_SIZE):
            yield doubtful[start : start + settings.BATCH_SIZE]

    def _older(self) -> Iterator[int]:
        """The primary keys of links that are older than the run."""
        links = self.links.exclude(first_run=self.run)
        if connections[links.db].vendor != "mysql":
            yield from links.values_list("pk", flat=True).iterator(chunk_size=_NUMBERS)
            return
        last = 0  # its driver would hold all of them in memory
        while pks := self._following(links.filter(pk__gt=last).order_by("pk")):
            yield from pks
            last = pks[-1]

    def _following(self, links: models.QuerySet[SyncLink]) -> list[int]:
        """As the driver has them: the ORM takes longer for these than the database."""
        query = links.values_list("pk", flat=True)[:_NUMBERS].query
        with connections[links.db].cursor() as cursor:
            cursor.execute(*query.sql_with_params())
            return [pk for (pk,) in cursor.fetchall()]

    def _is_met(self, pk: int, external_id: str, first_run: int) -> bool:
        if self.ledger is not None:
            return self.ledger.has_met(self.stream, external_id)
        return first_run == self.run or self.met.has_id(pk)

    def _held_by_others(self, object_ids: Collection[str]) -> set[str]:
        """Of the rows, those another record stands for that is not absent itself."""
        columns = ("pk", "object_id", "external_id", "first_run", "feed", "stream", "missing_since")
        links = self.all_links.filter(object_id__in=object_ids).values_list(*columns)
        held = {
            object_id
            for pk, object_id, external_id, first_run, feed, stream, missing_since in links
            if (
                self._is_met(pk, external_id, first_run)
                if (feed, stream) == (self.feed, self.stream)
                else self._is_configured(feed, stream)
                and missing_since is None
                and not self._is_missing_in_imagination(pk)
            )
        }
        return held | self._held_in_imagination(object_ids)

    def _is_configured(self, feed: str, stream: str) -> bool:
        """Whether a feed may still bring a stream; of one that cannot be built nobody knows."""
        if feed not in self._streams:
            known = streams_of(feed) if feed in settings.FEEDS else None
            self._streams[feed] = None if known is None else {one.name for one in known}
        streams = self._streams[feed]
        return streams is not None and (not streams or stream in streams)

    def _held_in_imagination(self, object_ids: Collection[str]) -> set[str]:
        """Of the rows, those a record stands for that this dry run has met."""
        if self.ledger is None:
            return set()
        return {
            object_id
            for object_id in object_ids
            for stream, link in self.ledger.holders(self.target.label, object_id)
            if self.ledger.has_met(stream, link.external_id)
        }

    def _is_missing_in_imagination(self, link_id: int) -> bool:
        return self.ledger is not None and self.ledger.is_missing(link_id)

    def _visible(self, object_ids: Collection[str]) -> dict[Any, str]:
        pks = [self.target.table.pk.to_python(object_id) for object_id in object_ids]
        rows = self.rows.filter(pk__in=pks, archived_at__isnull=True).order_by("pk")
        visible = {pk: self._name(pk, key) for pk, key in rows.values_list("pk", self.target.key)}
        return {pk: key for pk, key in visible.items() if not self._is_archived_in_imagination(pk)}

    def _name(self, pk: Any, key: Any) -> str:
        """The row as a person may read it anywhere."""
        return str(pk if self.target.key_is_personal else key or pk)

    def _is_archived_in_imagination(self, pk: Any) -> bool:
        known = self.ledger.row(self.target.label, pk) if self.ledger else None
        return known is not None and known.row["archived_at"] is not None
