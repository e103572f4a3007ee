"""A budget of requests that all workers share."""

from __future__ import annotations

import logging
import math
import re
from hashlib import blake2b
from time import monotonic, sleep, time

from celery.exceptions import SoftTimeLimitExceeded
from django.core.cache import cache

from ..exceptions import ConfigurationError, FeedUnreachable

logger = logging.getLogger(__name__)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: Slots a worker looks at before it waits and looks again.
_AHEAD = 16
#: How long a slot stays taken after its time, for workers whose clocks are not quite right.
_KEPT = 2
#: How long we go on alone before we ask a cache again that did not answer.
_ALONE = 60.0


def interval(rate: str) -> float:
    """Seconds from one request to the next, for ``"2/s"``, ``"120/m"``, ``"5000/h"``."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([smhd])", rate)
    if match is None:
        raise ConfigurationError(
            f"'{rate}' is no rate; write for example 2/s, 120/m, 5000/h or 10000/d."
        )
    return _SECONDS[match[2]] / int(match[1])


class RateBudget:
    """At most ``rate`` requests under one ``name``, evenly spread over time.

    Time is cut into slots of one request each. A slot belongs to whoever adds its key to the
    default cache first, so the budget is shared by everyone who shares that cache: all workers
    where it is Redis or Memcached, this process where it is local memory. Without a cache that
    answers, the object keeps to the rate by itself.
    """

    def __init__(self, name: str, rate: str) -> None:
        self.rate = rate
        self._interval = interval(rate)
        # Names may hold what a cache's keys may not.
        self._prefix = f"ecommerce_sync.rate.{blake2b(name.encode(), digest_size=12).hexdigest()}"
        # Keys are used over again, so that they crowd nothing else out of a cache in memory.
        self._keys = _AHEAD + math.ceil((_KEPT + 1) / self._interval) + 1
        self._last = 0
        self._alone_until = 0.0

    def wait(self, until: float) -> None:
        """Wait for the next free slot.

        Raises ``FeedUnreachable`` where it begins after ``until``, a time on the monotonic clock.
        """
        while True:
            first = max(int(time() / self._interval), self._last + 1)
            for slot in range(first, first + _AHEAD):
                self._refuse_after(until, slot)
                if self._take(slot):
                    self._last = slot
                    sleep(self._ahead(slot))
                    return
            sleep(self._ahead(first + _AHEAD))

    def _ahead(self, slot: int) -> float:
        """Seconds until a slot begins; 0 for the one we are in."""
        return max(slot * self._interval - time(), 0.0)

    def _refuse_after(self, until: float, slot: int) -> None:
        if monotonic() + self._ahead(slot) >= until:
            raise FeedUnreachable(
                "rate_budget",
                f"The rate of {self.rate} leaves no request before the deadline; raise either.",
            )

    def _take(self, slot: int) -> bool:
        """Whether the slot is ours now; where the cache does not answer, it is."""
        if monotonic() < self._alone_until:
            return True
        key = f"{self._prefix}.{slot % self._keys}"
        timeout = math.ceil(self._ahead(slot) + self._interval) + _KEPT
        try:
            return cache.add(key, slot, timeout)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # each backend has errors of its own, without a common root
            self._alone_until = monotonic() + _ALONE
            logger.warning(
                "The cache does not answer (%s); for %.0f seconds this worker keeps to the rate "
                "of %s by itself.",
                type(error).__name__,
                _ALONE,
                self.rate,
            )
            return True
