"""A stream that is read in partitions, as its run sees it: laid out, waited for, put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from django.db.models import F, QuerySet

from ...conf import settings
from ...exceptions import FeedError
from ...feeds import BadRow
from ...models import IssueState, RunStatus, SyncIssue, SyncPartition
from .. import issues
from ..batches import Batches, Place
from ..changes import Item
from ..database import atomic
from ..execution import Cancelled, Parked, StreamExecution
from ..faults import tried_again
from ..match import WAITING
from ..observation import Observation
from ..reader import NumberedRow, decoded
from ..report import Report, add_counts
from ..session import let_go
from ..warnings import warn
from .disputes import Disputes, disputes
from .precedence import Rival, rivals_of
from .reading import batches_of
from .stored import SPAN, added_up, base_of, lay_out, partitions_of, stop


class Gathering(StreamExecution):
    """A stream of a run whose partitions are read by whoever has time."""

    def _read(self, place: Place) -> Place:
        """Have the partitions read; what comes after is that of any stream.

        Raises ``Parked`` until all of them have ended.
        """
        partitions = partitions_of(self.run, self.stream.name)
        if not partitions and place.read == 0:
            self._lay_out()
            partitions = partitions_of(self.run, self.stream.name)
        if not partitions:  # a stream that cannot be cut
            return super()._read(place)
        if "partitions" in self.run.cursor:
            self._look_after(partitions)
            found = disputes(partitions)
            tried_again(lambda: self._add_up(partitions, found))
            self._check_end(self._count())
        else:
            found = disputes(partitions)
        self.seen = Observation.restored(self.run.observed.get(self.stream.name))
        self.matcher.met.load()
        self.matcher.loader = None
        self._read_again(partitions, found)
        self._let_the_first_have_it(partitions)
        return Place(None, 0, self._count())

    def _count(self) -> int:
        return int(self.run.counts[self.stream.name]["read"])

    # -- before ------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        if self.attempt.feed.is_remote:
            let_go()
        parts = self.attempt.feed.parts(self.stream)
        if len(parts) < 2:
            return
        self.continuity.begin()
        first_load = self.matcher.loader is not None
        tried_again(lambda: self._store(parts, first_load=first_load))
        raise Parked

    @atomic()
    def _store(self, parts: Any, *, first_load: bool) -> None:
        run, name = self._hold(), self.stream.name
        if "partitions" not in run.cursor:
            lay_out(run, name, parts, first_load=first_load)
            begun = {"stream": name, "page": None, "offset": 0, "read": 0}
            run.cursor = {**begun, "partitions": len(parts)}
            run.counts[name] = add_counts({}, {})
            self._keep(run, "cursor", "counts")
        self.run = self.attempt.run = run

    # -- meanwhile ---------------------------------------------------------------------------

    def _look_after(self, partitions: Collection[SyncPartition]) -> None:
        """Whether all have ended well; raises what ended one, or ``Parked``."""
        if self.run.cancel_requested:
            self._give_up(partitions)
            raise Cancelled
        for partition in partitions:
            if partition.status == RunStatus.FAILED:
                self._give_up(partitions)
                raise FeedError(partition.error_code, partition.error)
        if any(partition.is_active for partition in partitions):
            raise Parked

    @atomic()
    def _give_up(self, partitions: Collection[SyncPartition]) -> None:
        """Stop the partitions, and keep what they came to."""
        run, name = self._hold(), self.stream.name
        stop(run)
        run.counts[name] = added_up(p.counts for p in partitions_of(run, name))
        # Nobody knows how many rows are before them.
        run.issues.filter(stream=name, position__gt=SPAN).update(position=None)
        self._keep(run, "counts")
        self.run = self.attempt.run = run

    # -- afterwards --------------------------------------------------------------------------

    @atomic()
    def _add_up(self, partitions: list[SyncPartition], found: Disputes) -> None:
        """The partitions' counts, and what they saw and met, become the run's."""
        run, name = self._hold(), self.stream.name
        if "partitions" in run.cursor:
            counts = added_up(partition.counts for partition in partitions)
            run.counts[name] = add_counts(counts, found.counts)
            seen = Observation.together(p.observed for p in partitions)
            run.observed[name] = seen.as_json()
            if seen.total is not None:
                run.totals[name] = seen.total
            for partition in partitions:
                for told in partition.warnings:
                    warn(run, name, told["code"], told["message"], count=told["count"])
            self.matcher.met.fill(found.pages)
            self.matcher.links.set_all("repeats", True, sorted(found.repeated))
            read = run.counts[name]["read"]
            run.cursor = {"stream": name, "page": None, "offset": 0, "read": read}
            run.batch_number += 1
            run.stalled_attempts = 0
            self._keep(
                run,
                "counts",
                "totals",
                "observed",
                "warnings",
                "cursor",
                "batch_number",
                "stalled_attempts",
            )
        self.run = self.attempt.run = run

    def _read_again(self, partitions: Collection[SyncPartition], found: Disputes) -> None:
        """Find once more the copies that count, and the records that wait for others."""
        wanted = found.external_ids()
        rejected = self.run.issues.filter(stream=self.stream.name, position__gt=0)
        overruled = self._overruled(rejected)
        waiting = _positions(rejected.filter(code__in=WAITING))
        for partition in partitions:
            base = base_of(partition)
            mine = {position for position in waiting if base < position <= base + SPAN}
            if mine or overruled or (wanted and partition.number in found.places):
                bad = rejected.filter(position__gt=base, position__lte=base + SPAN)
                self._look_for(partition, wanted, overruled, mine, _positions(bad))

    def _overruled(self, rejected: QuerySet[SyncIssue]) -> dict[str, int]:
        """Records with a copy that was rejected and one that landed, with the place of the first.

        If the one that landed comes later in the stream it closes the issue; one that is to land
        again will do that by itself.
        """
        bad = rejected.filter(state=IssueState.OPEN).exclude(external_id="")
        rows = bad.order_by("position").values_list("external_id", "position")
        places = {external_id: position or 0 for external_id, position in rows}
        ids, has_met = list(places), self.matcher.met.has
        found: dict[str, int] = {}
        for start in range(0, len(ids), settings.BATCH_SIZE):
            links = self.matcher.links_of(ids[start : start + settings.BATCH_SIZE])
            found |= {link.external_id: places[link.external_id] for link in links if has_met(link)}
        return found

    def _look_for(
        self,
        partition: SyncPartition,
        wanted: Collection[str],
        overruled: Mapping[str, int],
        waiting: Collection[int],
        rejected: Collection[int],
    ) -> None:
        for batch in self._of(partition):
            copies, landed = [], []
            for position, row, payload in decoded(batch.rows):
                if isinstance(payload, BadRow):
                    continue
                if position in waiting:
                    self.waiting[self.matcher.id_of(payload)] = (position, row)
                elif position not in rejected:
                    external_id = self.matcher.id_of(payload)
                    if self.matcher.last_copy_counts:
                        self.waiting.pop(external_id, None)
                    if external_id in wanted:
                        copies.append(Item(position, payload, external_id, "", row))
                    elif position > overruled.get(external_id, position):
                        landed.append((external_id, position))
            self.repeats.put(copies)
            issues.resolve(self.run, self.stream.name, landed)

    def _of(self, partition: SyncPartition) -> Batches:
        """The batches of a partition, once more."""
        return batches_of(self.attempt.feed, self.matcher, partition, Place(), Observation())

    def _let_the_first_have_it(self, partitions: Collection[SyncPartition]) -> None:
        """Of two new records with one key the first in the stream has it, whichever came first."""
        mine = self.run.issues.filter(stream=self.stream.name, position__gt=0)
        conflicts = _positions(mine.filter(code="identity_conflict"))
        claims = [row for row in self.waiting.values() if row[0] in conflicts]
        rivals = rivals_of(self.matcher, claims, self.run.pk)
        if not rivals:
            return
        bad = _positions(mine)
        for partition in partitions:
            for batch in self._of(partition):
                for position, row, payload in decoded(batch.rows):
                    if isinstance(payload, BadRow) or position in bad:
                        continue
                    rival = rivals.pop(self.matcher.id_of(payload), None)
                    if rival is not None and rival.claim[0] < position:
                        report = tried_again(partial(self._hand_over, rival, (position, row)))
                        self.matcher.met.keep()
                        self._tell(report)
                        self.waiting.pop(self.matcher.id_of(rival.payload), None)

    @atomic()
    def _hand_over(self, rival: Rival, row: NumberedRow) -> Report:
        """Give the row that ``row`` has made to its rival; as many are created and rejected."""
        run, name, report = self._hold(), self.stream.name, Report()
        if rival.take_link(self.matcher):
            report = self.landing.apply(self.matcher.match([rival.claim]))
            rival.forget_copies(self.matcher)
            issues.forget(run, name, [rival.claim[0]])
            issues.record(run, name, self.matcher.match([row]).rejections)
            run.batch_number += 1
            self._keep(run, "batch_number")
        self.run = self.attempt.run = run
        return report

    @atomic()
    def _end(self) -> None:
        self._number_issues()
        super()._end()

    def _number_issues(self) -> None:
        """Rejected rows are told by their place in the stream from now on."""
        run, before = self._hold(), 0
        for partition in partitions_of(run, self.stream.name):
            base = base_of(partition)
            mine = run.issues.filter(stream=self.stream.name, position__gt=base)
            if base:
                mine.filter(position__lte=base + SPAN).update(
                    position=F("position") - base + before
                )
            before += partition.counts.get("read", 0)


def _positions(issues: QuerySet[SyncIssue]) -> set[int]:
    return {position for (position,) in issues.values_list("position") if position is not None}
