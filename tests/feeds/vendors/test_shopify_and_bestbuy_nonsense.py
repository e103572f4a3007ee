"""A record of any shape costs itself, however Shopify or Best Buy may come to send it."""

import pytest

from django_ecommerce_sync.feeds import BadRow
from django_ecommerce_sync.feeds.reshaping import reshaped
from django_ecommerce_sync.feeds.vendors import BestBuy, Shopify

from . import acme
from . import test_bestbuy as bestbuy
from . import test_shopify as rest
from . import test_shopify_bulk as bulk
from . import test_shopify_csv as export
from .nonsense import outcomes, spoiled

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


@pytest.mark.parametrize(("feed", "name", "rows"), RECORDS)
def test_nonsense_rejects_the_record_and_nothing_else(feed, name, rows):
    stream = feed.stream(name)
    (first, *_) = reshaped(rows, stream)
    assert dict in outcomes(stream, KEYS[name], first)


@pytest.mark.parametrize(("feed", "name", "rows"), RECORDS[:2])
def test_nonsense_where_a_record_should_be(feed, name, rows):
    stream = feed.stream(name)
    for payload in spoiled(rows[0]):
        for row in reshaped([payload], stream):
            if not isinstance(row, BadRow):
                stream.identify(row, KEYS[name])
