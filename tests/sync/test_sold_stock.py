"""Stock that orders made here hold or have taken, and feeds that count the same products."""

import pytest

from django_ecommerce_sync import orders
from django_ecommerce_sync.models import Order, OrderEvent, OrderLine, Product

from .conftest import product


@pytest.fixture
def sold(shop, db):
    """A feed says there are 10; two of them are sold and sent here."""
    shop.rows = {"products": [product(1, stock=10), product(2, stock=1)]}
    shop.sync()
    row = Product.objects.get(sku="SKU-1")
    order = Order(order_id="1")
    lines = [{"product_id": row.pk, "sku": row.sku, "quantity": 2}]
    orders.hold(order, lines)
    order.save()
    OrderLine.objects.create(order=order, position=1, **lines[0])
    orders.transition(order, "shipped")
    return shop


def stock():
    return Product.objects.values_list("inventory_count", "reserved_count").get(sku="SKU-1")


def test_a_feed_that_says_the_same_does_not_bring_them_back(sold):
    sold.rows["products"][1]["stock"] = 2
    sold.sync()
    assert stock() == (8, 0)
    assert Product.objects.get(sku="SKU-2").inventory_count == 2


def test_a_feed_that_counts_anew_has_the_say(sold):
    sold.rows["products"][0]["stock"] = 7
    sold.sync()
    assert stock() == (7, 0)


def test_what_is_reserved_stays_while_a_feed_writes(sold):
    Product.objects.update(reserved_count=3)
    sold.rows["products"][0]["stock"] = 7
    sold.sync()
    assert stock() == (7, 3)


def test_orders_of_a_feed_hold_and_take_nothing(sold):
    line = {"product_id": 1, "quantity": 4, "price": "1", "total": "4"}
    order = {"id": "9", "date": "2026-01-02T10:00:00Z", "total": "4", "lines": [line]}
    for status in ("pending", "shipped", "cancelled"):
        sold.rows["orders"] = [{**order, "status": status}]
        sold.sync()
        assert Order.objects.get(source="shop").status == status
        assert stock() == (8, 0)
    assert not OrderEvent.objects.filter(order__source="shop").exists()
