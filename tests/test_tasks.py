"""Celery tasks: doorbells that may be lost, doubled or forged."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from django_ecommerce_sync import tasks
from django_ecommerce_sync.exceptions import FeedNotFound
from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import Product, SyncRun, SyncSchedule
from django_ecommerce_sync.sync import runs

PRODUCTS = Stream("products", fields={"sku": "sku", "price": "price"})


@pytest.fixture(autouse=True)
def shop(settings):
    settings.ECOMMERCE_SYNC = {
        "RUNNER": "inline",
        "FEEDS": {
            "shop": {
                "BACKEND": MemoryFeed,
                "OPTIONS": {
                    "streams": [PRODUCTS],
                    "rows": {"products": [{"sku": sku, "price": "1"} for sku in "AB"]},
                },
            }
        },
    }


pytestmark = pytest.mark.django_db(transaction=True)


def test_execute_run_carries_out_a_queued_run():
    run = SyncRun.objects.create(feed="shop")
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == "succeeded"


@pytest.mark.parametrize("run_id", [0, 99, -1, 10**30, "1", None, {"id": 1}, [1], 1.5, True])
def test_a_forged_message_does_nothing(run_id):
    assert tasks.execute_run(run_id) is None
    assert not SyncRun.objects.exists()


def test_a_message_about_a_finished_run_does_nothing():
    finished = timezone.now()
    run = SyncRun.objects.create(feed="shop", status="failed", slot=None, finished_at=finished)
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("failed", 0)
    assert not Product.objects.exists()


def test_sync_feed_answers_with_the_run():
    run = SyncRun.objects.get(pk=tasks.sync_feed("shop"))
    assert (run.status, run.trigger) == ("succeeded", "task")


def test_sync_feed_leaves_an_active_run_alone():
    queued = SyncRun.objects.create(feed="shop")
    assert tasks.sync_feed("shop") == queued.pk
    queued.refresh_from_db()
    assert queued.status == "queued"


def test_sync_feed_takes_json_options():
    pk = tasks.sync_feed("shop", streams=["products"], dry_run=True, full=True, since="2d", limit=1)
    run = SyncRun.objects.get(pk=pk)
    assert (run.streams, run.dry_run, run.full, run.limit) == (["products"], True, True, 1)
    assert (timezone.now() - run.since).days == 2
    assert not Product.objects.exists()


def test_sync_feed_names_an_unknown_feed():
    with pytest.raises(FeedNotFound, match="did you mean 'shop'"):
        tasks.sync_feed("shpo")


def test_dispatch_starts_what_is_due():
    past = timezone.now() - timedelta(minutes=1)
    SyncSchedule.objects.create(feed="shop", cron="* * * * *", next_run_at=past)
    tasks.dispatch()
    assert SyncRun.objects.get().trigger == "schedule"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T08:30", "2026-11-01T08:30:00+00:00"),
        ("2026-11-01T08:30+01:00", "2026-11-01T08:30:00+01:00"),
        ("2026-11-01T08:30:00Z", "2026-11-01T08:30:00+00:00"),
    ],
)
def test_since_as_a_moment(text, expected):
    assert tasks.parse_since(text).isoformat() == expected


def test_the_tasks_go_by_the_names_they_are_sent_by():
    assert tasks.execute_run.name == runs.EXECUTE_TASK
    registered = current_app.tasks
    for entry in tasks.BEAT_SCHEDULE.values():
        assert entry["task"] in registered
        assert entry["options"]["expires"] < entry["schedule"]


def test_the_doorbell_is_acknowledged_early_and_leaves_no_result():
    assert tasks.execute_run.acks_late is False
    assert tasks.execute_run.reject_on_worker_lost is False
    assert tasks.execute_run.ignore_result is True


def test_settings_can_import_the_beat_schedule():
    code = "from django_ecommerce_sync.beat import BEAT_SCHEDULE; print(*BEAT_SCHEDULE)"
    bare = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bare.stdout.split() == ["ecommerce-sync-dispatch"]


def test_sigterm_waits_for_the_batch_at_hand():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with tasks._last_batch_before_the_end() as is_over:
            assert not is_over()
            os.kill(os.getpid(), signal.SIGTERM)
            assert is_over()
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_worker_that_is_asked_to_go_hands_its_run_over(settings, monkeypatch):
    rung = []
    monkeypatch.setattr(tasks, "hand_over", rung.append)
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "BATCH_SIZE": 1}
    run = SyncRun.objects.create(feed="shop")
    tasks._leave()
    try:
        tasks.execute_run(run.pk)
    finally:
        tasks._arrive()
    run.refresh_from_db()
    assert (run.status, run.batch_number, rung) == ("queued", 1, [run])
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.counts_of("products")["created"]) == ("succeeded", 2)
