"""Who may write for a run: a lease with a fencing number, on the database's clock.

Taking the lease counts the fence up; every batch checks, under the run's row lock, that the
fence is still the one it was given. A worker that was silent too long, frozen or cut off finds
its number outdated and writes nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ..conf import settings
from ..exceptions import LeaseLost
from ..models import RunStatus, SyncRun


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


def acquire(run_id: int) -> tuple[SyncRun, Lease] | None:
    """Take a queued run, or one whose worker has been silent too long; None if there is neither."""
    with transaction.atomic():
        free = Q(status=RunStatus.QUEUED) | Q(
            status=RunStatus.RUNNING, lease_until__lt=DatabaseNow()
        )
        taken = SyncRun.objects.filter(free, pk=run_id).update(
            status=RunStatus.RUNNING,
            owner=uuid.uuid4().hex,
            fence=F("fence") + 1,
            lease_until=lease_end(),
            attempts=F("attempts") + 1,
            stalled_attempts=F("stalled_attempts") + 1,
        )
        if not taken:
            return None
        run = SyncRun.objects.select_for_update().get(pk=run_id)
        if run.started_at is None:
            run.started_at = timezone.now()
            run.save(update_fields=["started_at"])
        return run, Lease(run.pk, run.fence)
