"""The outside world, down to payloads: sources, transports, formats, paginators, mappings.

Nothing here knows the database; the names below are what a feed's author needs.
"""

from .mapping import (
    Attributes,
    Const,
    Converter,
    First,
    Lines,
    Moment,
    Money,
    Number,
    OneOf,
    Path,
    Ref,
    Template,
    Text,
)
from .memory import MemoryFeed
from .records import MISSING, BadRow, Page, Payload, Reference
from .source import FeedSource, get_feed
from .streams import Archive, Keep, Since, Stream

__all__ = [
    "MISSING",
    "Archive",
    "Attributes",
    "BadRow",
    "Const",
    "Converter",
    "FeedSource",
    "First",
    "Keep",
    "Lines",
    "MemoryFeed",
    "Moment",
    "Money",
    "Number",
    "OneOf",
    "Page",
    "Path",
    "Payload",
    "Ref",
    "Reference",
    "Since",
    "Stream",
    "Template",
    "Text",
    "get_feed",
]
