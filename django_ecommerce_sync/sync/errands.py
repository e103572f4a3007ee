"""Runs that read no feed: somebody above this package says what they do, part by part."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from ..models import SyncRun
from .database import atomic
from .execution import Cancelled, Paused
from .faults import tried_again
from .lease import Lease, lease_end

#: Does the next part of a run, in the transaction of the caller, who saves the run; whether
#: there may be more to do. Raises ``FeedError`` to end the run.
Errand: TypeAlias = Callable[[SyncRun], bool]

_errands: dict[str, Errand] = {}


def register_errand(trigger: str, errand: Errand) -> None:
    """Let runs with that ``trigger`` be carried out by ``errand``."""
    _errands[trigger] = errand


def is_errand(run: SyncRun) -> bool:
    """Whether the run reads no feed."""
    return run.trigger in _errands


def carry_out(run: SyncRun, lease: Lease[SyncRun], pause: Callable[[], bool]) -> None:
    """Do part after part, each in one transaction with what the run says of it."""
    while tried_again(partial(_part, lease, _errands[run.trigger])):
        if pause():
            raise Paused


@atomic()
def _part(lease: Lease[SyncRun], errand: Errand) -> bool:
    run = lease.hold()
    if run.cancel_requested:
        raise Cancelled
    more = errand(run)
    run.batch_number += 1
    run.stalled_attempts, run.lease_until = 0, lease_end()
    run.save()
    return more
