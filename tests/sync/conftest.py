"""A feed in memory, configured and run in one call."""

import pytest

from django_ecommerce_sync.feeds import Attributes, Lines, MemoryFeed, Ref, Stream, Text
from django_ecommerce_sync.models import COUNTS, OUTCOMES
from django_ecommerce_sync.sync import execute, request_run


def seeds(number, *, everywhere):
    """Seeds to try: all of them on one database, ``everywhere`` so many of them."""
    more = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(everywhere, number)]
    return [*range(everywhere), *more]


PRODUCTS = Stream(
    "products",
    external_id="id",
    fields={
        "sku": "sku",
        "name": "title",
        "price": "price",
        "currency": "currency",
        "brand": "brand",
        "inventory_count": "stock",
        "availability": "availability",
        "attributes": Attributes(color="color", size="size"),
    },
)
CUSTOMERS = Stream(
    "customers",
    external_id="id",
    fields={"email": "email", "first_name": "first", "last_name": "last", "phone": "phone"},
)
ORDERS = Stream(
    "orders",
    external_id="id",
    fields={
        "order_id": Text("id"),
        "customer": Ref("customers", "customer_id", key="email"),
        "order_date": "date",
        "status": "status",
        "total_amount": "total",
        "shipping_total": "shipping",
        "lines": Lines(
            "lines",
            {
                "product": Ref("products", "product_id", key="sku"),
                "quantity": "quantity",
                "unit_price": "price",
                "line_total": "total",
            },
        ),
    },
)


def product(number, **values):
    return {
        "id": number,
        "sku": f"SKU-{number}",
        "title": f"Thing {number}",
        "price": "9.90",
        **values,
    }


def customer(number, **values):
    return {
        "id": number,
        "email": f"c{number}@example.com",
        "first": "Ann",
        "last": "Bee",
        **values,
    }


class Shop:
    """One configured feed; ``rows`` is what it serves."""

    def __init__(self, settings):
        self.settings = settings
        self.rows = {}
        self.streams = [PRODUCTS, CUSTOMERS, ORDERS]
        self.page_size = 100
        self.batch_size = 1000
        self.alias = "shop"
        self.options = {}

    def configure(self):
        present = [s for s in self.streams if s.name in self.rows]
        feed = {
            "BACKEND": MemoryFeed,
            "OPTIONS": {"streams": present, "rows": self.rows, "page_size": self.page_size},
        }
        self.settings.ECOMMERCE_SYNC = {
            **self.settings.ECOMMERCE_SYNC,
            "FEEDS": {self.alias: feed},
            "BATCH_SIZE": self.batch_size,
        }

    def sync(self, **options):
        """Request and carry out a run; every count adds up."""
        self.configure()
        run, is_new = request_run(self.alias, **options)
        assert is_new
        run = execute(run.pk)
        for counts in run.counts.values():
            assert tuple(counts) == COUNTS or set(counts) == set(COUNTS)
            assert counts["read"] == sum(counts[name] for name in OUTCOMES)
        return run

    def counts(self, stream="products", **options):
        """The counts of a run that are not zero."""
        run = self.sync(**options)
        assert not run.error_code, run.error
        return {name: n for name, n in run.counts_of(stream).items() if n}


@pytest.fixture
def shop(settings):
    return Shop(settings)
