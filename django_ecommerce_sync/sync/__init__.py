"""Payloads to rows: match (only reads) → changes → apply (only writes) → report.

The doors (command line, tasks, admin, API) call the names below and nothing deeper.
"""

from .runner import execute
from .runs import cancel, dispatch, dispatch_due, request_run, retry
from .totals import complete_order
from .upsert import Outcome, Upserted, upsert

__all__ = [
    "Outcome",
    "Upserted",
    "cancel",
    "complete_order",
    "dispatch",
    "dispatch_due",
    "execute",
    "request_run",
    "retry",
    "upsert",
]
