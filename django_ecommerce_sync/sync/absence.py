"""Rows a complete feed no longer has: archived, where that is wished for and can be believed.

A link is as old as the last read that met its record; one that the last complete read did not
meet is absent. A row that a record of another stream stands for, too, stays until that one is
absent as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import F
from django.utils import timezone

from ..conf import settings
from ..models import StreamState, SyncLink
from .ledger import Ledger
from .target import Target

#: Rows named where there are too many of them.
_NAMED = 20


@dataclass(slots=True)
class Absent:
    """What a stream no longer has: how many rows, the first of them by key; and what it has."""

    number: int = 0
    present: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The part of the stream's rows that would go."""
        return self.number / (self.number + self.present) if self.number else 0.0


class Absence:
    """The rows one stream of one run did not meet."""

    def __init__(self, target: Target, ledger: Ledger | None, **place: Any) -> None:
        """``place`` is ``feed``, ``stream`` and the number of the ``run``."""
        self.target = target
        self.ledger = ledger
        self.run: int = place.pop("run")
        self.feed: str = place["feed"]
        self.stream: str = place["stream"]
        self.all_links = SyncLink.objects.using(target.connection.alias).filter(model=target.label)
        self.links = self.all_links.filter(**place)
        self.rows = target.model._base_manager.using(target.connection.alias)

    def look(self) -> Absent:
        """What would be archived."""
        found = Absent()
        for rows in self.batches():
            found.number += len(rows)
            found.named += list(rows.values())[: _NAMED - len(found.named)]
        found.present = self.links.count() - found.number
        return found

    def batches(self) -> Iterator[dict[Any, str]]:
        """Rows to be archived, {primary key: key}, as many as fit into one transaction."""
        last = 0
        while links := list(
            self._not_met()
            .filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", "external_id", "object_id")[: settings.BATCH_SIZE]
        ):
            last = links[-1][0]
            absent = {object_id for _, id, object_id in links if not self._is_imagined(id)}
            if rows := self._visible(absent - self._held_by_others(absent)):
                yield rows

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

    def links_of(self, pks: Collection[Any]) -> Any:
        """The links of these rows, whatever feed they are of."""
        return self.all_links.filter(object_id__in=[str(pk) for pk in pks])

    def _not_met(self) -> Any:
        # A dry run marks no link; it has noted in its ledger what it met.
        return self.links if self.ledger else self.links.exclude(last_seen_run=self.run)

    def _is_imagined(self, external_id: str) -> bool:
        link = self.ledger.link(self.stream, external_id) if self.ledger else None
        return link is not None and link.last_seen_run == self.run

    def _held_by_others(self, object_ids: Collection[str]) -> set[str]:
        """Of the rows, those another record stands for that is not absent itself."""
        links = self.all_links.filter(object_id__in=object_ids).exclude(
            pk__in=self._not_met().filter(object_id__in=object_ids).values("pk")
        )
        held = {
            link.object_id
            for link in links
            if link.last_seen_run >= self._complete_runs.get((link.feed, link.stream), 0)
        }
        return held | self._held_in_imagination(object_ids)

    def _held_in_imagination(self, object_ids: Collection[str]) -> set[str]:
        """Of the rows, those a record stands for that this dry run has met."""
        if self.ledger is None:
            return set()
        return {
            object_id
            for object_id in object_ids
            for _, link in self.ledger.holders(self.target.label, object_id)
            if link.last_seen_run == self.run
        }

    @cached_property
    def _complete_runs(self) -> dict[tuple[str, str], int]:
        """The last complete run of each stream of each feed."""
        states = StreamState.objects.exclude(complete_run=None)
        return {(state.feed, state.stream): state.complete_run or 0 for state in states}

    def _visible(self, object_ids: Collection[str]) -> dict[Any, str]:
        pks = [self.target.table.pk.to_python(object_id) for object_id in object_ids]
        rows = self.rows.filter(pk__in=pks, archived_at__isnull=True).order_by("pk")
        visible = {pk: str(key or pk) for pk, key in rows.values_list("pk", self.target.key)}
        return {pk: key for pk, key in visible.items() if not self._is_archived_in_imagination(pk)}

    def _is_archived_in_imagination(self, pk: Any) -> bool:
        known = self.ledger.row(self.target.label, pk) if self.ledger else None
        return known is not None and known.row["archived_at"] is not None
