"""New records of one stream that claim one key: the first in the stream is to have it.

Read as one, the stream settles that by itself. Where partitions do, the one that landed first has
made the row, and the other was rejected; if that one comes first in the stream they change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ...feeds import BadRow, Payload
from ...models import SyncLink
from ..match import Matcher
from ..reader import NumberedRow, decoded


@dataclass(frozen=True, slots=True)
class Rival:
    """A record that was rejected for its key, and the link of the new record that has it."""

    claim: NumberedRow
    payload: Payload
    link: int
    holder: str

    def take_link(self, matcher: Matcher) -> bool:
        """Make the link that of the rejected record; False if it is already."""
        fresh: dict[str, Any] = {"hash": "", "lacks": "", "repeats": False}
        links = SyncLink.objects.filter(pk=self.link, external_id=self.holder)
        return bool(links.update(external_id=matcher.id_of(self.payload), **fresh))

    def forget_copies(self, matcher: Matcher) -> None:
        """That the link was met before in this run was by another record, not by a copy."""
        matcher.links.set_all("repeats", False, [self.link])


def rivals_of(matcher: Matcher, claims: Sequence[NumberedRow], run: int) -> dict[str, Rival]:
    """By the id of each record made in this run whose key a rejected new one claims, that one."""
    target, stream = matcher.target, matcher.stream
    first: dict[str, tuple[NumberedRow, Payload]] = {}
    for position, row, payload in decoded(sorted(claims, key=itemgetter(0))):
        if isinstance(payload, BadRow):
            continue
        key = target.normalize_key(stream.key_of(payload, target.key))
        if key and not matcher.links_of([matcher.id_of(payload)]):
            first.setdefault(key, ((position, row), payload))
    pk = target.table.pk.attname
    owners = target.table.find((pk, target.key), target.key, sorted(first), **target.scope)
    keys = {str(owner): key for owner, key in owners}
    made = SyncLink.objects.filter(**matcher.place, model=target.label, first_run=run)
    found = made.filter(object_id__in=sorted(keys))
    return {
        holder: Rival(*first[keys[owner]], link, holder)
        for link, holder, owner in found.values_list("pk", "external_id", "object_id")
        if keys[owner] in first
    }
