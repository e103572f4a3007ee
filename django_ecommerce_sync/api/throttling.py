"""How often: counted in the cache with atomic increments, so that threads cannot slip by."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import ObjectDoesNotExist
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .conf import api_settings, throttle_rate
from .serializers.tokens import name_field

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class RateThrottle(BaseThrottle):
    """A number of requests in a window that opens with the first of them."""

    scope: ClassVar[str]
    _until: float = 0

    def identify(self, request: Request) -> str | None:
        """Who is counted; None where nobody is."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        rate = throttle_rate(self.scope)
        identity = self.identify(request) if rate else None
        if rate is None or identity is None:
            return True
        allowed, _slash, period = rate.partition("/")
        return self._count(identity, _SECONDS[period[0]]) <= int(allowed)

    def wait(self) -> float | None:
        """Seconds until the window closes."""
        return max(1.0, self._until - time.time())

    def get_ident(self, request: Request) -> str:
        """The address of whoever asks, behind as many proxies as the settings say."""
        address: str = request.META.get("REMOTE_ADDR", "")
        proxies = api_settings.NUM_PROXIES
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if proxies and forwarded != [""]:
            address = forwarded[-min(proxies, len(forwarded))].strip()
        return address

    def _count(self, identity: str, seconds: int) -> int:
        digest = hashlib.sha256(f"{type(self).__name__}:{identity}".encode()).hexdigest()
        key = f"ecommerce_sync:throttle:{self.scope}:{digest}"
        self._until = time.time() + seconds
        if cache.add(key, 1, seconds):
            cache.set(f"{key}:until", self._until, seconds)
            return 1
        self._until = cache.get(f"{key}:until", self._until)
        try:
            return int(cache.incr(key))
        except ValueError:  # the window closed between the two calls
            return 1


class LoginAddressThrottle(RateThrottle):
    """Attempts to sign in from one address."""

    scope = "login"

    def identify(self, request: Request) -> str | None:
        return self.get_ident(request)


class LoginNameThrottle(RateThrottle):
    """Attempts to sign in under one name, from wherever they come."""

    scope = "login"

    def identify(self, request: Request) -> str | None:
        name = _sent_name(request)
        return name and _folded(name)


class LoginUserThrottle(RateThrottle):
    """Attempts to sign in as one user, under whatever names the database finds him.

    MySQL's collations find ``admin`` by many. Names are counted apart from users, all of them:
    who counts those of nobody only tells which users there are.
    """

    scope = "login"

    def identify(self, request: Request) -> str | None:
        name = _sent_name(request)
        users: Any = get_user_model()._default_manager
        try:
            return name and str(users.get_by_natural_key(name).pk)
        except ObjectDoesNotExist:
            return None


class TokenThrottle(LoginAddressThrottle):
    """Exchanging, checking and revoking tokens from one address."""

    scope = "token"


class RefreshThrottle(RateThrottle):
    """Whole feeds that one user asks for."""

    scope = "refresh"

    def identify(self, request: Request) -> str | None:
        return str(request.user.pk)


class RunThrottle(RefreshThrottle):
    """What one user does about runs that are there."""

    scope = "runs"


def _sent_name(request: Request) -> str | None:
    """The name as it will be looked for; None where the body has none that could be."""
    body = request.data
    name = body.get(get_user_model().USERNAME_FIELD) if isinstance(body, dict) else None
    try:
        return str(name_field().run_validation(name))
    except ValidationError:
        return None


def _folded(name: str) -> str:
    """The same for names that some collation takes for one: no case, no accents, nothing unseen."""
    characters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(each for each in characters if unicodedata.category(each)[0] not in "CM")
