"""Who may write for a run, or for one of its partitions: a lease with a fencing number.

Taking the lease counts the fence up; every batch checks, under the lock of the job's row, that
the fence is still the one it was given. A worker that was silent too long, frozen or cut off
finds its number outdated and writes nothing. The clock is the database's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from ..conf import settings
from ..exceptions import LeaseLost
from ..models import ACTIVE, Job, RunStatus, SyncRun
from .database import atomic
from .prepared import PLACEHOLDERS, PreparedObjects, for_update

J = TypeVar("J", bound=Job)


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
    """What a job in the queue has: its message gets the time of a lease to be answered."""
    return {"status": RunStatus.QUEUED, "owner": "", "lease_until": lease_end()}


def unattended() -> models.QuerySet[SyncRun]:
    """Active runs whose message or whose worker has been silent for the time of a lease."""
    silent = Q(lease_until=None) | Q(lease_until__lt=DatabaseNow())
    return SyncRun.objects.filter(silent, status__in=ACTIVE)


@dataclass(frozen=True, slots=True)
class Lease(Generic[J]):
    """The right to write for a job, good as long as nobody took it over."""

    kind: type[J]
    pk: int
    fence: int

    @property
    def mine(self) -> models.QuerySet[J]:
        """The job's row, or nothing if it is another's now."""
        jobs: models.QuerySet[J] = self.kind._default_manager.all()
        return jobs.filter(pk=self.pk, fence=self.fence, status=RunStatus.RUNNING)

    def hold(self) -> J:
        """Lock the job's row for this transaction; raises ``LeaseLost`` if it is another's now."""
        job: J | None = next(iter(_by_pk(self.kind).objects(self.pk)), None)
        if job is None or job.fence != self.fence or job.status != RunStatus.RUNNING:
            name = str(self.kind._meta.verbose_name).removeprefix("sync ").capitalize()
            raise LeaseLost(f"{name} {self.pk} belongs to another worker now.")
        return job

    def give_back(self) -> None:
        """Put the job back into the queue, for another task to go on; nothing if it is lost.

        Nobody attends to it then: a message about it may be lost with the worker that leaves.
        """
        self.mine.update(**{**waiting(), "lease_until": DatabaseNow()})

    def park(self) -> None:
        """Let go of a run that waits for its partitions: it runs on, in nobody's hands.

        Whoever ends the last of them takes it at once; those who work renew its lease.
        """
        self.mine.update(owner="", lease_until=lease_end(), stalled_attempts=0)


@cache
def _by_pk(kind: type[Job]) -> PreparedObjects:
    """A job, locked; each batch asks for its own."""
    return for_update(kind._default_manager.all(), "pk", PLACEHOLDERS[int])


def acquire(pk: int, owner: str, kind: type[J]) -> tuple[J, Lease[J]] | None:
    """Take a job in the queue, or one whose worker has been silent too long; None without one.

    ``owner`` is a name no other attempt has: one that asks again because the answer to its
    COMMIT was lost gets what it has taken already.
    """
    with atomic():
        jobs: models.QuerySet[J] = kind._default_manager.select_for_update()
        job = jobs.filter(pk=pk, owner=owner, status=RunStatus.RUNNING).first()
        if job is None and _take(pk, owner, kind):
            job = jobs.get(pk=pk)
        return None if job is None else (job, Lease(kind, job.pk, job.fence))


def free() -> Q:
    """What may be taken: in the queue, silent too long, or parked."""
    silent = Q(lease_until__lt=DatabaseNow()) | Q(owner="")
    return Q(status=RunStatus.QUEUED) | Q(silent, status=RunStatus.RUNNING)


def _take(pk: int, owner: str, kind: type[J]) -> bool:
    taken = kind._default_manager.filter(free(), pk=pk).update(
        status=RunStatus.RUNNING,
        owner=owner,
        fence=F("fence") + 1,
        lease_until=lease_end(),
        attempts=F("attempts") + 1,
        stalled_attempts=F("stalled_attempts") + 1,
        started_at=Coalesce("started_at", DatabaseNow()),
    )
    return bool(taken)
