"""The tables of the app; the names are the contract, see docs/reference/models.md."""

from .base import SyncedModel
from .catalog import Availability, Product, ProductStatus
from .customers import Customer, CustomerStatus
from .fields import (
    CURRENCIES,
    CodeField,
    CurrencyField,
    EmailKeyField,
    KeyField,
    MoneyField,
    is_too_large,
)
from .merging import CandidateState, Merge, MergeCandidate
from .orders import (
    LOCAL_SOURCE,
    FulfillmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)
from .plans import PlannedAction, PlannedChange
from .records import (
    ACTIVE,
    COUNTS,
    OUTCOMES,
    SLOT,
    IssueState,
    RevokedToken,
    RunStatus,
    StreamState,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)

__all__ = [
    "ACTIVE",
    "COUNTS",
    "CURRENCIES",
    "LOCAL_SOURCE",
    "OUTCOMES",
    "SLOT",
    "Availability",
    "CandidateState",
    "CodeField",
    "CurrencyField",
    "Customer",
    "CustomerStatus",
    "EmailKeyField",
    "FulfillmentStatus",
    "IssueState",
    "KeyField",
    "Merge",
    "MergeCandidate",
    "MoneyField",
    "Order",
    "OrderLine",
    "OrderStatus",
    "PaymentStatus",
    "PlannedAction",
    "PlannedChange",
    "Product",
    "ProductStatus",
    "RevokedToken",
    "RunStatus",
    "StreamState",
    "SyncIssue",
    "SyncLink",
    "SyncRun",
    "SyncSchedule",
    "SyncedModel",
    "is_too_large",
]
