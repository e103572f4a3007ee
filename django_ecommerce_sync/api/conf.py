"""The API's settings, read live from ``ECOMMERCE_SYNC["API"]``; defaults beside the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, cast

from django.utils.module_loading import import_string

from ..orders.conf import OrderSettings

#: Attempts in a period by scope; a project's own dict is laid over this one.
DEFAULT_RATES: Mapping[str, str | None] = {
    "login": "5/min",  # per address and, apart from that, per user name
    "token": "60/min",  # refresh, verify and blacklist, per address
    "refresh": "6/hour",  # POST /api/refresh/, per user
    "runs": "60/hour",  # cancel, retry and apply, per user
}


class ApiSettings(OrderSettings):
    """Typed view of ``ECOMMERCE_SYNC["API"]``; classes are given by dotted path."""

    #: Who is asking; the first one names the scheme in ``WWW-Authenticate``.
    AUTHENTICATION_CLASSES: Sequence[str] = (
        "django_ecommerce_sync.api.authentication.JWTAuthentication",
        "django_ecommerce_sync.api.authentication.SessionAuthentication",
    )
    #: Who may use the resources.
    PERMISSION_CLASSES: Sequence[str] = ("django_ecommerce_sync.api.permissions.ModelPermissions",)
    #: Who may see the schema and the Swagger page.
    SCHEMA_PERMISSION_CLASSES: Sequence[str] = ("rest_framework.permissions.AllowAny",)
    #: ``{"login": "5/min", ...}``: number/second, minute, hour or day; None switches one off.
    THROTTLE_RATES: Mapping[str, str | None] = {}
    #: Proxies of yours in front of Django. 0: ``X-Forwarded-For`` is ignored.
    NUM_PROXIES: int = 0
    PAGE_SIZE: int = 50
    MAX_PAGE_SIZE: int = 200
    #: Bytes a request body may have.
    MAX_BODY_SIZE: int = 1024 * 1024
    #: The same for ``bulk/``.
    MAX_BULK_BODY_SIZE: int = 10 * 1024 * 1024
    #: Rows of one request to ``bulk/`` that are carried out before it is answered.
    MAX_BULK_ROWS: int = 1000
    #: Rows of one request to ``bulk/``; above ``MAX_BULK_ROWS`` a run carries them out.
    MAX_QUEUED_BULK_ROWS: int = 50_000
    #: Rows of one file, CSV or JSON Lines.
    MAX_EXPORT_ROWS: int = 100_000
    ACCESS_TOKEN_LIFETIME: timedelta = timedelta(minutes=5)
    REFRESH_TOKEN_LIFETIME: timedelta = timedelta(days=1)
    #: Keys tokens were signed with before: those are good until they expire. Newest first.
    FORMER_SIGNING_KEYS: Sequence[str] = ()
    #: How long a POST's answer is kept for its ``Idempotency-Key``.
    IDEMPOTENCY_KEY_LIFETIME: timedelta = timedelta(days=1)
    #: ``user -> Customer | None``: whose orders somebody without rights may see, as their own.
    CUSTOMER_OF_USER: str | None = None
    #: The title of the schema and of the Swagger page.
    TITLE: str = "E-commerce sync"

    @classmethod
    def names(cls) -> list[str]:
        """Every key ``ECOMMERCE_SYNC["API"]`` may hold."""
        return sorted(name for name in dir(cls) if name.isupper())


api_settings = ApiSettings()
_imported = cache(import_string)


def classes(name: str) -> list[type[Any]]:
    """The classes a setting names; classes themselves are taken as they are."""
    configured = cast(Sequence[Any], getattr(api_settings, name))
    return [_imported(item) if isinstance(item, str) else item for item in configured]


def throttle_rate(scope: str) -> str | None:
    """The rate of a scope, or None where it is not limited."""
    return {**DEFAULT_RATES, **api_settings.THROTTLE_RATES}[scope]


def customer_of(user: Any) -> Any:
    """The customer a user is, by the project's own function; None where it has none."""
    find: Any = api_settings.CUSTOMER_OF_USER
    if isinstance(find, str):
        find = import_string(find)
    return find(user) if find is not None and user.is_authenticated else None
