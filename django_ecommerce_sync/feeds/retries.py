"""Whether a request that failed is made again, and when."""

from __future__ import annotations

import random
import re
from typing import Self

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from ..exceptions import FeedError

ATTEMPTS = 4
#: The longest we wait before a request, whatever the source asks for; in seconds.
MAX_WAIT = 60.0
RETRIED = frozenset({408, 429, 500, 502, 503, 504})


class Again(Exception):
    """An attempt failed with ``error``; another one may succeed.

    ``response`` is the answer that refused us, where there was one.
    """

    def __init__(self, error: FeedError, response: BaseHTTPResponse | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.response = response


class Policy(Retry):
    """urllib3's policy, asked by a loop of ours: the body is read inside the attempt."""

    def after(self, again: Again) -> Self:
        """The policy for what remains; raises the attempt's error when nothing does."""
        try:
            return self.increment("GET", response=again.response)
        except MaxRetryError:
            raise again.error from None

    def wait(self, again: Again) -> float:
        """Seconds until the next attempt: what the source asks for, or ever longer by chance."""
        return min(self._asked(again.response) or self.get_backoff_time(), MAX_WAIT)

    def get_backoff_time(self) -> float:
        # The base class makes the second attempt at once, and so do all workers together.
        return super().get_backoff_time() or random.uniform(0.5, 1)  # noqa: S311 - no secret

    def parse_retry_after(self, retry_after: str) -> float:
        # Shops send decimals, too, which no standard knows.
        if re.fullmatch(r"\s*[0-9]{1,9}\.[0-9]{1,6}\s*", retry_after, re.ASCII):
            return float(retry_after)
        return super().parse_retry_after(retry_after)

    def _asked(self, response: BaseHTTPResponse | None) -> float | None:
        try:
            return self.get_retry_after(response) if response is not None else None
        except (InvalidHeader, ValueError, OverflowError):  # neither a number nor a date
            return None


POLICY = Policy(
    total=ATTEMPTS - 1,
    status_forcelist=RETRIED,
    allowed_methods=frozenset({"GET"}),
    backoff_factor=1,
    backoff_jitter=1,
    backoff_max=MAX_WAIT,
)
