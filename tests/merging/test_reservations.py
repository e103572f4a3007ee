"""Reservations of orders made here: merged and parted with the lines that hold them."""

import pytest

from django_ecommerce_sync import orders
from django_ecommerce_sync.models import Order, OrderLine
from django_ecommerce_sync.sync.merging import merge, undo
from tests.merging.conftest import picture, product


@pytest.fixture
def two(db):
    """Two products of which one order has reserved 2 and 3."""
    first, second = product("A", inventory_count=5), product("B", inventory_count=7)
    order = Order(order_id="1")
    wanted = ((first, 2), (second, 3))
    lines = [{"product_id": p.pk, "sku": p.sku, "quantity": n} for p, n in wanted]
    orders.hold(order, lines)
    order.save()
    for position, line in enumerate(lines, start=1):
        OrderLine.objects.create(order=order, position=position, **line)
    return first, second


def reserved(*products):
    for row in products:
        row.refresh_from_db()
    return [row.reserved_count for row in products]


def test_the_survivor_has_both(two):
    first, second = two
    merge(first, second)
    assert reserved(first) == [5]


def test_undoing_leaves_everything_as_it_was(two):
    before = picture()
    undo(merge(*two))
    assert picture() == before


def test_what_an_order_gave_back_meanwhile_is_given_back(two):
    first, second = two
    record = merge(first, second)
    orders.transition(Order.objects.get(), "cancelled")
    restored = undo(record)
    assert reserved(first, restored) == [0, 0]


def test_it_is_no_field_to_choose(two):
    record = merge(*two)
    assert "reserved_count" not in record.changes
