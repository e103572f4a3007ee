"""System checks of the ``ECOMMERCE_SYNC`` setting."""

from typing import Any

from django.core.checks import CheckMessage


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return []
