"""What feed authors test with."""

from ..feeds import MemoryFeed

__all__ = ["MemoryFeed"]
