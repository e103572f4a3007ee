"""A record that waits for another row lands by itself once that row is there."""

from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import MemoryFeed, Page, Stream
from django_ecommerce_sync.models import (
    Customer,
    Order,
    Product,
    StreamState,
    SyncIssue,
    SyncRun,
)
from django_ecommerce_sync.sync import dispatch_due, execute, request_run, retries, runs, upsert
from tests.sync.conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product
from tests.sync.test_runs import crash, expire

pytestmark = pytest.mark.django_db(transaction=True)


def order(number, sku="SKU-1", **values):
    return {"id": number, "lines": [{"sku": sku, "quantity": 1, "price": "9.90"}], **values}


class Shops:
    """Two configured feeds: the shop has orders and customers, the depot products."""

    def __init__(self, settings):
        self.settings = settings
        self.orders = [order(1)]
        self.customers = []
        self.products = []
        self.backend = MemoryFeed
        self.configure()

    def configure(self, **changes):
        shop = {"orders": self.orders, "customers": self.customers}
        depot = {"products": self.products}
        self.settings.ECOMMERCE_SYNC = {
            **self.settings.ECOMMERCE_SYNC,
            "FEEDS": {
                "shop": self.feed([CUSTOMERS, ORDERS], shop),
                "depot": self.feed([PRODUCTS], depot),
            },
            **changes,
        }

    def feed(self, streams, rows):
        present = [s for s in streams if rows[s.name]]
        return {"BACKEND": self.backend, "OPTIONS": {"streams": present, "rows": rows}}

    def sync(self, feed, **options):
        self.configure()
        run, is_new = request_run(feed, **options)
        assert is_new
        return execute(run.pk)

    def arrivals(self):
        return SyncRun.objects.filter(trigger="arrival").order_by("pk")


@pytest.fixture
def shops(settings):
    return Shops(settings)


def test_an_order_lands_when_another_feed_brings_its_product(shops):
    shops.orders.append({**order(2), "total": "none"})
    first = shops.sync("shop")
    issue = first.issues.get(code="unresolved_reference")
    assert (issue.field, issue.arrived_at) == ("lines[0].product", None)
    shops.products = [product(1)]
    depot = shops.sync("depot")
    assert [o.order_id for o in Order.objects.all()] == ["1"]
    retried = shops.arrivals().get()
    assert (retried.feed, retried.retry_of, retried.streams) == ("shop", first, ["orders"])
    assert (retried.status, retried.counts_of("orders")["read"]) == ("succeeded", 1)
    assert retried.warnings == []  # the rows it passed by are not missing
    issue.refresh_from_db()
    assert (issue.state, issue.resolved_by, issue.retried_in) == ("resolved", retried, retried.pk)
    assert issue.arrived_at is not None
    assert issue.message.endswith(f" Its product arrived in run #{depot.pk}.")
    assert first.issues.get(state="open").code == "invalid_decimal"
    assert dispatch_due() == []


def test_an_order_lands_when_its_customer_comes_by_the_id_of_the_feed(shops):
    Product.objects.create(sku="SKU-1", price=1)
    shops.orders = [order(1, customer_id=7)]
    issue = shops.sync("shop").issues.get()
    shops.customers = [customer(7)]
    run = shops.sync("shop", streams=["customers"])
    assert Order.objects.get().customer.email == "c7@example.com"
    issue.refresh_from_db()
    assert issue.message.endswith(f" Its customer arrived in run #{run.pk}.")


def test_a_row_that_is_only_linked_is_an_arrival_too(shops):
    Product.objects.create(sku="SKU-1", price=1)
    Customer.objects.create(email="c7@example.com", first_name="Ann", last_name="Bee")
    shops.orders = [order(1, customer_id=7)]
    assert shops.sync("shop").issues.count() == 1
    shops.customers = [customer(7, phone=None)]
    counts = shops.sync("shop", streams=["customers"]).counts_of("customers")
    assert counts["created"] == 0
    assert Order.objects.get().customer.email == "c7@example.com"


def test_a_product_that_is_renamed_to_what_is_missing_is_an_arrival_too(shops):
    shops.products = [product(1, sku="OTHER")]
    shops.sync("depot")
    shops.sync("shop")
    shops.products = [product(1)]
    shops.sync("depot")
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("missing", "comes"),
    [
        ({"customer_id": 7, "email": "c8@example.com"}, 7),
        ({"customer_id": 7, "email": " C8@Example.com"}, 8),
    ],
)
def test_of_an_id_and_a_key_either_will_do(shops, missing, comes):
    Product.objects.create(sku="SKU-1", price=1)
    shops.orders = [order(1, **missing)]
    shops.sync("shop")
    shops.customers = [customer(comes)]
    shops.sync("shop", streams=["customers"])
    assert Order.objects.get().customer.email == f"c{comes}@example.com"


