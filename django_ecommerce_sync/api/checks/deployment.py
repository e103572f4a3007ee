"""What a project that is deployed has besides: a cache, proxies, tokens that do not last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from ...checks.messages import API, warning
from ..conf import DEFAULT_RATES, ApiSettings, api_settings, throttle_rate
from ..throttling import has_increment

#: Caches each process has for itself, or that keep nothing.
LOCAL_CACHES = (LocMemCache, DummyCache)
#: Longer lives than these make signing out a matter of form.
LONGEST = {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1), "REFRESH_TOKEN_LIFETIME": timedelta(30)}


def counters() -> Iterator[CheckMessage]:
    """Whether attempts are limited, and counted for all processes."""
    if any(throttle_rate(scope) for scope in DEFAULT_RATES):
        yield from _cache(django_settings.CACHES.get(DEFAULT_CACHE_ALIAS, {}).get("BACKEND", ""))
    for scope in ("login", "token"):
        if throttle_rate(scope) is None:
            message = f"{API}['THROTTLE_RATES'] lets anybody guess: '{scope}' is not limited."
            yield warning("005", message, f"The default is {DEFAULT_RATES[scope]!r}.")


def _cache(backend: str) -> Iterator[CheckMessage]:
    try:
        found: Any = import_string(backend)
    except ImportError:
        return  # Django says so itself
    hint = "Give CACHES['default'] one that counts for all processes, such as Redis."
    if issubclass(found, LOCAL_CACHES):
        message = f"Attempts are counted in {found.__name__}: each process counts alone."
        yield warning("004", message, hint)
    elif not has_increment(found):
        message = f"Attempts are counted in {found.__name__}, which loses some of those at once."
        yield warning("004", message, hint)


def proxies() -> Iterator[CheckMessage]:
    """Whether all visitors look like one."""
    behind = [
        name
        for name in ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
        if getattr(django_settings, name, None)
    ]
    if behind and not api_settings.NUM_PROXIES:
        message = f"{behind[0]} speaks of a proxy, and {API}['NUM_PROXIES'] is 0."
        hint = "Say how many of yours there are: else all that come through one share one limit."
        yield warning("006", message, hint)


def long_lives() -> Iterator[CheckMessage]:
    """Whether signing out ends anything."""
    for name, longest in LONGEST.items():
        if getattr(api_settings, name) > longest:
            message = f"{API}['{name}'] is longer than {longest}."
            yield warning("008", message, f"The default is {vars(ApiSettings)[name]!r}.")
