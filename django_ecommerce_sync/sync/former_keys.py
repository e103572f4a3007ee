"""Keys of rows that were merged into others: they lead to the row that has taken those in.

Otherwise the next feed that brings such a key would make the duplicate anew. Kept as digests, for
a key may be an e-mail address.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from django.db import models

from ..models import Merge
from .arrivals import of_key
from .changes import Link


class Former(NamedTuple):
    """Where a key leads to by now, as primary keys."""

    survivor: Any
    #: The row that had the key, and the links that came with it.
    merged_row: int
    links: tuple[int, ...]
    #: Whether it was the survivor that had the key.
    gave_key_away: bool

    def is_key_of(self, link: Link) -> bool:
        """Whether the key was that of the row a record came from: no news, if it says it still."""
        came_along = link.id in self.links
        found_by_it = link.merged_row is not None and not came_along
        return found_by_it or came_along is not self.gave_key_away


def former_key(model: type[models.Model], keys: Collection[Any], kept: Any) -> str:
    """The digest of the key that a merge leaves without a row, of the ``keys`` of both rows."""
    gone = [key for key in keys if key not in (None, "", kept)]
    return of_key(model._meta.label_lower, str(gone[0])) if gone else ""


class FormerKeys:
    """Looks up the former keys of one model's rows."""

    def __init__(self, model: type[models.Model], alias: str) -> None:
        self.label = model._meta.label_lower
        merges = Merge.objects.using(alias).filter(model=self.label, undone_at=None)
        self.merges = merges.filter(former_key__gt="")
        self._there_are_any = False

    def there_are_any(self) -> bool:
        """Merges are made by hand, so most models have none; the first one may come any time."""
        self._there_are_any = self._there_are_any or self.merges.exists()
        return self._there_are_any

    def find(self, keys: Collection[Any]) -> dict[Any, Former]:
        """Of keys that no row has, those that one had, by key; the latest merge counts."""
        if not (keys and self.there_are_any()):
            return {}
        digests = {of_key(self.label, str(key)): key for key in keys}
        merges = self.merges.filter(former_key__in=sorted(digests)).order_by("pk")
        columns = ("former_key", "survivor_id", "other_id", "moved", "gave_key_away")
        return {
            digests[digest]: Former(survivor, other, tuple(pk for pk, *_ in moved["links"]), away)
            for digest, survivor, other, moved, away in merges.values_list(*columns)
        }
