"""Payloads to rows: match (only reads) → changes → apply (only writes) → report.

The doors (command line, tasks, admin, API) call the names below and nothing deeper.
"""

from .errands import register_errand
from .issues import IssueGroup, issue_groups
from .retries import MAX_CHOSEN, retry, retry_rows
from .runner import execute, has_work
from .runs import (
    apply_plan,
    call_help,
    cancel,
    check_plan,
    dispatch,
    dispatch_due,
    dispatch_lost,
    request_run,
)
from .totals import complete_order
from .upsert import Outcome, Upserted, upsert
from .warnings import warn

__all__ = [
    "MAX_CHOSEN",
    "IssueGroup",
    "Outcome",
    "Upserted",
    "apply_plan",
    "call_help",
    "cancel",
    "check_plan",
    "complete_order",
    "dispatch",
    "dispatch_due",
    "dispatch_lost",
    "execute",
    "has_work",
    "issue_groups",
    "register_errand",
    "request_run",
    "retry",
    "retry_rows",
    "upsert",
    "warn",
]
