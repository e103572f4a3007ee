"""What a person should know of a run though nothing was rejected for it."""

from __future__ import annotations

from ..models import SyncRun


def warn(run: SyncRun, stream: str, code: str, message: str, *, count: int = 1) -> None:
    """Add a warning to a run; of a kind that is there the first is the example, others count.

    The caller saves the run.
    """
    for known in run.warnings:
        if (known["stream"], known["code"]) == (stream, code):
            known["count"] += count
            return
    run.warnings.append({"stream": stream, "code": code, "count": count, "message": message})
