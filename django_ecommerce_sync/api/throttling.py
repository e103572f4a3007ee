"""How often: counted in the cache with atomic increments, so that threads cannot slip by."""

from __future__ import annotations

import hashlib
import logging
import time
import unicodedata
from contextlib import suppress
from math import ceil
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.cache import DEFAULT_CACHE_ALIAS, cache, caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ObjectDoesNotExist
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .conf import api_settings, throttle_rate
from .problems import Uncounted
from .serializers.tokens import name_field

logger = logging.getLogger("django_ecommerce_sync.api")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def has_increment(cache_class: type[BaseCache]) -> bool:
    """Whether it counts in one step; Django's stand-in reads and writes, and loses counts."""
    return cache_class.incr is not BaseCache.incr


class RateThrottle(BaseThrottle):
    """A number of requests in a window that opens with the first of them."""

    scope: ClassVar[str]
    #: Whether nobody is let through while the cache does not count.
    must_count: ClassVar[bool] = False
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
        try:
            return self._count(identity, _SECONDS[period[0]]) <= int(allowed)
        except Exception as error:  # each cache has errors of its own
            logger.warning("Requests for '%s' cannot be counted: %s", self.scope, error)
            if self.must_count:
                raise Uncounted() from error
            return True

    def wait(self) -> float:
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
        """Which request of its window this is."""
        digest = hashlib.sha256(f"{type(self).__name__}:{identity}".encode()).hexdigest()
        key = f"ecommerce_sync:throttle:{self.scope}:{digest}"
        for _window in range(2):  # one may close between the two calls
            self._until = time.time() + seconds
            if cache.add(key, 1, seconds):
                cache.set(f"{key}:until", self._until, seconds)
                return 1
            with suppress(ValueError):
                return self._increment(key)
        raise LookupError("The cache keeps nothing.")

    def _increment(self, key: str) -> int:
        self._until = cache.get(f"{key}:until", self._until)
        count = int(cache.incr(key))
        if not has_increment(type(caches[DEFAULT_CACHE_ALIAS])):
            # Django's stand-in for it has set the cache's own timeout.
            cache.touch(key, ceil(self.wait()))
        return count


class AddressThrottle(RateThrottle):
    """Requests from one address."""

    def identify(self, request: Request) -> str | None:
        return self.get_ident(request)


class LoginThrottle(RateThrottle):
    """Attempts to sign in; who could try without being counted would guess any password."""

    scope = "login"
    must_count = True


class LoginAddressThrottle(LoginThrottle, AddressThrottle):
    """Attempts to sign in from one address."""


class LoginNameThrottle(LoginThrottle):
    """Attempts to sign in under one name, from wherever they come."""

    def identify(self, request: Request) -> str | None:
        name = _sent_name(request)
        return name and _folded(name)


class LoginUserThrottle(LoginThrottle):
    """Attempts to sign in as one user, under whatever names the database finds him.

    MySQL's collations find ``admin`` by many. A name nobody has is counted here, too, so that
    neither the work nor the counters tell which users there are.
    """

    def identify(self, request: Request) -> str | None:
        name = _sent_name(request)
        if name is None:
            return None
        users: Any = get_user_model()._default_manager
        try:
            return f"user:{users.get_by_natural_key(name).pk}"
        except ObjectDoesNotExist:
            return f"name:{_folded(name)}"


class TokenThrottle(AddressThrottle):
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
