"""Links looked for where they should be: those of a feed that keeps its order stand in a row.

To look ids up in an index costs the server many times what reading rows side by side does. So the
place of the next batch's links is guessed from where the last one's were; what is not found
there is looked up. A wrong guess costs time, never a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .table import Table

#: How many times their number the links of a batch may be spread over to be read as a stretch.
_SPREAD = 3
#: Batches without a guess after one that was wrong, at most; doubled each time.
_PATIENCE = 64


class Neighbours:
    """Finds the links of one stream, batch after batch."""

    def __init__(self, links: Table, names: Sequence[str], **fixed: Any) -> None:
        """Columns ``names``, first ``external_id`` and ``id``, of links that match ``fixed``."""
        self.links = links
        self.names = names
        self.fixed = fixed
        self._middle: float | None = None
        self._stretch: tuple[int, int] | None = None
        self._pause = self._waits = 0

    def find(self, ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        """The links of a batch by external id."""
        found = {row[0]: row for row in self._guessed()}
        missing = sorted({external_id for external_id in ids if external_id not in found})
        rows = self.links.find(self.names, "external_id", missing, **self.fixed)
        if self._stretch is not None:
            self._judge(hits=len(ids) - len(missing), misses=len(rows))
        found.update((row[0], row) for row in rows)
        wanted = {external_id: found[external_id] for external_id in ids if external_id in found}
        self._learn(sorted(row[1] for row in wanted.values()))
        return wanted

    def _guessed(self) -> list[tuple[Any, ...]]:
        if self._stretch is None:
            return []
        return self.links.between(self.names, *self._stretch, **self.fixed)

    def _judge(self, *, hits: int, misses: int) -> None:
        """Guess more rarely where links are not where they were thought to be."""
        if hits >= misses:
            self._pause = 0
        else:
            self._pause = self._waits = min(2 * self._pause + 1, _PATIENCE)

    def _learn(self, numbers: Sequence[int]) -> None:
        """Guess where the next batch's links are from those of this one.

        The middle half tells: a few new records, far away from the others, do not count.
        """
        self._stretch = None
        if self._waits:
            self._waits -= 1
        size = len(numbers)
        if size < 4:
            self._middle = None
            return
        first, middle, third = (numbers[size * part // 4] for part in (1, 2, 3))
        step = size if self._middle is None else middle - self._middle
        self._middle = middle
        reach = third - first + size // 8
        if reach <= _SPREAD * size // 2 and not self._waits:
            centre = (first + third) // 2 + int(step)
            self._stretch = (centre - reach, centre + reach)
