"""The rows of a run's partitions: laid out, taken, looked after, stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, QuerySet

from ...models import ACTIVE, MetInPartition, RunStatus, SyncLink, SyncPartition, SyncRun
from ..lease import free
from ..report import add_counts

#: Rows of one partition, so many that none has more: a row's position until the stream has ended
#: is its place in its partition, on top of as many times this as there are partitions before it.
SPAN = 1 << 40


def base_of(partition: SyncPartition) -> int:
    """What the positions of a partition's rows are counted from while the stream is read."""
    return (partition.number - 1) * SPAN


def lay_out(run: SyncRun, stream: str, specs: Sequence[Any], *, first_load: bool) -> None:
    """Add a partition for each spec."""
    last_link = SyncLink.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    common = {"run": run, "stream": stream, "first_load": first_load, "last_link": last_link}
    SyncPartition.objects.bulk_create(
        SyncPartition(**common, number=number, spec=spec) for number, spec in enumerate(specs, 1)
    )


def partitions_of(run: SyncRun, stream: str) -> list[SyncPartition]:
    """The partitions of one stream of a run, in the stream's order."""
    return list(SyncPartition.objects.filter(run=run.pk, stream=stream).order_by("number"))


def _free(run_id: int) -> QuerySet[SyncPartition]:
    return SyncPartition.objects.filter(free(), run=run_id, run__status__in=ACTIVE)


def next_free(run_id: int) -> int | None:
    """The first partition of a run that nobody reads."""
    return _free(run_id).order_by("pk").values_list("pk", flat=True).first()


def number_free(run_id: int) -> int:
    """How many partitions there are that nobody reads."""
    return _free(run_id).count()


def is_waited_for(run: SyncRun) -> bool:
    """Whether the run has nothing to do before a partition has ended."""
    is_parked = run.status == RunStatus.RUNNING and not run.owner
    if not is_parked or run.cancel_requested or "partitions" not in run.cursor:
        return False
    partitions = SyncPartition.objects.filter(run=run.pk)
    failed = partitions.filter(status=RunStatus.FAILED).exists()
    return partitions.filter(status__in=ACTIVE).exists() and not failed


def wait_for_others(run_id: int, until: Any) -> None:
    """Renew the lease of a run in nobody's hands, and tell how far its partitions are."""
    parked = SyncRun.objects.filter(pk=run_id, owner="", status__in=ACTIVE)
    run = parked.first()
    if run is not None:
        name = run.cursor.get("stream", "")
        rows = SyncPartition.objects.filter(run=run_id, stream=name).values_list(
            "counts", flat=True
        )
        parked.update(lease_until=until, counts={**run.counts, name: added_up(rows)})


def added_up(counts: Any) -> dict[str, int]:
    """The counts of several partitions as one."""
    total: Mapping[str, int] = {}
    for part in counts:
        total = add_counts(total, part)
    return add_counts(total, {})


def stop(run: SyncRun) -> None:
    """Take the run's partitions from whoever reads them; they write nothing from now on.

    The update waits for their batches at hand. The caller holds the run.
    """
    unfinished = SyncPartition.objects.filter(run=run.pk, status__in=ACTIVE)
    unfinished.update(status=RunStatus.CANCELLED, fence=F("fence") + 1, owner="", lease_until=None)


def close(run: SyncRun) -> None:
    """The run is over: nobody reads a partition of it, or wants to know what it has met."""
    if SyncPartition.objects.filter(run=run.pk).exists():
        stop(run)
        MetInPartition.objects.filter(partition__run=run.pk).delete()