def test_what_is_waited_for_is_kept_as_digests_only(shops):
    Product.objects.create(sku="SKU-1", price=1)
    shops.orders = [order(1, customer_id=7, email="c7@example.com"), order(2, sku="SKU-2")]
    shops.sync("shop")
    by_email, by_sku = SyncIssue.objects.order_by("position")
    digests = [by_email.waits_for, by_email.waits_for_key, by_sku.waits_for]
    assert [len(digest) for digest in digests] == [32, 32, 32]
    assert all(set(digest) <= set("0123456789abcdef") for digest in digests)
    assert len(set(digests)) == 3
    assert by_sku.waits_for_key == ""


def test_a_product_made_by_hand_is_told_and_the_next_look_retries(shops):
    issue = shops.sync("shop").issues.get()
    Product.objects.create(sku="SKU-2", price=1)
    issue.refresh_from_db()
    assert issue.arrived_at is None
    Product.objects.create(sku="SKU-1", price=1)
    issue.refresh_from_db()
    assert issue.message.endswith(" Its product arrived.")
    assert (issue.state, Order.objects.count()) == ("open", 0)
    (run,) = dispatch_due()
    run.refresh_from_db()
    assert (run.trigger, run.status, Order.objects.count()) == ("arrival", "succeeded", 1)
    assert dispatch_due() == []


def test_what_comes_twice_is_told_once(shops):
    issue = shops.sync("shop").issues.get()
    Product.objects.create(sku="SKU-1", price=1).delete()
    Product.objects.create(sku="SKU-1", price=1)
    issue.refresh_from_db()
    assert issue.message.count("arrived") == 1


def test_a_product_that_a_person_renames_is_told(shops):
    row = Product.objects.create(sku="SKV-1", price=1)
    issue = shops.sync("shop").issues.get()
    row.name = "Thing"
    row.save(update_fields=["name"])
    row.sku = "SKU-1"
    row.save(update_fields=["sku"])
    issue.refresh_from_db()
    assert issue.arrived_at is not None


def test_a_person_s_save_that_cannot_matter_asks_nobody(shops):
    row = Product.objects.create(sku="A", price=1)
    shops.sync("shop")
    with CaptureQueriesContext(connection) as queries:
        row.save(update_fields=["name"])
    assert not [query for query in queries if "syncissue" in query["sql"]]


def test_an_order_that_lacks_two_rows_waits_for_one_after_the_other(shops):
    shops.orders = [order(1, customer_id=7)]
    first = shops.sync("shop").issues.get()
    shops.customers = [customer(7)]
    shops.sync("shop", streams=["customers"])
    (retried,) = shops.arrivals()
    again = retried.issues.get()
    assert (again.field, again.waits_for != "", again.arrived_at) == (
        "lines[0].product",
        True,
        None,
    )
    first.refresh_from_db()
    assert (first.field, first.waits_for, first.retried_in) == ("customer", "", retried.pk)
    assert dispatch_due() == []
    shops.products = [product(1)]
    shops.sync("depot")
    assert Order.objects.get().customer.email == "c7@example.com"
    assert not SyncIssue.objects.filter(state="open").exists()
    assert shops.arrivals().count() == 2


def test_a_record_that_a_run_has_read_again_waits_once(shops):
    first = shops.sync("shop").issues.get()
    second = shops.sync("shop").issues.get()
    first.refresh_from_db()
    assert (first.waits_for, first.retried_in, first.state) == ("", second.run_id, "open")
    assert second.waits_for
    shops.products = [product(1)]
    shops.sync("depot")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("resolved", "resolved")
    assert shops.arrivals().get().counts_of("orders")["read"] == 1


def test_a_busy_feed_is_retried_later(shops):
    shops.sync("shop")
    busy, _ = request_run("shop", streams=["orders"])
    shops.products = [product(1)]
    shops.sync("depot")
    assert not shops.arrivals().exists()
    assert dispatch_due() == []
    SyncRun.objects.filter(pk=busy.pk).update(status="cancelled", slot=None)
    assert [run.trigger for run in dispatch_due()] == ["arrival"]
    assert Order.objects.count() == 1


def test_rows_that_land_in_the_same_run_need_no_retry(shops):
    shops.orders = [order(1, customer_id=7)]
    shops.customers = [customer(7)]
    shops.products = [product(1)]
    shops.sync("depot")
    assert shops.sync("shop").status == "succeeded"
    assert not SyncIssue.objects.exists()
    assert not shops.arrivals().exists()


def test_a_dry_run_neither_waits_nor_announces(shops):
    dry = shops.sync("shop", dry_run=True).issues.get()
    assert dry.waits_for == dry.waits_for_key == ""
    waiting = shops.sync("shop").issues.get()
    shops.products = [product(1)]
    shops.sync("depot", dry_run=True)
    shops.sync("shop", dry_run=True)
    unchanged = SyncIssue.objects.get(pk=waiting.pk)
    assert (unchanged.waits_for, unchanged.message) == (waiting.waits_for, waiting.message)
    assert (unchanged.arrived_at, unchanged.retried_in) == (None, None)
    assert not shops.arrivals().exists()


