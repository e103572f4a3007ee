"""A record of any shape costs itself, however Shopify or Best Buy may come to send it."""

import pytest

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import BadRow
from django_ecommerce_sync.feeds.reshaping import reshaped
from django_ecommerce_sync.feeds.vendors import BestBuy, Shopify

from . import acme
from . import test_bestbuy as bestbuy
from . import test_shopify as rest
from . import test_shopify_bulk as bulk
from . import test_shopify_csv as export

NONSENSE = [None, True, 5, -1.5, "", "nonsense", [], {}, [5], ["x"], [None], [[]], {"a": {}}]
KEYS = {"products": "sku", "customers": "email", "orders": "order_id"}
REST = Shopify(shop="acme")
BULK = Shopify(source="bulk", files=dict.fromkeys(bulk.FILES, "/x"))
CSV = Shopify(source="csv", shop="acme", files=dict.fromkeys(export.FILES, "/x"))


def blank(name, row):
    """A row of an export with all of its columns."""
    return {**dict.fromkeys(export.COLUMNS[name], ""), **row}


RECORDS = [
    (REST, "products", [rest.SOCK]),
    (REST, "customers", [acme.customer(1)]),
    (REST, "orders", [acme.order(1)]),
    (BULK, "products", bulk.PRODUCTS[:2]),
    (BULK, "customers", bulk.CUSTOMERS[:1]),
    (BULK, "orders", bulk.ORDERS[:2]),
    (CSV, "products", [blank("products", export.PRODUCTS[0])]),
    (CSV, "customers", [blank("customers", export.CUSTOMERS[0])]),
    (CSV, "orders", [blank("orders", row) for row in export.ORDERS[:2]]),
    (BestBuy(), "products", [bestbuy.product(1)]),
    (BestBuy(source="openbox"), "products", [bestbuy.opened(1)]),
]


def spoiled(record):
    """The record with each of its values, at any depth, replaced by each piece of nonsense."""
    found = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in list(found):
        copies = [*NONSENSE]
        if isinstance(value, dict | list):
            copies += spoiled(value)
        for other in copies:
            copy = record.copy()
            copy[key] = other
            yield copy


@pytest.mark.parametrize(("feed", "name", "rows"), RECORDS)
def test_nonsense_rejects_the_record_and_nothing_else(feed, name, rows):
    stream = feed.stream(name)
    (first, *_) = reshaped(rows, stream)
    outcomes = set()
    for payload in spoiled(first):
        try:
            stream.identify(payload, KEYS[name])
            values = stream.map(payload)
        except RecordError as error:
            outcomes.add(error.code)
        else:
            outcomes.add(type(values))
    assert dict in outcomes


@pytest.mark.parametrize(("feed", "name", "rows"), RECORDS[:2])
def test_nonsense_where_a_record_should_be(feed, name, rows):
    stream = feed.stream(name)
    for payload in spoiled(rows[0]):
        for row in reshaped([payload], stream):
            if not isinstance(row, BadRow):
                stream.identify(row, KEYS[name])
