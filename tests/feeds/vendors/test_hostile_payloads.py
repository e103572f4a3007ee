"""A vendor's record of any shape costs itself: its mapping gives values, or says why not."""

import json
from datetime import UTC, datetime

import pytest

from django_ecommerce_sync.feeds import BadRow
from django_ecommerce_sync.feeds.vendors import (
    DjangoOscar,
    DummyJSON,
    FakeStore,
    GoogleMerchant,
    WooCommerce,
    google,
)
from tests.feeds.reading import rows

from . import test_oscar as oscar
from . import test_woocommerce as woo
from .nonsense import outcomes

KEYS = {"products": "sku", "variations": "sku", "customers": "email", "orders": "order_id"}
WOO = WooCommerce(url="https://shop.example", key_env="A", secret_env="B", variations=True)
OSCAR = DjangoOscar(url="https://shop.example/api/")
ADDRESSED = {"billing_address": oscar.ADDRESS, "surcharges": [], "number": "1", "email": "a@b.c"}
PRICES = ("price_excl_tax", "price_incl_tax", "price_excl_tax_excl_discounts")
OSCAR_LINE = {"quantity": 1, "stockrecord": "/1/", **dict.fromkeys(PRICES, "1")}
OSCAR_ORDER = {**ADDRESSED, "lines": [OSCAR_LINE], "total_incl_tax": "1", "total_excl_tax": "1"}
STOCK_RECORD = {**oscar.stock_record(1), "parent": {"title": "T", "categories": ["a > b"]}}
FEE = {"name": "x", "total": "1", "total_tax": "0"}
ITEM = {**dict.fromkeys(google._KEPT, "x"), **dict.fromkeys(("shipping", "link", "title"), "x")}
ITEM |= {"id": "1", "price": "1 USD", "sale_price": "1 USD", "sale_price_effective_date": "/"}
ITEM |= {"additional_image_link": "x", "product_type": "a > b", "gtin": "1", "description": "d"}
CART = {"id": 1, "total": 1, "discountedTotal": 1}
RECORDS = [
    (WOO, "products", woo.product(1, brands=[{"name": "b"}], global_unique_id="1")),
    (WOO, "variations", woo.variation(1, 2)),
    (WOO, "customers", woo.customer(1)),
    (WOO, "orders", woo.order(1, fee_lines=[FEE], refunds=[woo.REFUND])),
    (OSCAR, "products", STOCK_RECORD),
    (OSCAR, "customers", {"url": "/users/1/", "email": "a@b.example"}),
    (OSCAR, "orders", OSCAR_ORDER),
    (GoogleMerchant(url="feed"), "products", ITEM),
    (DummyJSON(), "orders", {**CART, "userId": 1, "products": [CART]}),
    (DummyJSON(), "customers", {"id": 1, "email": "a", "company": {}, "address": {}}),
    (FakeStore(), "orders", {"id": 1, "date": "", "products": [{"productId": 1}]}),
]


@pytest.mark.parametrize(("feed", "name", "record"), RECORDS)
def test_nonsense_rejects_the_record_and_nothing_else(feed, name, record):
    stream = feed.stream(name)
    assert dict in outcomes(stream, KEYS[name], record)


@pytest.mark.parametrize("dates", ["2026-01-01/9999-12-31", "0001-01-01T00:00+14:00/9999-12-31"])
def test_dates_at_the_end_of_time_are_no_crash(dates):
    row = {"sale_price": "1 USD", "sale_price_effective_date": dates}
    assert google.as_of(datetime.now(UTC), row) == row


@pytest.mark.parametrize("nonsense", [5, {"a": 1}, [5], [None], [[]]])
def test_stock_records_of_any_shape(server, nonsense):
    page = {"results": [{"id": 1, "stockrecords": nonsense}, {"id": 2, "url": 5}]}
    server.answer = lambda request: (200, {}, json.dumps(page).encode())
    found = rows(DjangoOscar(url=server.url, source="api"))
    assert len(found) == 2
    assert all(isinstance(row, BadRow) for row in found)
