"""The pages on Shopify and Best Buy speak of what exists: their examples can be built."""

import re
from pathlib import Path

import pytest

from django_ecommerce_sync.feeds import HTTPFeed, get_feed
from django_ecommerce_sync.feeds.vendors import BestBuy, Shopify

PAGES = Path(__file__).resolve().parents[3] / "docs" / "reference" / "vendors"
VENDORS = [(Shopify, "shopify.md"), (BestBuy, "bestbuy.md")]


def examples(page):
    """What the page's code blocks define."""
    defined = {}
    for code in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        exec(code, defined)
    return defined


@pytest.mark.parametrize(("vendor", "name"), VENDORS)
def test_the_settings_shown_are_right(settings, vendor, name):
    settings.ECOMMERCE_SYNC = examples((PAGES / name).read_text())["ECOMMERCE_SYNC"]
    (alias,) = settings.ECOMMERCE_SYNC["FEEDS"]
    feed = get_feed(alias)
    assert isinstance(feed, vendor)
    assert feed.check() == []


@pytest.mark.parametrize("name", ["BULK", "EXPORT"])
def test_the_options_shown_are_right(name):
    options = examples((PAGES / "shopify.md").read_text())[name]
    feed = Shopify(**options)
    assert feed.check() == []
    assert {stream.name for stream in feed.streams} == set(options["files"])


@pytest.mark.parametrize(("vendor", "name"), VENDORS)
def test_every_option_is_described(vendor, name):
    table = (PAGES / name).read_text().split("| option | |\n")[1].split("\n\n")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    own = set(vendor.option_names) - set(HTTPFeed.option_names)
    assert own <= described <= set(vendor.option_names)
