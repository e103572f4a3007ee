"""The feed records that rows are: they go where their row goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from ...models import Merge, SyncLink
from ..continuity import forget


def links_of(row: models.Model) -> models.QuerySet[SyncLink]:
    """The feed records a row is."""
    return SyncLink.objects.filter(model=row._meta.label_lower, object_id=str(row.pk))


def move_links(source: models.Model, destination: models.Model) -> list[list[Any]]:
    """Let the links of one row lead to another; returns id, digest and ``merged_row`` of each.

    No digest is cleared: somebody has decided what the row is like, and a feed that has not
    changed since has nothing to say to that. Where the other row has a record of the same
    stream, that one goes on writing the row: see ``sync.writers``.
    """
    links = links_of(source)
    found = list(links.select_for_update().order_by("pk").values_list("pk", "hash", "merged_row"))
    places = links_of(destination).values_list("feed", "stream").distinct()
    for feed, stream in list(places):
        second = links.filter(feed=feed, stream=stream, merged_row=None)
        second.update(merged_row=source.pk)
    links.update(object_id=str(destination.pk))
    return [list(link) for link in found]


def digests_of(row: models.Model) -> list[list[Any]]:
    """Id and digest of each of the row's links."""
    return [list(link) for link in links_of(row).order_by("pk").values_list("pk", "hash")]


def return_links(moved: list[list[Any]], source: models.Model, destination: models.Model) -> None:
    """Let links that were moved to ``source`` lead to ``destination`` again.

    Records that changed in between were written into ``source``, or compared with it: the next
    run compares them with their own row.
    """
    digests = {pk: digest for pk, digest, _merged_row in moved}
    mine = links_of(source).filter(pk__in=digests)
    changed = _changed(mine, digests)
    for merged_row in {merged_row for _pk, _digest, merged_row in moved}:
        pks = [pk for pk, _digest, before in moved if before == merged_row]
        mine.filter(pk__in=pks).update(merged_row=merged_row)
    mine.update(object_id=str(destination.pk))
    _doubt(SyncLink.objects.filter(pk__in=changed))


def part_new_links(record: Merge, survivor: models.Model, restored: models.Model) -> None:
    """Let records that came after the merge lead to the row whose key they brought."""
    before = [pk for pk, *_ in (*record.moved["links"], *record.moved["survivor_links"])]
    new = links_of(survivor).exclude(pk__in=before)
    found = list(new.values_list("pk", "merged_row"))
    by_former_key = [pk for pk, merged_row in found if merged_row == record.other_id]
    # Rows that had been merged into the one that returns go with it, and so do their records.
    earlier = Merge.objects.filter(pk__in=record.moved["merges"]).values_list("other_id", flat=True)
    along = [pk for pk, merged_row in found if merged_row in set(earlier)]
    SyncLink.objects.filter(pk__in=along).update(object_id=str(restored.pk))
    by_key = [pk for pk, merged_row in found if merged_row is None]
    key: str = type(survivor).sync_key  # type: ignore[attr-defined]
    has_key_of_other = record.changes[key]["after"] == record.row[key]
    mine = SyncLink.objects.filter(pk__in=by_key if has_key_of_other else by_former_key)
    mine.update(object_id=str(restored.pk))
    SyncLink.objects.filter(pk__in=by_former_key).update(merged_row=None)
    _doubt(SyncLink.objects.filter(pk__in=[*by_key, *by_former_key, *along]))


def doubt_links(row: models.Model, digests: list[list[Any]] | None) -> None:
    """Compare the records of a row in full that are not what ``digests`` says; all if None."""
    links = links_of(row)
    changed = None if digests is None else _changed(links, dict(digests))
    _doubt(links if changed is None else links.filter(pk__in=changed))


def _changed(links: models.QuerySet[SyncLink], digests: Mapping[int, str]) -> list[int]:
    known = links.values_list("pk", "hash")
    return [pk for pk, digest in known if digest != digests.get(pk)]


def _doubt(links: models.QuerySet[SyncLink]) -> None:
    places = list(links.values_list("feed", "stream").distinct())
    links.update(hash="")
    for feed, stream in places:
        forget(feed, stream)
