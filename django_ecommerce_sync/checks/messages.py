"""What complaints look like: an id, a sentence, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from django.core.checks import Error, Warning

#: Where the API's settings are.
API = "ECOMMERCE_SYNC['API']"


def error(number: str, message: str, hint: str) -> Error:
    """A setting that cannot work."""
    return Error(message, hint=hint, id=f"ecommerce_sync.E{number}")


def warning(number: str, message: str, hint: str) -> Warning:
    """A setting that works, with something missing."""
    return Warning(message, hint=hint, id=f"ecommerce_sync.W{number}")


def guess(name: Any, known: Sequence[str]) -> str:
    """What may have been meant by an unknown name, or all there is; case is no obstacle."""
    spelled = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(str(name).casefold(), spelled, n=1)
    if close:
        return f"Did you mean '{spelled[close[0]]}'?"
    return f"There is: {', '.join(sorted(known))}."
