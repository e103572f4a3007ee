"""Which records a run has met: without a write to the link of each.

A bit for each link, in pages; the pages a batch touches are written in its transaction, so that
whoever goes on with the run knows as much. A feed that keeps its order touches a page or two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import MetLinks
from .changes import Changes, Link
from .table import Table

#: Links of a page: their bits are as many hexadecimal digits as the column takes.
_PAGE = 1024


class Met:
    """The links one stream of one run has met so far."""

    def __init__(self, run: int, stream: str, connection: BaseDatabaseWrapper) -> None:
        self.run = run
        self.place = {"run": run, "stream": stream}
        self.table = Table(MetLinks, connection)
        self.stored = MetLinks.objects.using(connection.alias).filter(**self.place)
        self.load()

    def load(self) -> None:
        """Read what is stored."""
        pages = list(self.stored.values_list("page", "bits"))
        self._bits = {page: int(bits, 16) for page, bits in pages}
        self._staged: dict[int, int] = {}

    def has(self, link: Link) -> bool:
        """Whether the link was met, or made, earlier in the run."""
        return link.first_run == self.run or self.has_id(link.id)

    def has_id(self, link_id: int) -> bool:
        """Whether a link that is older than the run was met."""
        page, bit = divmod(link_id, _PAGE)
        return bool(self._bits.get(page, 0) >> bit & 1)

    def without(self, link_ids: Iterable[int]) -> list[int]:
        """Those of these links, older than the run, that were not met."""
        bits = self._bits.get
        return [one for one in link_ids if not bits(one // _PAGE, 0) >> one % _PAGE & 1]

    def has_any(self, link_ids: Iterable[int]) -> bool:
        """Whether any of these links, older than the run, was met."""
        return any(bits & self._bits.get(page, 0) for page, bits in _pages(link_ids).items())

    def outcome(self, link: Link) -> str:
        """What became of an earlier copy of the link's record in this run, or ""."""
        return link.outcome_in(self.run) if self.has(link) else ""

    def note(self, changes: Changes) -> None:
        """Note which links a batch has met, in its transaction; ``keep`` when that is through."""
        looked_at = (*changes.update, *changes.relink, *changes.seen)
        settled = [link_id for link_id, _, _ in changes.settled]
        self.write([*settled, *(item.link.id for item in looked_at if item.link)])

    def write(self, link_ids: Iterable[int]) -> None:
        """Note that links were met, in the caller's transaction; ``keep`` when it is through."""
        touched = _pages(link_ids)
        self._staged = {page: bits | self._bits.get(page, 0) for page, bits in touched.items()}
        self._put(self._staged)

    def fill(self, pages: Mapping[int, int]) -> None:
        """Note what others have met, in the caller's transaction: pages of bits."""
        self._put({page: bits for page, bits in pages.items() if bits})

    def _put(self, pages: Mapping[int, int]) -> None:
        rows = [(page, format(bits, "x")) for page, bits in sorted(pages.items())]
        self.table.upsert(("page", "bits"), rows, self.place, unique=("run", "stream", "page"))

    def keep(self) -> None:
        """What was written last is committed."""
        self._bits |= self._staged
        self._staged = {}


def _pages(link_ids: Iterable[int]) -> dict[int, int]:
    """Pages that have the bits of these links only."""
    ids = sorted(set(link_ids))
    pages: dict[int, int] = {}
    begun = 0
    while begun < len(ids):
        page = ids[begun] // _PAGE
        end = bisect_left(ids, (page + 1) * _PAGE, begun)
        pages[page] = _bits(ids[begun:end], page * _PAGE)
        begun = end
    return pages


def _bits(ids: Sequence[int], base: int) -> int:
    """A bit for each of these ascending ids, most of which stand side by side."""
    first, width = ids[0], ids[-1] - ids[0] + 1
    whole = width == len(ids)
    bits = (1 << width) - 1 if whole else sum(1 << link_id - first for link_id in ids)
    return bits << first - base
