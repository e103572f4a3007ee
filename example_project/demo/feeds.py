"""The demo's feed: another shop that speaks DummyJSON's dialect, but counts in euros."""

from __future__ import annotations

from dataclasses import replace

from django_ecommerce_sync.feeds.vendors import DummyJSON


class DemoShop(DummyJSON):
    """``DummyJSON`` with its amounts in euros."""

    streams = tuple(
        replace(stream, currency="EUR") if stream.currency else stream
        for stream in DummyJSON.streams
    )
