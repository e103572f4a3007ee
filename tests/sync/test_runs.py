"""Runs: one at a time, resumed where they were cut off, dry ones without a trace."""

import socket
import threading
import time
import weakref
from datetime import timedelta
from decimal import Decimal

import celery
import pytest
from django.db import connection, transaction
from django.utils import timezone

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError, FeedNotFound, LeaseLost
from django_ecommerce_sync.feeds import Archive, CSVFeed, FeedSource, Page
from django_ecommerce_sync.models import (
    Product,
    RunStatus,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)
from django_ecommerce_sync.signals import batch_synced, sync_finished, sync_started
from django_ecommerce_sync.sync import cancel, dispatch, dispatch_due, execute, request_run, runs
from django_ecommerce_sync.sync.lease import acquire
from tests.inserts import watch
from tests.sync.conftest import PRODUCTS, customer, product

pytestmark = pytest.mark.django_db


def feed_of(settings, source, **more):
    settings.ECOMMERCE_SYNC = {
        **settings.ECOMMERCE_SYNC,
        "FEEDS": {"shop": {"BACKEND": source}},
        "BATCH_SIZE": 2,
        **more,
    }


class Cut(FeedSource):
    """Breaks off after some rows, until it is mended."""

    streams = [PRODUCTS]
    good = 5
    asked = []

    def fetch(self, stream, cursor):
        type(self).asked.append(cursor)
        for page in range(cursor or 0, 4):
            if page * 3 >= self.good:
                raise FeedError("feed_broken", "It broke off.")
            yield Page([product(page * 3 + n) for n in (1, 2, 3)], cursor=page + 1)


def crash(run_id, at_batch, monkeypatch):
    """Let the worker die, as kill -9 does, in the middle of a batch's transaction."""
    from django_ecommerce_sync.sync.execution import StreamExecution

    class Killed(BaseException):
        pass

    account = StreamExecution._account
    seen = []

    def dying(self, *args, **kwargs):
        account(self, *args, **kwargs)
        seen.append(1)
        if len(seen) == at_batch:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StreamExecution, "_account", dying)
        with pytest.raises(Killed):
            execute(run_id)


def expire(run):
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(hours=1))


def test_an_active_run_is_answered_instead_of_a_second_one(shop):
    shop.rows = {"products": [product(1)]}
    shop.configure()
    first, new = request_run("shop")
    again, new_again = request_run("shop", full=True)
    assert (new, new_again, again.pk) == (True, False, first.pk)
    execute(first.pk)
    third, new = request_run("shop")
    assert new
    assert third.pk != first.pk


def test_unknown_feeds_and_streams_are_refused_with_a_guess(shop):
    shop.rows = {"products": [product(1)]}
    shop.configure()
    with pytest.raises(FeedNotFound, match="did you mean 'shop'"):
        request_run("shpo")
    with pytest.raises(ConfigurationError, match="did you mean 'products'"):
        request_run("shop", streams=["product"])


def test_a_broken_feed_fails_the_run_and_keeps_what_landed(settings):
    feed_of(settings, Cut)
    run, _ = request_run("shop")
    run = execute(run.pk)
    assert (run.status, run.error_code, run.error) == ("failed", "feed_broken", "It broke off.")
    assert run.finished_at is not None
    assert Product.objects.count() == run.counts_of("products")["created"] > 0


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_worker_died_is_resumed_at_its_cursor(settings, monkeypatch):
    class Whole(Cut):
        good = 100
        asked = []

    feed_of(settings, Whole)
    run, _ = request_run("shop")
    crash(run.pk, 4, monkeypatch)
    run.refresh_from_db()
    assert (run.status, run.counts_of("products")["created"]) == ("running", 6)
    assert Product.objects.count() == 6  # the batch that was cut off left nothing
    assert execute(run.pk).status == "running"  # its lease is still good: nobody else may
    expire(run)
    run = execute(run.pk)
    assert (run.status, run.attempts) == ("succeeded", 2)
    assert run.counts_of("products") == {**run.counts_of("products"), "read": 12, "created": 12}
    assert Whole.asked == [None, 1]  # the page in which it was cut off
    assert Product.objects.count() == 12


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_whose_worker_died_begins_anew(shop, monkeypatch):
    shop.batch_size = 2
    shop.rows = {"products": [product(1, price="x"), *map(product, (2, 3, 4, 5)), product(2)]}
    shop.configure()
    run, _ = request_run("shop", dry_run=True)
    crash(run.pk, 3, monkeypatch)
    expire(run)
    run = execute(run.pk)
    assert (run.status, run.attempts, run.issues.count()) == ("partial", 2, 1)
    counts = {name: count for name, count in run.counts_of("products").items() if count}
    assert counts == {"read": 6, "created": 4, "duplicate": 1, "rejected": 1}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_overtaken_writes_nothing(settings):
    feed_of(settings, Cut)
    run, _ = request_run("shop")
    _, old = acquire(run.pk, "one", SyncRun)
    expire(run)
    _, new = acquire(run.pk, "another", SyncRun)
    assert new.fence == old.fence + 1
    with transaction.atomic():
        assert new.hold().pk == run.pk
    with pytest.raises(LeaseLost), transaction.atomic():
        old.hold()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_kills_its_workers_is_given_up(settings, monkeypatch):
    feed_of(settings, Cut, MAX_ATTEMPTS=2)
    run, _ = request_run("shop")
    for _ in range(2):
        crash(run.pk, 1, monkeypatch)
        expire(run)
    run = execute(run.pk)
    assert (run.status, run.error_code) == ("failed", "worker_lost")
    assert "before its first batch" in run.error


