"""System checks of ``ECOMMERCE_SYNC["API"]``, and of what around it opens the API to strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error

from .access import classes, open_doors
from .deployment import counters, long_lives, proxies
from .keys import own_key, signing, user_id
from .values import lifetimes, names, numbers, rates

__all__ = ["check_api", "check_api_deployment"]


def check_api(**kwargs: Any) -> list[CheckMessage]:
    """What cannot work, or is no secret."""
    configured = _configured()
    if configured is None:
        return []
    return [
        *names(configured),
        *numbers(configured),
        *lifetimes(configured),
        *rates(configured),
        *classes(configured),
        *signing(configured),
        *user_id(),
    ]


def check_api_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is good enough for trying things out only (``check --deploy``).

    Asked of settings that can work; of others their errors are said first.
    """
    if not _can_work():
        return []
    return [*counters(), *proxies(), *own_key(), *long_lives(), *open_doors()]


def _can_work() -> bool:
    is_dict = _configured() is not None
    return is_dict and not any(isinstance(each, Error) for each in check_api())


def _configured() -> Mapping[Any, Any] | None:
    """The dict there is, or None; that it must be one is said by the setting's own check."""
    whole: Any = getattr(django_settings, "ECOMMERCE_SYNC", {})
    configured = whole.get("API", {}) if isinstance(whole, Mapping) else None
    return configured if isinstance(configured, Mapping) else None
