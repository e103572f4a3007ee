"""The project's feeds; a record may ask its converter to do harm to the worker that reads it."""

import ctypes
import os
import signal
import time
from dataclasses import replace

from django_ecommerce_sync.feeds import (
    Bearer,
    ByteRanges,
    HTTPFeed,
    JSONLinesFeed,
    PageNumber,
    PageRanges,
    Stream,
)


def title(row):
    """The title; ``do`` is what a broken library or a hostile record would do to the process."""
    harm, _, argument = row.get("do", "").partition(" ")
    if harm == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif harm == "hog":
        ctypes.create_string_buffer(int(argument))
    elif harm == "sleep":
        time.sleep(float(argument))
    return row["title"]


FIELDS = {
    "sku": "sku",
    "name": title,
    "price": "price",
    "inventory_count": "stock",
    "description": "text",
}
PRODUCTS = Stream("products", external_id="id", currency="EUR", fields=FIELDS)


class Whole(JSONLinesFeed):
    """One document, a record on each line."""

    auth = Bearer(env="CHAOS_TOKEN")
    streams = [PRODUCTS]


class Paged(HTTPFeed):
    """The same in pages."""

    auth = Bearer(env="CHAOS_TOKEN")
    paginator = PageNumber()
    streams = [PRODUCTS]


class Ranges(HTTPFeed):
    """Pages that several workers read at the same time."""

    auth = Bearer(env="CHAOS_TOKEN")
    paginator = PageNumber(total="header:X-Total")
    streams = [replace(PRODUCTS, partitions=PageRanges(5))]


class Split(JSONLinesFeed):
    """A file that several workers read at the same time."""

    streams = [replace(PRODUCTS, partitions=ByteRanges(4, least=1))]