def test_a_feed_s_own_mistake_fails_the_run_and_is_logged(settings, caplog):
    class Clumsy(FeedSource):
        streams = [PRODUCTS]

        def fetch(self, stream, cursor):
            raise KeyError("secret-token")
            yield

    feed_of(settings, Clumsy)
    run, _ = request_run("shop")
    run = execute(run.pk)
    assert (run.status, run.error_code) == ("failed", "internal_error")
    assert "KeyError" in run.error
    assert "secret-token" not in run.error
    assert "failed" in caplog.text


def test_cancelling(shop):
    shop.rows = {"products": [product(n) for n in range(1, 6)]}
    shop.batch_size = 2
    shop.configure()
    run, _ = request_run("shop")
    assert cancel(run).status == "cancelled"
    assert execute(run.pk).status == "cancelled"
    assert Product.objects.count() == 0
    run, _ = request_run("shop")
    run = execute(run.pk, progress=lambda run, stream: cancel(run))
    assert run.status == "cancelled"
    assert Product.objects.count() == 2
    assert cancel(run).status == "cancelled"


def test_progress_is_told_after_each_batch(shop):
    shop.rows = {"products": [product(n) for n in range(1, 6)]}
    shop.batch_size = 2
    shop.configure()
    run, _ = request_run("shop")
    told = []
    execute(
        run.pk,
        progress=lambda run, stream: told.append(
            (stream, run.counts["products"]["read"], run.totals)
        ),
    )
    assert told == [("products", n, {"products": 5}) for n in (2, 4, 5)]


def test_a_dry_run_tells_the_same_counts_and_leaves_no_trace(shop):
    shop.batch_size = 2
    orders = [
        {"id": 5, "customer_id": 1, "lines": [{"product_id": 2, "quantity": 1}]},
        {"id": 6, "customer_id": 9, "lines": []},
    ]
    shop.rows = {
        "products": [
            product(1),
            product(2),
            product(3, price="x"),
            product(1),
            product(4, sku="SKU-2"),
        ],
        "customers": [customer(1)],
        "orders": orders,
    }
    sent = []

    def listen(**kwargs):
        sent.append(kwargs)

    for signal in (sync_started, batch_synced, sync_finished):
        signal.connect(listen)
    try:
        dry = shop.sync(dry_run=True)
    finally:
        for signal in (sync_started, batch_synced, sync_finished):
            signal.disconnect(listen)
    assert Product.objects.count() == SyncLink.objects.count() == len(sent) == 0
    real = shop.sync()
    assert dry.counts == real.counts
    codes = [list(run.issues.values_list("stream", "position", "code")) for run in (dry, real)]
    assert codes[0] == codes[1]
    assert shop.sync(dry_run=True).counts_of("products")["unchanged"] == 2


