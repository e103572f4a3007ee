"""Asking for runs, handing them to whoever carries them out, and looking after them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..models import SyncRun


def request_run(
    feed: str,
    *,
    streams: Sequence[str] = (),
    dry_run: bool = False,
    full: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
    trigger: str = "cli",
    requested_by: Any = None,
) -> tuple[SyncRun, bool]:
    """A new queued run of ``feed``, or the one that is queued or running already; and whether it is new.

    Raises FeedNotFound or ConfigurationError for a name that does not exist.
    """
    raise NotImplementedError


def retry(run: SyncRun, *, trigger: str = "cli", requested_by: Any = None) -> tuple[SyncRun, bool]:
    """A new queued run that reads the feed again and applies only the rows rejected in ``run``."""
    raise NotImplementedError


def cancel(run: SyncRun) -> SyncRun:
    """End a queued run now, a running one after its present batch; a finished one stays as it is."""
    raise NotImplementedError


def dispatch(run: SyncRun) -> str:
    """Hand a queued run to the configured runner, after commit. Returns "celery", "thread", "inline", or
    "deferred" when the broker cannot be reached (dispatch_due will hand it over later). Does not raise."""
    raise NotImplementedError


def dispatch_due() -> list[SyncRun]:
    """What beat or cron calls every minute: start due schedules, hand over queued runs nobody
    took, and runs whose worker has died. Returns the runs handed over."""
    raise NotImplementedError
