"""Payloads to rows: match (only reads) → changes → apply (only writes) → report.

The doors (command line, tasks, admin, API) call the names below and nothing deeper.
"""

from .runner import execute
from .runs import cancel, dispatch, dispatch_due, dispatch_lost, request_run, retry

__all__ = [
    "cancel",
    "dispatch",
    "dispatch_due",
    "dispatch_lost",
    "execute",
    "request_run",
    "retry",
]
