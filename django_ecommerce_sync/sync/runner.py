"""Carrying out a run."""

from collections.abc import Callable

from ..models import SyncRun


def execute(run_id: int, *, progress: Callable[[SyncRun, str], None] | None = None) -> SyncRun:
    """Carry out a queued run, or take over one whose worker has died; a finished one stays as it is.

    ``progress`` is called after each batch with the run and the stream's name. Returns the run as it ended; what went
    wrong is in its ``status``, ``error_code`` and ``error``. Never raises FeedError.
    """
    raise NotImplementedError
