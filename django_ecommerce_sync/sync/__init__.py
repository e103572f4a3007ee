"""Payloads to rows: match (only reads) → changes → apply (only writes) → report.

The doors (command line, tasks, admin, API) call the names below and nothing deeper.
"""

from .runner import execute
from .runs import apply_plan, cancel, check_plan, dispatch, dispatch_due, request_run, retry

__all__ = [
    "apply_plan",
    "cancel",
    "check_plan",
    "dispatch",
    "dispatch_due",
    "execute",
    "request_run",
    "retry",
]
