"""Who may write for a run: a lease with a fencing number, on the database's clock.

Taking the lease counts the fence up; every batch checks, under the run's row lock, that the
fence is still the one it was given. A worker that was silent too long, frozen or cut off finds
its number outdated and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from ..conf import settings
from ..exceptions import LeaseLost
from ..models import ACTIVE, RunStatus, SyncRun


class DatabaseNow(models.Func):
    """The database's own clock in UTC; ``Now()`` gives MySQL's session time zone."""

    template = "CURRENT_TIMESTAMP"
    output_field = models.DateTimeField()

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="STATEMENT_TIMESTAMP()", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW')"
        return self.as_sql(compiler, connection, template=template, **context)


def lease_end() -> models.expressions.CombinedExpression:
    """A lease from now on."""
    return DatabaseNow() + timedelta(seconds=settings.LEASE_SECONDS)


def waiting() -> dict[str, Any]:
    """What a run in the queue has: its message gets the time of a lease to be answered."""
    return {"status": RunStatus.QUEUED, "owner": "", "lease_until": lease_end()}


def unattended() -> models.QuerySet[SyncRun]:
    """Active runs whose message or whose worker has been silent for the time of a lease."""
    silent = Q(lease_until=None) | Q(lease_until__lt=DatabaseNow())
    return SyncRun.objects.filter(silent, status__in=ACTIVE)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a run, good as long as nobody took it over."""

    run_id: int
    fence: int

    def hold(self) -> SyncRun:
        """Lock the run's row for this transaction; raises ``LeaseLost`` if it is another's now."""
        run = SyncRun.objects.select_for_update().filter(pk=self.run_id).first()
        if run is None or run.fence != self.fence or run.status != RunStatus.RUNNING:
            raise LeaseLost(f"Run {self.run_id} belongs to another worker now.")
        return run

    def give_back(self) -> None:
        """Put the run back into the queue, for another task to go on; nothing if it is lost.

        Nobody attends to it then: a message about it may be lost with the worker that leaves.
        """
        mine = SyncRun.objects.filter(pk=self.run_id, fence=self.fence, status=RunStatus.RUNNING)
        mine.update(**{**waiting(), "lease_until": DatabaseNow()})


def acquire(run_id: int, owner: str) -> tuple[SyncRun, Lease] | None:
    """Take a queued run, or one whose worker has been silent too long; None if there is neither.

    ``owner`` is a name no other attempt has: one that asks again because the answer to its
    COMMIT was lost gets what it has taken already.
    """
    with transaction.atomic():
        runs = SyncRun.objects.select_for_update()
        run = runs.filter(pk=run_id, owner=owner, status=RunStatus.RUNNING).first()
        if run is None and _take(run_id, owner):
            run = runs.get(pk=run_id)
        return None if run is None else (run, Lease(run.pk, run.fence))


def _take(run_id: int, owner: str) -> bool:
    free = Q(status=RunStatus.QUEUED) | Q(status=RunStatus.RUNNING, lease_until__lt=DatabaseNow())
    taken = SyncRun.objects.filter(free, pk=run_id).update(
        status=RunStatus.RUNNING,
        owner=owner,
        fence=F("fence") + 1,
        lease_until=lease_end(),
        attempts=F("attempts") + 1,
        stalled_attempts=F("stalled_attempts") + 1,
        started_at=Coalesce("started_at", DatabaseNow()),
    )
    return bool(taken)
