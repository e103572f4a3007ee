"""The project's feeds; a record may ask its converter to do harm to the worker that reads it."""

import ctypes
import os
import signal
import time

from django_ecommerce_sync.feeds import Bearer, HTTPFeed, JSONLinesFeed, PageNumber, Stream


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
