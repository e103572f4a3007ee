"""What comes between a merge and its undoing."""

import pytest

from django_ecommerce_sync.models import Product, SyncIssue
from django_ecommerce_sync.sync.merging import merge, undo
from tests.sync.conftest import product
from tests.sync.test_ownership import stream, thing

pytestmark = pytest.mark.django_db

GOODS = stream("name", "price", "currency")


def test_a_record_found_along_a_chain_goes_back_along_it(feeds):
    one, two, three = (Product.objects.create(sku=f"A-{n}", price=n) for n in (1, 2, 3))
    first = merge(one, two)
    second = merge(three, one)
    feeds.add("second", {"products": [thing(sku="A-2")]}, GOODS)
    feeds.run("second")
    undo(second)
    first.refresh_from_db()
    undo(first)
    feeds.rows("second")[0]["price"] = "22.00"
    feeds.run("second")
    assert not SyncIssue.objects.exists()
    assert Product.objects.get(sku="A-2").price == 22


def test_a_key_the_survivor_has_left_by_itself_stands_in_no_way(shop):
    """It does not take that key back, so it may be anybody's."""
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    record = merge(*Product.objects.order_by("sku"))
    shop.rows["products"][0]["sku"] = "NEW"
    shop.rows["products"].append(product(3, sku="SKU-1"))
    shop.sync()
    undo(record)
    assert sorted(Product.objects.values_list("sku", flat=True)) == ["NEW", "SKU-1", "SKU-2"]
