"""The settings themselves: their names, types and ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage

from ..conf import Settings, settings
from ..models import CURRENCIES
from .messages import error, guess, warning

RUNNERS = ("auto", "celery", "thread", "inline")
#: What each setting must be, and the least and greatest a number may be.
TYPES: Mapping[str, type] = {
    "FEEDS": Mapping,
    "RUNNER": str,
    "BATCH_SIZE": int,
    "LOCAL_INFILE": bool,
    "DEFAULT_CURRENCY": str,
    "LEASE_SECONDS": int,
    "TASK_SECONDS": int,
    "MAX_ATTEMPTS": int,
    "KEEP_RUNS_DAYS": int,
    "KEEP_MERGES_DAYS": int,
    "CHANGE_LOG": bool,
    "KEEP_CHANGES_DAYS": int,
    "PIN_EDITS": bool,
    "ALLOW_PRIVATE_ADDRESSES": bool,
    "API": Mapping,
}
RANGES: Mapping[str, tuple[int, int]] = {
    "BATCH_SIZE": (1, 10_000),
    "LEASE_SECONDS": (10, 3600),
    "TASK_SECONDS": (10, 86_400),
    "MAX_ATTEMPTS": (1, 100),
    "KEEP_RUNS_DAYS": (1, 36_500),
    "KEEP_MERGES_DAYS": (1, 36_500),
    "KEEP_CHANGES_DAYS": (1, 36_500),
}
TYPE_NAMES = {Mapping: "a dict", str: "a string", int: "a whole number", bool: "True or False"}


def names(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Keys nobody reads."""
    known = Settings.names()
    for name in configured:
        if name not in known:
            message = f"ECOMMERCE_SYNC has an unknown key {name!r}."
            yield error("002", message, guess(name, known))


def values(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Values of the wrong type, or out of range."""
    for name, expected in TYPES.items():
        if name not in configured:
            continue
        value = configured[name]
        if not is_a(value, expected):
            given = type(value).__name__  # not the value: it may hold a secret
            message = f"ECOMMERCE_SYNC['{name}'] must be {TYPE_NAMES[expected]}, not a {given}."
            yield error("003", message, f"The default is {vars(Settings)[name]!r}.")
        elif name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
            low, high = RANGES[name]
            message = f"ECOMMERCE_SYNC['{name}'] is {value}."
            yield error("005", message, f"Choose a number from {low} to {high}.")
    currency = configured.get("DEFAULT_CURRENCY", "USD")
    if isinstance(currency, str) and currency not in CURRENCIES:
        message = f"ECOMMERCE_SYNC['DEFAULT_CURRENCY'] is no currency: {currency!r}."
        yield error("006", message, "Give an ISO 4217 code such as EUR.")


def is_a(value: Any, expected: type) -> bool:
    """``isinstance``, where True is no number."""
    return isinstance(value, expected) and (expected is not int or not isinstance(value, bool))


def runner() -> Iterator[CheckMessage]:
    """Whether there is such a runner, and what it needs."""
    chosen: Any = settings.RUNNER
    if isinstance(chosen, str) and chosen not in RUNNERS:
        message = f"ECOMMERCE_SYNC['RUNNER'] is {chosen!r}."
        yield error("004", message, f"Choose one of: {', '.join(RUNNERS)}.")
    if chosen == "celery" and not current_app.conf.broker_url:
        message = "ECOMMERCE_SYNC['RUNNER'] is 'celery', but Celery has no broker."
        hint = "Set CELERY_BROKER_URL and load the project's Celery app in its __init__.py."
        yield error("007", message, hint)


def time_zones() -> Iterator[CheckMessage]:
    """Whether times can be told: feeds and the API speak of points in time, in UTC."""
    if not django_settings.USE_TZ:
        message = "USE_TZ is False: points in time would be kept without their zone."
        yield error("038", message, "Set USE_TZ = True, Django's default since 5.0.")


def installed() -> Iterator[CheckMessage]:
    """Apps the pages of this one need."""
    for app in ("drf_spectacular", "drf_spectacular_sidecar"):
        if not apps.is_installed(app):
            message = f"'{app}' is not in INSTALLED_APPS: /swagger/ will not work."
            yield warning("001", message, f"Add '{app}' to INSTALLED_APPS.")
