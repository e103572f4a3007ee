"""One partition of a stream, read by one worker: the batches of a run, on a row of their own."""

from __future__ import annotations

from copy import copy
from typing import Any

from ...conf import settings
from ...feeds import FeedSource
from ...feeds.partitions import Portion
from ...models import ACTIVE, RunStatus, SyncPartition, SyncRun
from .. import issues
from ..batches import Batch, Batches, Place
from ..changes import Changes
from ..continuity import Continuity
from ..database import atomic
from ..execution import Attempt, Cancelled, Progress, StreamExecution
from ..faults import tried_again
from ..heartbeat import Heartbeat
from ..landing import Landing
from ..lease import DatabaseNow, Lease, lease_end
from ..match import Matcher
from ..observation import Observation
from ..report import Report, add_counts
from .stored import added_up, base_of, wait_for_others

#: The fields of a run that a partition has for itself, as it has them.
_OWN = ("cursor", "warnings", "batch_number", "stalled_attempts")


def run_of(partition: SyncPartition, run: SyncRun) -> SyncRun:
    """The run as far as its partition is concerned: a copy to count with, which is never saved."""
    mine = copy(run)
    for name in _OWN:
        setattr(mine, name, getattr(partition, name))
    mine.counts = {partition.stream: partition.counts}
    mine.observed = {partition.stream: partition.observed}
    mine.totals = {}
    return mine


def beside_others(partition: SyncPartition, progress: Progress) -> Progress:
    """Progress that counts what the stream's other partitions have come to as well."""
    rows = SyncPartition.objects.filter(run=partition.run_id, stream=partition.stream)
    others = added_up(rows.exclude(pk=partition.pk).values_list("counts", flat=True))

    def told(run: SyncRun, stream: str) -> None:
        shown = copy(run)
        shown.counts = {stream: add_counts(others, run.counts.get(stream, {}))}
        progress(shown, stream)

    return told


def batches_of(
    feed: FeedSource, matcher: Matcher, partition: SyncPartition, place: Place, seen: Observation
) -> Batches:
    """The batches of a partition, numbered so that the rows of others before it come first."""
    portion = Portion(feed, partition.spec)
    tools = matcher.reader, matcher.loader
    size, base = settings.BATCH_SIZE, base_of(partition)
    return Batches(portion, matcher.stream, place, seen, *tools, size=size, limit=None, base=base)


class PartitionHeartbeat(Heartbeat[SyncPartition]):
    """Renews the lease of the run, too, which waits for its partitions."""

    def __init__(self, lease: Lease[SyncPartition], run_id: int) -> None:
        super().__init__(lease)
        self.run_id = run_id

    def _renew(self) -> None:
        super()._renew()
        wait_for_others(self.run_id, lease_end())


class PartitionExecution(StreamExecution):
    """A stream of a run, as far as one of its partitions goes."""

    def __init__(
        self,
        partition: SyncPartition,
        attempt: Attempt,
        continuity: Continuity,
        matcher: Matcher,
        landing: Landing,
    ) -> None:
        super().__init__(attempt, continuity, matcher, landing)
        self.partition = partition
        matcher.loader = None
        if partition.first_load:
            matcher.take_short_way()
        self.heals = issues.has_open(partition.run.feed, partition.stream, before=partition.run_id)

    def go(self, place: Place) -> None:
        """Read the partition from ``place`` to its end."""
        try:
            self._read(place)
        finally:
            self.repeats.close()
        tried_again(self._end)

    def _open(self, place: Place) -> None:
        pass  # the run has, and what waits is found when all partitions have ended

    def _batches(self, place: Place, limit: int | None, seen: Observation) -> Batches:
        return batches_of(self.attempt.feed, self.matcher, self.partition, place, seen)

    def _opens(self, batch: Batch) -> bool:
        return batch.rows[0][0] == base_of(self.partition) + 1

    def _check_end(self, read: int) -> None:
        pass  # the run does, once it knows the sum

    def _remember(self, changes: Changes, report: Report) -> None:
        pass  # the letters of the links and the issues do

    def _hold(self) -> SyncRun:
        """The partition, locked for this transaction; raises ``Cancelled`` if its run has ended."""
        partition = self.attempt.lease.hold()
        run = SyncRun.objects.filter(pk=partition.run_id, status__in=ACTIVE).first()
        if run is None:
            raise Cancelled
        return run_of(partition, run)

    def _keep(self, run: SyncRun, *fields: str) -> None:
        name = self.stream.name
        kept: dict[str, Any] = {field: getattr(run, field) for field in fields if field in _OWN}
        if "counts" in fields:
            kept["counts"] = run.counts.get(name, {})
        if "observed" in fields:
            kept["observed"] = run.observed.get(name, {})
        self.attempt.lease.mine.update(**kept, lease_until=lease_end())

    @atomic()
    def _end(self) -> None:
        partition = self.attempt.lease.mine.select_for_update().first()
        if partition is not None:  # else it has ended, and only the answer to the COMMIT was lost
            ended = {"status": RunStatus.SUCCEEDED, "owner": "", "lease_until": None}
            self.attempt.lease.mine.update(
                **ended, observed=self.seen.as_json(), finished_at=DatabaseNow()
            )
