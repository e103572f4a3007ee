"""How these tests look at a feed."""

import io

from django_ecommerce_sync.feeds import BadRow, Stream
from django_ecommerce_sync.feeds.document import Document

FIELDS = {"sku": "sku", "name": "name"}


def pages(feed, name=None, cursor=None):
    """Every page of a stream as (rows, cursor, total)."""
    with feed:
        stream = feed.stream(name) if name else feed.streams[0]
        return [(list(page.rows), page.cursor, page.total) for page in feed.fetch(stream, cursor)]


def rows(feed, name=None, cursor=None):
    """Every row of a stream."""
    return [row for page, _, _ in pages(feed, name, cursor) for row in page]


def parse(format, content, **stream):
    """The content a format finds in some bytes."""
    options = {"fields": FIELDS} | stream
    document = Document(io.BytesIO(content), "feed")
    return format.read(document, Stream("products", **options))


def found(format, content, **stream):
    """The rows a format finds: payloads, and the codes of bad rows."""
    return codes(parse(format, content, **stream).rows)


def codes(rows):
    """The rows with each bad one replaced by its code."""
    return [row.error.code if isinstance(row, BadRow) else row for row in rows]