def test_signals_speak_of_what_was_committed(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows = {"products": [product(1, price="1"), product(2), product(3)]}
    heard = []

    def listen(signal, sender, **kwargs):
        heard.append((sender, kwargs))

    for signal in (sync_started, batch_synced, sync_finished):
        signal.connect(listen, dispatch_uid="speak")
    try:
        shop.sync()
    finally:
        for signal in (sync_started, batch_synced, sync_finished):
            signal.disconnect(dispatch_uid="speak")
    assert [sender for sender, _ in heard] == [SyncRun, Product, SyncRun]
    batch = heard[1][1]
    assert batch["created"] == [Product.objects.get(sku="SKU-3").pk]
    assert batch["updated"] == {Product.objects.get(sku="SKU-1").pk: ("price",)}


def test_schedules_come_from_settings_once_and_start_when_due(shop):
    shop.rows = {"products": [product(1)]}
    shop.configure()
    shop.settings.ECOMMERCE_SYNC["FEEDS"]["shop"]["SCHEDULE"] = "*/15 * * * *"
    assert dispatch_due() == []
    schedule = SyncSchedule.objects.get()
    assert timezone.now() < schedule.next_run_at <= timezone.now() + timedelta(minutes=15)
    SyncSchedule.objects.update(next_run_at=timezone.now() - timedelta(hours=3), cron="0 * * * *")
    assert [run.feed for run in dispatch_due()] == ["shop"]
    assert dispatch_due() == []
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.next_run_at.minute) == ("0 * * * *", 0)
    assert schedule.last_run.trigger == "schedule"
    SyncSchedule.objects.update(next_run_at=timezone.now() - timedelta(hours=3), enabled=False)
    assert dispatch_due() == []


@pytest.mark.django_db(transaction=True)
def test_lost_runs_are_handed_over_again(shop):
    shop.rows = {"products": [product(1)]}
    shop.configure()
    run, _ = request_run("shop")
    assert dispatch_due() == []  # it may still be on its way
    expire(run)
    assert dispatch_due() == [run]
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_the_thread_runner_works_beside_the_caller(shop):
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("a thread has no part in SQLite's memory")
    shop.rows = {"products": [product(1)]}
    shop.configure()
    shop.settings.ECOMMERCE_SYNC["RUNNER"] = "thread"
    run, _ = request_run("shop")
    assert dispatch(run) == "thread"
    for thread in threading.enumerate():
        if thread.name == f"sync-run-{run.pk}":
            thread.join(30)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


