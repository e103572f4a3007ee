"""The addresses under ``api/``."""

from __future__ import annotations

from typing import Any

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from .schema import Schema
from .views.health import LiveView, NowhereView, ReadyView
from .views.merging import DuplicateView, MergeView
from .views.orders import OrderView
from .views.resources import CustomerView, ProductView
from .views.runs import RefreshView, SyncRunView
from .views.schema import SchemaView
from .views.tokens import RefreshTokenView, RevokeTokenView, SignInView, VerifyTokenView

router = SimpleRouter(use_regex_path=False)
router.register("api/products", ProductView, basename="product")
router.register("api/customers", CustomerView, basename="customer")
router.register("api/orders", OrderView, basename="order")
router.register("api/sync-runs", SyncRunView, basename="syncrun")
router.register("api/duplicates", DuplicateView, basename="duplicate")
router.register("api/merges", MergeView, basename="merge")

endpoints: list[Any] = [
    path("api/token/", SignInView.as_view(), name="token"),
    path("api/token/refresh/", RefreshTokenView.as_view(), name="token-refresh"),
    path("api/token/verify/", VerifyTokenView.as_view(), name="token-verify"),
    path("api/token/blacklist/", RevokeTokenView.as_view(), name="token-blacklist"),
    path("api/refresh/", RefreshView.as_view(), name="refresh"),
    path("api/health/live/", LiveView.as_view(), name="health-live"),
    path("api/health/ready/", ReadyView.as_view(), name="health-ready"),
    *router.urls,
]

urlpatterns: list[Any] = [
    *endpoints,
    path("api/schema/", SchemaView.as_view(document=Schema(endpoints)), name="schema"),
    # Last, and a project's own addresses under api/ before ours: it answers everything.
    re_path(r"^api/", NowhereView.as_view(), name="nowhere"),
]
