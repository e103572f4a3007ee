"""The admin's pages, one module for each kind of row."""

from .catalog import ProductAdmin
from .customers import CustomerAdmin
from .history import SyncIssueAdmin, SyncLinkAdmin
from .merging import MergeAdmin, MergeCandidateAdmin
from .orders import OrderAdmin
from .plans import PlannedChangeAdmin
from .runs import SyncRunAdmin
from .schedules import SyncScheduleAdmin

__all__ = [
    "CustomerAdmin",
    "MergeAdmin",
    "MergeCandidateAdmin",
    "OrderAdmin",
    "PlannedChangeAdmin",
    "ProductAdmin",
    "SyncIssueAdmin",
    "SyncLinkAdmin",
    "SyncRunAdmin",
    "SyncScheduleAdmin",
]
