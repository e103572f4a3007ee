"""What the API shows of each model, and what it takes."""

from .customers import CustomerSerializer
from .orders import OrderEventSerializer, OrderSerializer, TransitionSerializer
from .problems import ProblemSerializer
from .products import ProductSerializer
from .runs import (
    IssueGroupSerializer,
    PlannedChangeSerializer,
    RefreshResponseSerializer,
    RefreshSerializer,
    RetrySerializer,
    SyncIssueSerializer,
    SyncRunSerializer,
)
from .tokens import (
    RefreshTokenSerializer,
    SignInSerializer,
    TokenPairSerializer,
    TokenSerializer,
)

__all__ = [
    "CustomerSerializer",
    "IssueGroupSerializer",
    "OrderEventSerializer",
    "OrderSerializer",
    "PlannedChangeSerializer",
    "ProblemSerializer",
    "ProductSerializer",
    "RefreshResponseSerializer",
    "RefreshSerializer",
    "RefreshTokenSerializer",
    "RetrySerializer",
    "SignInSerializer",
    "SyncIssueSerializer",
    "SyncRunSerializer",
    "TokenPairSerializer",
    "TokenSerializer",
    "TransitionSerializer",
]
