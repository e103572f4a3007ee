"""Rows are read as a queryset has them, and written as they were given."""

from __future__ import annotations

import pytest
from django.db import connection

from django_ecommerce_sync.models import Customer, Order, OrderLine, Product, SyncChange, SyncLink
from django_ecommerce_sync.sync.insert import LATER
from django_ecommerce_sync.sync.table import Table

from .conftest import customer, product
from .test_orders import order

pytestmark = pytest.mark.django_db


@pytest.fixture
def synced(shop, settings):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "CHANGE_LOG": True}
    shop.rows = {
        "products": [product(1), product(2, title="It's \\ 50 %", color="red", size=None)],
        "customers": [customer(1), customer(2, email=None)],
        "orders": [order(1, ("1", 2, "9.90"))],
    }
    shop.configure()
    shop.sync()


@pytest.mark.parametrize("model", [Product, Customer, Order, OrderLine, SyncChange, SyncLink])
@pytest.mark.parametrize("lock", [False, True])
def test_rows_are_what_a_queryset_finds(synced, model, lock):
    rows = list(model.objects.order_by("pk").values())
    assert rows
    keys = [row["id"] for row in reversed(rows)]
    assert Table(model, connection).select("id", [*keys, 10**6], lock=lock) == rows


def test_child_rows_are_found_by_their_parent(synced):
    parent = OrderLine.objects.values_list("order_id", flat=True).first()
    found = Table(OrderLine, connection).select("order_id", [parent])
    assert found == list(OrderLine.objects.filter(order_id=parent).order_by("pk").values())


def test_rows_can_be_written_out_before_all_of_them_is_known():
    names = ("external_id", "object_id", "hash", "lacks")
    constants = {"feed": "shop", "stream": "s", "model": "m", "repeats": False}
    constants |= {"first_run": 1, "last_changed_run": 1, "missing_since": None}
    insert = Table(SyncLink, connection).insertion(names, constants)
    insert.add([("a", LATER, "1", ""), ("b'%s", LATER, "2", "")])
    insert.add([("c", LATER, "3", "")])
    later = ["17", "it's \\ %s", "18"]
    for _ in range(2):  # a batch that is tried again is written once more
        SyncLink.objects.all().delete()
        insert.execute(later)
        found = SyncLink.objects.order_by("external_id").values_list("external_id", "object_id")
        assert list(found) == list(zip(["a", "b'%s", "c"], later, strict=True))
