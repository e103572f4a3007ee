"""The outside world, down to payloads: sources, transports, formats, paginators, mappings.

Nothing here knows the database; the names below are what a feed's author needs.
"""

from .auth import Auth, Basic, Bearer, Header, Query
from .files import CSVFeed, JSONFeed, JSONLinesFeed, XLSXFeed, XMLFeed
from .formats import CSV, JSON, XLSX, XML, Content, Format, JSONLines
from .http import HTTPFeed
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
from .pagination import (
    Answer,
    Cursor,
    Keyset,
    LinkHeader,
    NextURL,
    NoPages,
    Offset,
    PageNumber,
    Paginator,
)
from .partitions import ByteRanges, Files, IdRanges, PageRanges, Partitions, TimeWindows
from .records import MISSING, BadRow, Encoding, Page, Payload, RawRow, RawRows, Reference
from .source import FeedSource, get_feed
from .streams import Archive, Keep, Policy, Since, Stream

__all__ = [
    "CSV",
    "JSON",
    "MISSING",
    "XLSX",
    "XML",
    "Answer",
    "Archive",
    "Attributes",
    "Auth",
    "BadRow",
    "Basic",
    "Bearer",
    "ByteRanges",
    "CSVFeed",
    "Const",
    "Content",
    "Converter",
    "Cursor",
    "Encoding",
    "FeedSource",
    "Files",
    "First",
    "Format",
    "HTTPFeed",
    "Header",
    "IdRanges",
    "JSONFeed",
    "JSONLines",
    "JSONLinesFeed",
    "Keep",
    "Keyset",
    "Lines",
    "LinkHeader",
    "MemoryFeed",
    "Moment",
    "Money",
    "NextURL",
    "NoPages",
    "Number",
    "Offset",
    "OneOf",
    "Page",
    "PageNumber",
    "PageRanges",
    "Paginator",
    "Partitions",
    "Path",
    "Payload",
    "Policy",
    "Query",
    "RawRow",
    "RawRows",
    "Ref",
    "Reference",
    "Since",
    "Stream",
    "Template",
    "Text",
    "TimeWindows",
    "XLSXFeed",
    "XMLFeed",
    "get_feed",
]
