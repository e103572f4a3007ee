"""Which record writes a row, where a merge has made one row of several records of a stream.

If each did, they would take turns. The survivor's own record is the row's source; a record that
came with a merged row stands in only when the feed has the survivor's own no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from ..models import SyncLink
from .changes import Link
from .ledger import Ledger


class Writers(NamedTuple):
    """Links of a batch by what becomes of their records, as primary keys."""

    #: Another record writes the row.
    set_aside: frozenset[int] = frozenset()
    #: The record came with a merged row, but no other one writes it now.
    standing_in: frozenset[int] = frozenset()


def writers_of(links: Collection[Link], alias: str, ledger: Ledger | None, **place: Any) -> Writers:
    """What becomes of the records of a batch; ``place`` is feed, stream and model of the links.

    Costs nothing where no link of the batch came with a merged row.
    """
    moved = [link for link in links if link.merged_row is not None]
    if not moved:
        return Writers()
    here = {link.id for link in links}
    known = SyncLink.objects.using(alias).filter(
        **place, object_id__in=sorted({link.object_id for link in moved})
    )
    order: dict[str, list[tuple[bool, int]]] = defaultdict(list)
    columns = ("pk", "external_id", "object_id", "merged_row", "missing_since")
    for pk, external_id, object_id, merged_row, missing_since in known.values_list(*columns):
        is_back = ledger is not None and ledger.has_met(place["stream"], external_id)
        if pk in here or missing_since is None or is_back:
            order[object_id].append((merged_row is not None, pk))
    writing = {min(records)[1] for records in order.values()}
    ids = {link.id for link in moved if link.id}  # a dry run imagines links without numbers
    return Writers(frozenset(ids - writing), frozenset(ids & writing))
