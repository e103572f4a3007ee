"""What the API shows of each model, and what it takes."""

from .customers import CustomerSerializer
from .orders import OrderEventSerializer, OrderSerializer, TransitionSerializer
from .problems import ProblemSerializer
from .products import ProductSerializer
from .runs import (
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
    "OrderEventSerializer",
    "OrderSerializer",
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
    "TransitionSerializer",
]
