"""The tables of the app; the names are the contract, see docs/reference/models.md."""

from .base import SyncedModel
from .catalog import Availability, Product, ProductStatus
from .changes import ChangeAction, SyncChange
from .customers import Customer, CustomerStatus
from .events import OrderEvent, OrderEventKind
from .fields import (
    CURRENCIES,
    UNPRINTABLE,
    CodeField,
    CurrencyField,
    EmailKeyField,
    KeyField,
    MoneyField,
    is_too_large,
)
from .jobs import ACTIVE, Job, RunStatus
from .merging import CandidateState, Merge, MergeCandidate
from .orders import (
    LOCAL_SOURCE,
    ZERO,
    FulfillmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)
from .partitions import MetInPartition, SyncPartition
from .plans import PlannedAction, PlannedChange
from .records import (
    COUNTS,
    OUTCOMES,
    SLOT,
    IssueState,
    MetLinks,
    RevokedToken,
    StreamState,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)
from .requests import BULK, BULK_FEED, IdempotencyKey, SentRow, SentRowStatus

__all__ = [
    "ACTIVE",
    "BULK",
    "BULK_FEED",
    "COUNTS",
    "CURRENCIES",
    "LOCAL_SOURCE",
    "OUTCOMES",
    "SLOT",
    "UNPRINTABLE",
    "ZERO",
    "Availability",
    "CandidateState",
    "ChangeAction",
    "CodeField",
    "CurrencyField",
    "Customer",
    "CustomerStatus",
    "EmailKeyField",
    "FulfillmentStatus",
    "IdempotencyKey",
    "IssueState",
    "Job",
    "KeyField",
    "Merge",
    "MergeCandidate",
    "MetInPartition",
    "MetLinks",
    "MoneyField",
    "Order",
    "OrderEvent",
    "OrderEventKind",
    "OrderLine",
    "OrderStatus",
    "PaymentStatus",
    "PlannedAction",
    "PlannedChange",
    "Product",
    "ProductStatus",
    "RevokedToken",
    "RunStatus",
    "SentRow",
    "SentRowStatus",
    "StreamState",
    "SyncChange",
    "SyncIssue",
    "SyncLink",
    "SyncPartition",
    "SyncRun",
    "SyncSchedule",
    "SyncedModel",
    "is_too_large",
]
