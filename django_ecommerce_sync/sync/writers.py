"""Which record writes a row, where a merge has made one row of several records of a stream.

If each did, they would take turns. The survivor's own record is the row's source; a record that
came with a merged row stands in only when the feed has the survivor's own no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from ..models import StreamState, SyncLink
from .changes import Link


class Writers(NamedTuple):
    """Links of a batch by what becomes of their records, as primary keys."""

    #: Another record writes the row.
    set_aside: frozenset[int] = frozenset()
    #: The record came with a merged row, but no other one writes it now.
    standing_in: frozenset[int] = frozenset()


def writers_of(links: Collection[Link], alias: str, **place: Any) -> Writers:
    """What becomes of the records of a batch; ``place`` is feed, stream and model of the links.

    Costs nothing where no link of the batch came with a merged row.
    """
    moved = [link for link in links if link.merged_row is not None]
    if not moved:
        return Writers()
    here = {link.id for link in links}
    last = _last_complete_run(alias, place["feed"], place["stream"])
    known = SyncLink.objects.using(alias).filter(
        **place, object_id__in=sorted({link.object_id for link in moved})
    )
    order: dict[str, list[tuple[bool, int]]] = defaultdict(list)
    columns = ("pk", "object_id", "merged_row", "last_seen_run")
    for pk, object_id, merged_row, seen in known.values_list(*columns):
        if pk in here or seen >= last:
            order[object_id].append((merged_row is not None, pk))
    writing = {min(records)[1] for records in order.values()}
    ids = {link.id for link in moved}
    return Writers(frozenset(ids - writing), frozenset(ids & writing))


def _last_complete_run(alias: str, feed: str, stream: str) -> int:
    states = StreamState.objects.using(alias).filter(feed=feed, stream=stream)
    return states.values_list("complete_run", flat=True).first() or 0