def test_nobody_waits_costs_one_look_for_a_batch_that_brings_something(shops):
    shops.products = [product(n) for n in range(1, 51)]
    shops.configure(BATCH_SIZE=10)
    with CaptureQueriesContext(connection) as queries:
        shops.sync("depot")
    looks = [query["sql"] for query in queries if "waits_for" in query["sql"]]
    assert len(looks) == 5
    assert all(look.endswith("LIMIT 1") for look in looks)
    with CaptureQueriesContext(connection) as queries:
        shops.sync("depot")
    assert not [query for query in queries if "waits_for" in query["sql"]]


def test_a_worker_that_takes_over_knows_what_the_retry_is_about(shops, monkeypatch):
    shops.orders = [order(n, sku=f"SKU-{n}") for n in (1, 2, 3, 4)]
    shops.sync("shop")
    busy, _ = request_run("shop")
    shops.products = [product(1), product(3), product(4)]
    shops.sync("depot")
    SyncRun.objects.filter(pk=busy.pk).update(status="cancelled", slot=None)
    shops.configure(BATCH_SIZE=2, RUNNER="celery")
    monkeypatch.setitem(runs._HAND_OVER, "celery", lambda run_id: "celery")
    (run,) = dispatch_due()
    crash(run.pk, 2, monkeypatch)
    assert Order.objects.count() == 1
    expire(run)
    run = execute(run.pk)
    assert (run.status, run.attempts) == ("succeeded", 2)
    assert sorted(Order.objects.values_list("order_id", flat=True)) == ["1", "3", "4"]
    assert run.counts_of("orders")["read"] == 3
    assert SyncIssue.objects.get(state="open").waits_for


def test_rows_that_another_process_has_taken_are_not_read_twice(shops, monkeypatch):
    shops.sync("shop")
    Product.objects.create(sku="SKU-1", price=1)
    queue = retries.queue

    def queue_too_late(wish):
        SyncIssue.objects.update(retried_in=4711)
        return queue(wish)

    monkeypatch.setattr(retries, "queue", queue_too_late)
    assert dispatch_due() == []
    assert SyncRun.objects.count() == 1


class Down(MemoryFeed):
    def fetch(self, stream, cursor):
        raise FeedError("unreachable", "Nobody answers.")


def test_a_retry_that_fails_is_not_repeated_by_itself(shops):
    issue = shops.sync("shop").issues.get()
    shops.backend = Down
    shops.configure()
    Product.objects.create(sku="SKU-1", price=1)
    (run,) = dispatch_due()
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "unreachable")
    SyncRun.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert dispatch_due() == []
    shops.backend = MemoryFeed
    shops.sync("shop")
    issue.refresh_from_db()
    assert (issue.state, Order.objects.count()) == ("resolved", 1)


def test_a_feed_that_is_gone_is_left_alone(shops, settings):
    shops.sync("shop")
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {}}
    Product.objects.create(sku="SKU-1", price=1)
    assert dispatch_due() == []
    assert SyncRun.objects.count() == 1


class Silent(MemoryFeed):
    """Does not say how many rows it has."""

    def fetch(self, stream, cursor):
        yield Page(self.rows[stream.name])


def test_a_retry_whose_first_run_was_pruned_is_still_no_run_of_everything(shops, monkeypatch):
    shops.backend = Silent
    monkeypatch.setitem(runs._HAND_OVER, "celery", lambda run_id: "celery")
    first = shops.sync("shop")
    shops.orders.append(order(2))
    shops.configure(RUNNER="celery")
    Product.objects.create(sku="SKU-1", price=1)
    (run,) = dispatch_due()
    first.delete()
    run = execute(run.pk)
    assert (run.retry_of, run.counts_of("orders")["read"], run.status) == (None, 0, "succeeded")
    assert StreamState.objects.get(feed="shop", stream="orders").complete_run is None


def test_a_command_sees_through_what_it_set_off(shops):
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("a thread has no part in SQLite's memory")
    shops.sync("shop")
    shops.products = [product(1)]
    shops.configure(RUNNER="thread")
    call_command("ecommerce_sync", "run", "depot", stdout=StringIO(), stderr=StringIO())
    assert (shops.arrivals().get().status, Order.objects.count()) == ("succeeded", 1)


def test_a_product_that_somebody_sends_in_bulk_is_told(shops):
    issue = shops.sync("shop").issues.get()
    stream = Stream("products", fields={"sku": "sku", "price": "price"})
    send = partial(upsert, stream, [(0, {"sku": "SKU-1", "price": "1"})], atomic=False)
    send(dry_run=True)
    issue.refresh_from_db()
    assert issue.arrived_at is None
    send(dry_run=False)
    issue.refresh_from_db()
    assert issue.message.endswith(" Its product arrived.")
    dispatch_due()
    assert Order.objects.count() == 1
