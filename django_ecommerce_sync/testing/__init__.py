"""What feed authors test with: a double of a feed, and the contract every feed keeps.

``FeedContract`` is a class for pytest, which a production environment need not have: it is
imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..feeds import MemoryFeed
from .server import Response

if TYPE_CHECKING:
    from .contract import FeedContract

__all__ = ["FeedContract", "MemoryFeed", "Response"]


def __getattr__(name: str) -> Any:
    if name == "FeedContract":
        return import_module(".contract", __name__).FeedContract
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
