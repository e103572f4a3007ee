"""Who listens hears of every row that partitions write."""

import random
from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import PageRanges
from django_ecommerce_sync.models import Product
from django_ecommerce_sync.signals import batch_synced
from django_ecommerce_sync.sync import request_run
from tests.sync.conftest import PRODUCTS, product
from tests.sync.test_partitions import Hands

pytestmark = pytest.mark.django_db


def test_a_row_that_changes_hands_is_told(shop, monkeypatch):
    """Of two new records with one key the first has it: after the other one's row was told."""
    shop.streams = [replace(PRODUCTS, partitions=PageRanges(4))]
    shop.page_size, shop.batch_size = 2, 3
    shop.rows = {"products": [product(n) for n in range(1, 17)]}
    shop.rows["products"][13]["sku"] = "SKU-3"
    heard = {}

    def listen(sender, created, updated, **more):
        rows = Product.objects.filter(pk__in=[*created, *updated])
        heard.update(rows.values_list("pk", "name"))

    batch_synced.connect(listen)
    shop.configure()
    Hands(monkeypatch, random.Random(0)).carry_out(request_run("shop")[0])
    batch_synced.disconnect(listen)
    assert heard == dict(Product.objects.values_list("pk", "name"))
