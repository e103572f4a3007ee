"""Records that several partitions have met, found when all have ended.

The partitions did not wait for each other, so each counted such a record as its own, and which
copy was written last is chance. Here the counts are put right, and the copies named that must be
read again so that the last one of the feed is the one that stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ...models import MetInPartition, SyncLink, SyncPartition
from .sightings import ADOPTED, ADOPTED_CHANGED, NOT_MET, OUTCOMES, PAGE, SETTLED

#: Links looked up in one statement.
_CHUNK = 1000


@dataclass(slots=True)
class Disputes:
    """What the partitions of a stream did not know of each other."""

    #: What has to be added to the sum of their counts.
    counts: Counter[str] = field(default_factory=Counter)
    #: Links of records that came more than once, by primary key.
    repeated: list[int] = field(default_factory=list)
    #: Links whose last copy must be read again, and the numbers of the partitions that have one.
    reread: list[int] = field(default_factory=list)
    places: set[int] = field(default_factory=set)
    #: Every link met, in pages of bits as ``MetLinks`` keeps them.
    pages: dict[int, int] = field(default_factory=dict)

    def external_ids(self) -> set[str]:
        """Of the records whose last copy must be read again."""
        found: set[str] = set()
        for start in range(0, len(self.reread), _CHUNK):
            links = SyncLink.objects.filter(pk__in=self.reread[start : start + _CHUNK])
            found.update(links.values_list("external_id", flat=True))
        return found

    def take(self, link: int, met: Mapping[int, str], *, is_new: bool) -> bool:
        """Look at one link, and at its letters by partition; whether its creator has a copy."""
        counted = Counter(OUTCOMES[letter.lower()] for letter in met.values())
        if is_new:
            counted["created"] += 1
        times = counted.total()
        if times > 1:
            self.repeated.append(link)
            self.counts.subtract(counted)
            self.counts[_as_one(counted, met)] += 1
            self.counts["duplicate"] += times - 1
        waits = any(letter.isupper() for letter in met.values())
        if (times > 1 or waits) and any(letter.lower() != SETTLED for letter in met.values()):
            self.reread.append(link)
            self.places.update(met)
            return is_new
        return False


def disputes(partitions: Sequence[SyncPartition]) -> Disputes:
    """What to put right once all partitions of a stream have ended."""
    found = Disputes()
    last_link = partitions[0].last_link
    for page, letters in _pages(partitions):
        first = page * PAGE
        found.pages[page] = _bits(letters)
        is_new = first + PAGE > last_link
        if len(letters) == 1 and not is_new and "".join(letters.values()).islower():
            continue
        met = {first + place: told for place, told in _met(letters)}
        new = _created([link for link in met if link > last_link], partitions[0].run_id)
        for link, told in met.items():
            made = link in new and not {*told.values()} & {ADOPTED, ADOPTED_CHANGED}
            if found.take(link, told, is_new=made):  # nobody knows which partition made it
                found.places.update(partition.number for partition in partitions)
    return found


def _pages(partitions: Sequence[SyncPartition]) -> Iterator[tuple[int, dict[int, str]]]:
    """Each page's letters by the partition's number."""
    numbers = {partition.pk: partition.number for partition in partitions}
    rows = MetInPartition.objects.filter(partition__in=numbers).order_by("page", "partition")
    stored = rows.values_list("page", "partition", "outcomes").iterator()
    for page, group in groupby(stored, key=itemgetter(0)):
        yield page, {numbers[partition]: outcomes for _, partition, outcomes in group}


def _met(letters: Mapping[int, str]) -> Iterator[tuple[int, dict[int, str]]]:
    """For each place of a page that anybody has met, the letters by partition."""
    for place, column in enumerate(zip(*letters.values(), strict=True)):
        told = {n: one for n, one in zip(letters, column, strict=True) if one != NOT_MET}
        if told:
            yield place, told


def _bits(letters: Mapping[int, str]) -> int:
    """The places of a page that anybody has met, as ``MetLinks`` has them."""
    bits = 0
    for outcomes in letters.values():
        digits = "".join("0" if letter == NOT_MET else "1" for letter in reversed(outcomes))
        bits |= int(digits, 2)
    return bits


def _created(links: Sequence[int], run: int) -> set[int]:
    """Of the links, those that the run has made."""
    if not links:
        return set()
    made = SyncLink.objects.filter(pk__in=links, first_run=run)
    return set(made.values_list("pk", flat=True))


def _as_one(counted: Counter[str], met: Mapping[int, str]) -> str:
    """What a record is counted as that was counted in several partitions."""
    for outcome in ("created", "updated"):
        if counted[outcome]:
            return outcome
    return OUTCOMES[met[max(met)].lower()]
