"""Values a database, its driver or Django's adapters cannot take cost their row, and no other."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections, transaction
from django.db.models import FloatField

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import Stream
from django_ecommerce_sync.models import Product, SyncIssue, SyncLink
from django_ecommerce_sync.signals import batch_synced
from django_ecommerce_sync.sync.clean import _cleaner
from django_ecommerce_sync.sync.heartbeat import Heartbeat
from django_ecommerce_sync.sync.insert import Insert
from django_ecommerce_sync.sync.match import Matcher
from tests.shop.models import Gadget

from .conftest import product

pytestmark = pytest.mark.django_db(transaction=True)
ATTRIBUTES = Stream(
    "products", fields={"sku": "sku", "price": "price", "attributes": "attributes"}, currency="EUR"
)


@pytest.fixture
def far_east():
    """A database whose times are those of a place where the day ends earlier."""
    mine = connections["default"]
    before = mine.settings_dict["TIME_ZONE"]
    told_anew(mine, "Asia/Tokyo")
    yield
    told_anew(mine, before)


def told_anew(mine, zone):
    mine.close()
    mine.settings_dict["TIME_ZONE"] = zone
    for name in ("timezone", "timezone_name"):
        mine.__dict__.pop(name, None)


@pytest.mark.parametrize("is_short", [False, True])
def test_a_value_that_is_not_there_is_no_json_text(shop, monkeypatch, is_short):
    if not is_short:
        monkeypatch.setattr(Matcher, "try_short_way", lambda self: None)
    shop.streams = [ATTRIBUTES]
    shop.rows = {
        "products": [
            {"sku": "A", "price": "1", "attributes": {"a": 1}},
            {"sku": "B", "price": "1"},
        ]
    }
    shop.sync()
    assert dict(Product.objects.values_list("sku", "attributes")) == {"A": {"a": 1}, "B": {}}
    lacks = dict(SyncLink.objects.values_list("external_id", "lacks"))
    assert lacks == {"A": "", "B": "attributes"}


@pytest.mark.skipif(connection.vendor == "postgresql", reason="it keeps times with their zone")
def test_a_time_that_cannot_be_written_costs_its_row(shop, far_east):
    shop.streams = [Stream("orders", fields={"order_id": "id", "order_date": "at"}, currency="EUR")]
    rows = [{"id": f"S{n}", "at": "2026-02-28T08:30:00Z"} for n in range(5)]
    rows[3]["at"] = "9999-12-31T23:59:59Z"
    shop.rows = {"orders": rows}
    assert shop.counts("orders") == {"read": 5, "created": 4, "rejected": 1}
    issue = SyncIssue.objects.get()
    assert (issue.code, issue.position) == ("db_rejected", 4)


@pytest.mark.parametrize("is_short", [False, True])
def test_what_an_adapter_refuses_costs_its_row(shop, monkeypatch, is_short):
    if not is_short:
        monkeypatch.setattr(Matcher, "try_short_way", lambda self: None)
    adapted = Insert._parameters

    def refusing(self, rows):
        if "ecommerce_sync_product" in self.head and any("S3" in row for row in rows):
            raise OverflowError("date value out of range")
        return adapted(self, rows)

    monkeypatch.setattr(Insert, "_parameters", refusing)
    shop.streams = [ATTRIBUTES]
    shop.rows = {"products": [{"sku": f"S{n}", "price": "1"} for n in range(5)]}
    assert shop.counts() == {"read": 5, "created": 4, "rejected": 1}
    assert SyncIssue.objects.get().position == 4


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 1000])
def test_the_last_copies_count_wherever_batches_begin(shop, batch_size):
    """Two records have second copies that swap their keys: neither has it before both are read."""
    first = [product(1, sku="A"), product(2, sku="B"), product(3, sku="C")]
    shop.batch_size = batch_size
    shop.rows = {"products": first}
    shop.sync()
    shop.rows = {"products": [*first, product(1, sku="B"), product(2, sku="A")]}
    for counts in (
        {"read": 5, "unchanged": 1, "updated": 2, "duplicate": 2},
        {"read": 5, "unchanged": 3, "duplicate": 2},
    ):
        assert shop.counts() == counts
        found = {
            link.external_id: Product.objects.get(pk=link.object_id).sku
            for link in SyncLink.objects.all()
        }
        assert found == {"1": "B", "2": "A", "3": "C"}
        assert not SyncIssue.objects.filter(state="open").exists()


@pytest.mark.parametrize("key", ["id", "serial"])
def test_a_primary_key_may_be_the_key(shop, key):
    gadgets = Stream("gadgets", model="shop.Gadget", key=key, fields={"id": "n", "serial": "s"})
    shop.streams = [gadgets]
    rows = [{"n": n, "s": f"S{n}"} for n in (7, 3, 9)]
    shop.rows = {"gadgets": rows}
    assert shop.counts("gadgets") == {"read": 3, "created": 3}
    assert shop.counts("gadgets") == {"read": 3, "unchanged": 3}
    assert dict(Gadget.objects.values_list("pk", "serial")) == {7: "S7", 3: "S3", 9: "S9"}


@pytest.mark.parametrize("watts", ["1e400", "-1e400"])
def test_a_float_has_an_end(watts):
    field = FloatField()
    with pytest.raises(RecordError) as caught:
        _cleaner(field, ".", False)(watts)
    assert caught.value.code == "out_of_range"


def test_inside_a_transaction_no_heart_beats(shop, settings):
    """It would wait for the row of the run, which the transaction holds."""
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "LEASE_SECONDS": 1}
    beating = []
    shop.rows = {"products": [product(1)]}

    def look(**kwargs):
        beating.append(any(isinstance(one, Heartbeat) for one in threading.enumerate()))

    batch_synced.connect(look)
    try:
        shop.sync()
        shop.rows["products"].append(product(2))
        with transaction.atomic():
            shop.sync()
    finally:
        batch_synced.disconnect(look)
    assert beating == [True, False]
