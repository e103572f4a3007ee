"""Working through a run's partitions: one after the other, as long as there is one to be had."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from ...feeds.redaction import redacted
from ...models import ACTIVE, RunStatus, SyncPartition
from ..faults import tried_again
from ..lease import DatabaseNow, Lease, acquire
from .reading import PartitionHeartbeat
from .stored import next_free

#: How a job ended, and the code and sentence of what ended it early.
Outcome = tuple[RunStatus, str, str]


def work_through(
    run_id: int,
    carry_out: Callable[[SyncPartition, Lease[SyncPartition]], Outcome],
    leave: Callable[[], bool],
) -> None:
    """Read one free partition of a run after another; ``leave`` is asked before each."""
    while not leave():
        free = tried_again(partial(next_free, run_id))
        if free is None:
            return
        taken = tried_again(partial(acquire, free, uuid.uuid4().hex, SyncPartition))
        if taken is None:  # another was quicker
            continue
        partition, lease = taken
        with PartitionHeartbeat(lease, run_id):
            outcome = carry_out(partition, lease)
        if outcome[0] not in ACTIVE:
            tried_again(partial(_finish, lease, *outcome))
        if outcome[0] in (RunStatus.FAILED, RunStatus.CANCELLED):  # and so is the run
            return


def _finish(lease: Lease[SyncPartition], status: RunStatus, code: str, message: str) -> None:
    """Close a partition that did not close itself with its last batch."""
    ended = {"status": status, "error_code": code, "error": redacted(message)}
    lease.mine.update(**ended, owner="", lease_until=None, finished_at=DatabaseNow())