def test_the_runner_is_celery_only_where_there_is_a_broker(shop, monkeypatch):
    shop.settings.ECOMMERCE_SYNC = {"RUNNER": "auto"}
    assert runs.runner_kind() == "thread"
    monkeypatch.setattr(runs.current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    assert runs.runner_kind() == "celery"
    shop.settings.ECOMMERCE_SYNC = {"RUNNER": "gremlin"}
    with pytest.raises(ConfigurationError, match="gremlin"):
        runs.runner_kind()


def test_the_bad_row_is_found_when_the_database_refuses_the_batch(shop, monkeypatch):
    """A host's own constraint, which no cleaning knows of, rejects one row and only that one."""
    from django.db import IntegrityError

    def strict(head, rows):
        if any("Thing 5" in row for row in rows):
            raise IntegrityError(4025, "CONSTRAINT `secret` failed")

    watch(monkeypatch, strict)
    shop.rows = {"products": [product(n) for n in range(1, 9)]}
    run = shop.sync()
    assert run.counts_of("products") == {**run.counts_of("products"), "created": 7, "rejected": 1}
    issue = SyncIssue.objects.get()
    assert (issue.external_id, issue.position, issue.code) == ("5", 5, "db_rejected")
    assert "4025" in issue.message
    assert "secret" not in issue.message


def test_a_passing_fault_is_tried_again(shop, monkeypatch):
    from django.db import OperationalError

    failures = [OperationalError(1213, "Deadlock found"), OperationalError(1205)]

    def shaky(head, rows):
        if failures:
            raise failures.pop()

    watch(monkeypatch, shaky)
    shop.rows = {"products": [product(1)]}
    assert shop.counts() == {"read": 1, "created": 1}
    assert failures == []


def test_one_broken_schedule_stops_no_other(shop, caplog):
    shop.rows = {"products": [product(1)]}
    shop.configure()
    past = timezone.now() - timedelta(hours=1)
    SyncSchedule.objects.create(feed="a-gone", cron="0 * * * *", next_run_at=past)
    SyncSchedule.objects.create(feed="b-broken", cron="every now and then", next_run_at=past)
    SyncSchedule.objects.create(feed="shop", cron="0 * * * *", next_run_at=past)
    assert [run.feed for run in dispatch_due()] == ["shop"]
    assert "a-gone" in caplog.text
    assert "every now and then" in caplog.text


@pytest.mark.parametrize("answering", [False, True])
def test_a_broker_that_is_away_or_frozen_defers_the_run_quickly(shop, monkeypatch, answering):
    """A port nobody listens at, and one that takes connections and never says a word."""
    shop.rows = {"products": [product(1)]}
    shop.configure()
    shop.settings.ECOMMERCE_SYNC["RUNNER"] = "celery"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if answering:
            silent.listen()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with celery.Celery("away", broker=url, set_as_current=False) as app:
            monkeypatch.setattr(runs, "current_app", app)
            run, _ = request_run("shop")
            began = time.monotonic()
            assert runs._by_celery([run.pk]) == "deferred"
            assert time.monotonic() - began < 6
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at_batch", [1, 2, 3, 4, 5, 6])
def test_a_crash_among_copies_loses_none_and_counts_none_twice(shop, monkeypatch, at_batch):
    shop.batch_size = 1
    old = [
        product(1, price="1"),
        product(1, price="2"),
        product(2),
        product(3),
        product(2, price="7"),
    ]
    shop.rows = {"products": old}
    shop.sync()
    shop.rows = {"products": [*old[:4], product(2, price="8")]}
    shop.rows["products"][1] = product(1, price="5")
    shop.configure()
    run, _ = request_run("shop")
    crash(run.pk, at_batch, monkeypatch)
    expire(run)
    run = execute(run.pk)
    counts = {name: n for name, n in run.counts_of("products").items() if n}
    assert counts == {"read": 5, "updated": 2, "unchanged": 1, "duplicate": 2}
    prices = dict(Product.objects.values_list("sku", "price"))
    assert prices == {"SKU-1": 5, "SKU-2": 8, "SKU-3": Decimal("9.9")}


def test_a_listener_s_mistake_is_logged_and_harms_no_run(shop, caplog):
    def clumsy(**kwargs):
        raise ValueError("mine")

    shop.rows = {"products": [product(1)]}
    for signal in (sync_started, batch_synced, sync_finished):
        signal.connect(clumsy, dispatch_uid="clumsy")
    try:
        assert shop.sync().status == RunStatus.SUCCEEDED
    finally:
        for signal in (sync_started, batch_synced, sync_finished):
            signal.disconnect(dispatch_uid="clumsy")
    assert caplog.text.count("failed on a sync signal") == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("group_by", ["", "sku"])
@pytest.mark.parametrize("is_other", [False, True])
def test_a_document_is_not_resumed_in_another_one(
    settings, monkeypatch, tmp_path, group_by, is_other
):
    rows = [f"SKU-{number},Thing,1" for number in range(12)]
    file = tmp_path / "products.csv"
    file.write_text("\n".join(["sku,name,price", *rows]))
    fields = {name: name for name in ("sku", "name", "price")}
    feed = {
        "BACKEND": CSVFeed,
        "OPTIONS": {
            "url": str(file),
            "stream": "products",
            "fields": fields,
            "missing": Archive(max_ratio=0.5),
            "group_by": group_by,
        },
    }
    feed_of(settings, CSVFeed, FEEDS={"shop": feed})
    run, _ = request_run("shop")
    crash(run.pk, 4, monkeypatch)
    expire(run)
    if is_other:  # its rows have moved up: those we would go on at were never read
        file.write_text("\n".join(["sku,name,price", *rows[3:], "NEW,Thing,1"]))
    run = execute(run.pk)
    if not is_other:
        assert (run.status, run.counts_of("products")["read"]) == ("succeeded", 12)
        return
    assert (run.status, run.error_code) == ("failed", "feed_changed")
    run, _ = request_run("shop")
    run = execute(run.pk)
    assert run.status == "succeeded"
    assert Product.objects.filter(archived_at=None).count() == 10


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self):
        self.itself = self


def test_what_is_garbage_when_a_run_begins_does_not_outlive_it(shop):
    """The collector does not look at what was there before a run, while that is at work."""
    left = []

    def litter(**more):
        left.append(weakref.ref(Circle()))

    sync_started.connect(litter)
    shop.rows = {"products": [product(1)]}
    shop.sync()
    sync_started.disconnect(litter)
    assert [reference() for reference in left] == [None]
