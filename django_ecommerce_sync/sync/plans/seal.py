"""Digests that tell whether two decisions are the same, and tell nothing else.

They are keyed with the project's secret and the plan: nobody can find an e-mail address by
trying, or see in two plans that they are about the same person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec
from django.conf import settings

Seal = Callable[..., str]


def seal_of(plan: int) -> Seal:
    """A function that digests its arguments for one plan, to 32 hexadecimal characters."""
    key = blake2b(f"{settings.SECRET_KEY} {plan}".encode(), digest_size=32).digest()
    encode = msgspec.json.Encoder(order="sorted", enc_hook=_plain, decimal_format="string").encode

    def seal(*parts: Any) -> str:
        return blake2b(encode(parts), digest_size=16, key=key).hexdigest()

    return seal


def canonical(value: Any) -> Any:
    """A value as one of its equals: 290.00 is 290, and an hour is one wherever it is told."""
    if isinstance(value, Decimal):
        return format(value.normalize() + 0, "f")
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return value


def _plain(value: Any) -> str:
    return str(value)
