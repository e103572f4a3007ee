"""The tables of the app; the names are the contract, see docs/reference/models.md."""

from .base import SyncedModel
from .catalog import Availability, Product, ProductStatus
from .customers import Customer, CustomerStatus
from .fields import KeyField, MoneyField
from .orders import (
    LOCAL_SOURCE,
    FulfillmentStatus,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
)
from .records import (
    ACTIVE,
    COUNTS,
    OUTCOMES,
    SLOT,
    IssueState,
    RevokedToken,
    RunStatus,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)

__all__ = [
    "ACTIVE",
    "COUNTS",
    "LOCAL_SOURCE",
    "OUTCOMES",
    "SLOT",
    "Availability",
    "Customer",
    "CustomerStatus",
    "FulfillmentStatus",
    "IssueState",
    "KeyField",
    "MoneyField",
    "Order",
    "OrderLine",
    "OrderStatus",
    "PaymentStatus",
    "Product",
    "ProductStatus",
    "RevokedToken",
    "RunStatus",
    "SyncIssue",
    "SyncLink",
    "SyncRun",
    "SyncSchedule",
    "SyncedModel",
]
