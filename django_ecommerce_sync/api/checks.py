"""System checks of ``ECOMMERCE_SYNC["API"]``, and of what around it opens the API to strangers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string
from rest_framework.permissions import AllowAny
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from ..checks.messages import error, guess, warning
from .conf import DEFAULT_RATES, ApiSettings, api_settings, classes, throttle_rate
from .throttling import has_increment

_PLACE = "ECOMMERCE_SYNC['API']"
#: The least and the greatest each number may be.
RANGES: Mapping[str, tuple[int, int]] = {
    "NUM_PROXIES": (0, 10),
    "PAGE_SIZE": (1, 1000),
    "MAX_PAGE_SIZE": (1, 1000),
    "MAX_BODY_SIZE": (1, 2**30),
    "MAX_BULK_BODY_SIZE": (1, 2**30),
    "MAX_BULK_ROWS": (1, 10_000),
    "MAX_QUEUED_BULK_ROWS": (0, 1_000_000),
    "MAX_EXPORT_ROWS": (1, 10_000_000),
}
CLASSES = ("AUTHENTICATION_CLASSES", "PERMISSION_CLASSES", "SCHEMA_PERMISSION_CLASSES")
LIFETIMES = ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME", "IDEMPOTENCY_KEY_LIFETIME")
#: Bytes of a key whose signature nobody can guess (RFC 7518, 3.2).
MIN_KEY = 32
#: Caches each process has for itself, or that keep nothing.
LOCAL_CACHES = (LocMemCache, DummyCache)
#: Longer lives than these make signing out a matter of form.
LONGEST = {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1), "REFRESH_TOKEN_LIFETIME": timedelta(30)}


def check_api(**kwargs: Any) -> list[CheckMessage]:
    """What cannot work, or is no secret."""
    configured: Any = api_settings.configured()
    if not isinstance(configured, Mapping):
        return []  # the setting's own check says so
    return [
        *_names(configured),
        *_numbers(configured),
        *_lifetimes(configured),
        *_rates(configured),
        *_classes(configured),
        *_key(),
    ]


def check_api_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is good enough for trying things out only (``check --deploy``)."""
    return [*_counters(), *_proxies(), *_own_key(), *_long_lives(), *_open_doors()]


def _names(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    known = ApiSettings.names()
    for name in configured:
        if name not in known:
            yield error("027", f"{_PLACE} has an unknown key {name!r}.", guess(name, known))


def _numbers(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name in RANGES.keys() & configured.keys():
        value, (low, high) = configured[name], RANGES[name]
        if type(value) is not int or not low <= value <= high:
            message = f"{_PLACE}['{name}'] is no whole number from {low} to {high}."
            yield error("028", message, f"The default is {vars(ApiSettings)[name]}.")


def _lifetimes(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name in LIFETIMES:
        value = configured.get(name, timedelta(1))
        if not isinstance(value, timedelta) or value <= timedelta(0):
            message = f"{_PLACE}['{name}'] is no timedelta above 0."
            yield error("029", message, f"The default is {vars(ApiSettings)[name]!r}.")


def _rates(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    rates = configured.get("THROTTLE_RATES", {})
    if not isinstance(rates, Mapping):
        yield error("030", f"{_PLACE}['THROTTLE_RATES'] is no dict.", "{'login': '5/min'}")
        return
    for scope, rate in rates.items():
        place = f"{_PLACE}['THROTTLE_RATES']"
        if scope not in DEFAULT_RATES:
            hint = guess(scope, list(DEFAULT_RATES))
            yield error("030", f"{place} has an unknown scope {scope!r}.", hint)
        elif rate is not None and not re.fullmatch(r"[1-9][0-9]*/(s|m|h|d)[a-z]*", str(rate)):
            hint = "Write a number per second, minute, hour or day: '5/min'. None switches it off."
            yield error("030", f"{place}[{scope!r}] is {rate!r}.", hint)


def _classes(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name in CLASSES:
        for path in configured.get(name, ()):
            try:
                found = import_string(path) if isinstance(path, str) else path
            except ImportError as reason:
                message = f"{_PLACE}['{name}'] cannot be imported: {reason}"
                yield error("031", message, "Give dotted paths of classes.")
                continue
            if not isinstance(found, type):
                message = f"{_PLACE}['{name}'] has {path!r}, which is no class."
                yield error("031", message, "Give dotted paths of classes.")


def _key() -> Iterator[CheckMessage]:
    """Whoever guesses the key signs in as whom he likes."""
    for key in _shared_keys():
        if len(key.encode() if isinstance(key, str) else key) < MIN_KEY:
            message = f"Tokens are signed with a key of fewer than {MIN_KEY} bytes."
            hint = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
            yield error("032", message, hint)


def _shared_keys() -> list[Any]:
    if not str(jwt_settings.ALGORITHM).startswith("HS"):
        return []  # the length of those keys is their libraries' concern
    return [jwt_settings.SIGNING_KEY, *api_settings.FORMER_SIGNING_KEYS]


def _counters() -> Iterator[CheckMessage]:
    if any(throttle_rate(scope) for scope in DEFAULT_RATES):
        yield from _cache(django_settings.CACHES.get(DEFAULT_CACHE_ALIAS, {}).get("BACKEND", ""))
    for scope in ("login", "token"):
        if throttle_rate(scope) is None:
            message = f"{_PLACE}['THROTTLE_RATES'] lets anybody guess: '{scope}' is not limited."
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


def _proxies() -> Iterator[CheckMessage]:
    behind = [
        name
        for name in ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
        if getattr(django_settings, name, None)
    ]
    if behind and not api_settings.NUM_PROXIES:
        message = f"{behind[0]} speaks of a proxy, and {_PLACE}['NUM_PROXIES'] is 0."
        hint = "Say how many of yours there are: else all that come through one share one limit."
        yield warning("006", message, hint)


def _own_key() -> Iterator[CheckMessage]:
    if jwt_settings.SIGNING_KEY == django_settings.SECRET_KEY:
        message = "Tokens are signed with SECRET_KEY: neither can be changed without the other."
        hint = "Give SIMPLE_JWT['SIGNING_KEY'] a key of its own."
        yield warning("007", message, hint)


def _long_lives() -> Iterator[CheckMessage]:
    for name, longest in LONGEST.items():
        if getattr(api_settings, name) > longest:
            message = f"{_PLACE}['{name}'] is longer than {longest}."
            yield warning("008", message, f"The default is {vars(ApiSettings)[name]!r}.")


def _open_doors() -> Iterator[CheckMessage]:
    if AllowAny in classes("PERMISSION_CLASSES") or not classes("PERMISSION_CLASSES"):
        message = f"{_PLACE}['PERMISSION_CLASSES'] lets anybody read and write everything."
        hint = "Leave it out, or name who may do what."
        yield warning("009", message, hint)
