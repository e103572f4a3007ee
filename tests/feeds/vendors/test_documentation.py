"""The vendors' pages speak of what exists: their examples can be built, their options are real."""

import re
from pathlib import Path

import pytest

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import HTTPFeed, get_feed
from django_ecommerce_sync.feeds.vendors import DjangoOscar, GoogleMerchant, WooCommerce

PAGES = Path(__file__).resolve().parents[3] / "docs" / "reference" / "vendors"
VENDORS = [
    (WooCommerce, "woocommerce.md"),
    (GoogleMerchant, "google-merchant.md"),
    (DjangoOscar, "django-oscar.md"),
]


def text(page):
    return (PAGES / page).read_text(encoding="utf-8")


def first_cells(table):
    return [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize(("vendor", "page"), VENDORS)
def test_the_example_is_a_feed_that_is_configured_right(settings, vendor, page):
    (code,) = re.findall(r"^```python\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE)
    said = {}
    exec(code, said)
    settings.ECOMMERCE_SYNC = said["ECOMMERCE_SYNC"]
    for alias in said["ECOMMERCE_SYNC"]["FEEDS"]:
        feed = get_feed(alias)
        assert isinstance(feed, vendor)
        assert feed.check() == []


@pytest.mark.parametrize(("vendor", "page"), VENDORS)
def test_the_options_described_are_those_there_are(vendor, page):
    table = text(page).split("| option | |\n")[1].split("\n\n")[0]
    named = {name for cell in first_cells(table) for name in re.findall(r"`(\w+)`", cell)}
    assert named <= set(vendor.option_names)
    if vendor is not GoogleMerchant:  # which has those of every document as well
        assert named == set(vendor.option_names) - set(HTTPFeed.option_names)


def examples():
    """Every text of the table of prices, with what the table says of it."""
    table = text("google-merchant.md").split("## Prices")[1].split("\n\n")[1]
    for line in table.splitlines():
        for price in re.findall(r"`([^`]+)`", line.split("|")[1]):
            yield price, line.split("|")[2].strip()


@pytest.mark.parametrize(("price", "said"), list(examples()))
def test_prices_are_read_as_the_table_says(price, said):
    row = {"id": "1", "price": price}

    def read(**options):
        return GoogleMerchant(url="feed", **options).streams[0].map(row)

    if "rejected" in said:
        with pytest.raises(RecordError):
            read()
    else:
        amount, currency = said.split(" in ")
        assert (read()["price"], read()["currency"]) == (amount, currency)
    if "decimal" in said:
        assert read(decimal=",")["currency"] == "EUR"
    if "option `currency`" in said:
        assert read(currency="CHF")["currency"] == "CHF"
