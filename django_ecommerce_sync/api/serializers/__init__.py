"""What the API shows of each model, and what it takes."""

from .customers import CustomerSerializer
from .orders import OrderSerializer
from .problems import ProblemSerializer
from .products import ProductSerializer
from .runs import (
    PlannedChangeSerializer,
    RefreshResponseSerializer,
    RefreshSerializer,
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
    "OrderSerializer",
    "PlannedChangeSerializer",
    "ProblemSerializer",
    "ProductSerializer",
    "RefreshResponseSerializer",
    "RefreshSerializer",
    "RefreshTokenSerializer",
    "SignInSerializer",
    "SyncIssueSerializer",
    "SyncRunSerializer",
    "TokenPairSerializer",
    "TokenSerializer",
]
