"""Rows are read as a queryset has them, and written as they were given."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_ecommerce_sync.models import Customer, Order, OrderLine, Product, SyncChange, SyncLink
from django_ecommerce_sync.sync.clean import json_texts
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


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's planner")
@pytest.mark.parametrize("how", ["find", "between"])
def test_links_by_number_are_not_looked_for_among_all_of_the_feed(how):
    """Without statistics the planner takes the index of the feed for the narrower one."""
    table, place = Table(SyncLink, connection), {"feed": "shop", "stream": "s"}
    with CaptureQueriesContext(connection) as queries:
        if how == "find":
            table.find(["external_id"], "id", [1, 2], **place)
        else:
            table.between(["external_id"], 1, 2, **place)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "INTEGER PRIMARY KEY" in plan


@pytest.mark.parametrize("made", [list, json_texts], ids=["values", "texts"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"colour": "red", "sizes": [1, {}, []], "x": {"y": True, "z": None}},
        {"colour": "größe", "tab": "a\tb\\"},
        {"weight": 2.5, "tiny": 0.00001, "large": 12345678901234},
        {"odd": "\x7f"},
    ],
)
def test_json_and_times_are_found_as_django_writes_them(made, attributes):
    table, now = Table(Product, connection), timezone.now()
    template = Product.objects.create(sku="A", name="Lamp", price=1)
    row = table.select("id", [template.pk])[0]
    row |= {"sku": "B", "attributes": made([attributes])[0], "updated_at": now}
    del row["id"]
    table.insert_rows([row], {})
    found = Product.objects.get(attributes=attributes, updated_at=now)
    assert (found.sku, found.attributes) == ("B", attributes)


@pytest.mark.skipif(connection.vendor != "mysql", reason="others do not tell where keys begin")
def test_rows_of_others_between_new_ones_are_not_taken_for_them():
    """A source's order 1001 is no other source's, though it may stand where ours was expected."""
    table = Table(Order, connection)
    template = Order.objects.create(source="theirs", order_id="1001")
    row = table.select("id", [template.pk])[0] | {"source": "ours"}
    del row["id"]
    for keys, first_pk in ((["1001"], template.pk), (["1002", "1003"], None)):
        insert = table.insertion(list(row), {})
        insert.add([tuple((row | {"order_id": key}).values()) for key in keys])
        insert.first_pk = first_pk
        found = table.carry_out(insert, keys, "order_id", {"source": "ours"})
        ours = Order.objects.filter(source="ours", order_id__in=keys)
        assert found == dict(ours.values_list("order_id", "pk"))
