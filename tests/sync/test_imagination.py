"""A dry run tells what a run does, also where its batches build on each other."""

import random
from contextlib import suppress
from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import Archive, Since, Stream
from django_ecommerce_sync.models import Customer, Order, OrderLine, Product, SyncLink, SyncRun
from django_ecommerce_sync.sync import execute
from django_ecommerce_sync.sync.merging import MergeRefused, merge

from .conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product, seeds

pytestmark = pytest.mark.django_db

STOCK = Stream(
    "stock",
    model="ecommerce_sync.Product",
    fields={"sku": "sku", "inventory_count": "stock", "price": "price"},
)
SINCE = Since("changed", param="since")


class World:
    """A small shop in which everything collides: few ids, few keys, tiny batches."""

    def __init__(self, shop, seed):
        self.random = random.Random(seed)
        self.shop = shop
        self.timed = seed % 3 == 0
        policy = {"inventory_count": "fill", "price": "fill"} if seed % 4 == 1 else {}
        archiving = replace(PRODUCTS, missing=Archive(max_ratio=1), allow_empty=True, max_shrink=1)
        shop.streams = [
            replace(archiving, since=SINCE) if self.timed else archiving,
            replace(STOCK, since=SINCE if self.timed else None, policy=policy),
            replace(CUSTOMERS, allow_empty=True),
            replace(ORDERS, allow_empty=True),
        ]

    def deliver(self):
        self.carry_out_retries()
        self.let_people_pin()
        self.let_people_merge()
        pick = self.random
        self.shop.batch_size = pick.randint(1, 3)
        self.shop.rows = {
            "products": [self.product() for _ in range(pick.randint(0, 9))],
            "stock": [self.stock() for _ in range(pick.randint(1, 5))],
            "customers": [self.customer() for _ in range(pick.randint(0, 6))],
            "orders": [self.order() for _ in range(pick.randint(0, 6))],
        }

    def carry_out_retries(self):
        while waiting := SyncRun.objects.filter(status="queued").first():
            execute(waiting.pk)

    def let_people_pin(self):
        for row in Product.objects.order_by("pk"):
            pinned = self.random.sample(["price", "inventory_count", "sku"], 1)
            Product.objects.filter(pk=row.pk).update(
                pinned=pinned if self.random.random() < 0.2 else []
            )

    def let_people_merge(self):
        rows = list(Product.objects.order_by("pk"))
        if len(rows) > 1 and self.random.random() < 0.3:
            with suppress(MergeRefused):
                merge(*self.random.sample(rows, 2))

    def product(self):
        pick = self.random
        values = {"sku": f"SKU-{pick.randint(1, 5)}", "price": pick.choice(["1", "2", "x"])}
        return product(pick.randint(1, 5), **values, **self.time())

    def stock(self):
        pick = self.random
        values = {"stock": pick.randint(0, 2), "price": pick.choice(["1", "3"])}
        return {"sku": f"SKU-{pick.randint(1, 5)}", **values, **self.time()}

    def time(self):
        day = self.random.randint(1, 3)
        return {"changed": f"2026-01-0{day}T00:00:00Z"} if self.timed else {}

    def customer(self):
        pick = self.random
        email = f"c{pick.randint(1, 4)}@example.com"
        return customer(pick.randint(1, 4), email=email, first=pick.choice(["Ann", "Bob"]))

    def order(self):
        pick = self.random
        lines = [
            {"product_id": pick.randint(1, 6), "quantity": pick.randint(1, 2)}
            for _ in range(pick.randint(0, 2))
        ]
        return {"id": pick.randint(1, 4), "customer_id": pick.randint(1, 5), "lines": lines}


def issues(run):
    columns = ("stream", "position", "external_id", "code", "field")
    return sorted(run.issues.values_list(*columns))


def tables():
    models = (Product, Customer, Order, OrderLine, SyncLink)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("seed", seeds(40, everywhere=12))
def test_a_dry_run_tells_what_a_run_does(shop, seed):
    world = World(shop, seed)
    for row in (
        Product(sku="OLD", price=1),
        Customer(email="old@example.com"),
        Order(order_id="0"),
    ):
        row.save()  # the very first load leaves the looking up to the tables' unique keys
    for _ in range(4):
        world.deliver()
        before = tables()
        dry = shop.sync(dry_run=True)
        assert tables() == before
        real = shop.sync()
        assert (dry.counts, issues(dry)) == (real.counts, issues(real))
