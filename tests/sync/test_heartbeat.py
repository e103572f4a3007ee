"""A source may take longer than a lease."""

import time

import pytest
from django.db import connection

from django_ecommerce_sync.feeds import FeedSource, Page, Stream
from django_ecommerce_sync.models import RunStatus, SyncRun
from django_ecommerce_sync.sync import execute, heartbeat, request_run
from django_ecommerce_sync.sync.lease import DatabaseNow, acquire

from .conftest import PRODUCTS, product

pytestmark = pytest.mark.django_db(transaction=True)


class Slow(FeedSource):
    """Takes three times as long as the lease lasts for its only page."""

    streams = [PRODUCTS]
    taken = None

    def fetch(self, stream: Stream, cursor):
        time.sleep(3)
        run = SyncRun.objects.get(status=RunStatus.RUNNING)
        type(self).taken = acquire(run.pk, "another", SyncRun)
        connection.close()
        yield Page([product(1)])


@pytest.fixture
def slow(settings):
    settings.ECOMMERCE_SYNC = {
        **settings.ECOMMERCE_SYNC,
        "FEEDS": {"slow": {"BACKEND": Slow}},
        "LEASE_SECONDS": 1,
    }
    return request_run("slow")[0]


@pytest.fixture(autouse=True)
def database_of_many_connections():
    if connection.vendor == "sqlite":
        pytest.skip("the in-memory database belongs to one thread")


def test_a_run_that_waits_for_its_source_is_not_taken_over(slow):
    assert execute(slow.pk).status == RunStatus.SUCCEEDED
    assert Slow.taken is None


def test_a_worker_that_lands_nothing_for_too_long_is_given_up(slow, monkeypatch):
    monkeypatch.setattr(heartbeat, "MAX_SILENCE", 0.0)
    run = execute(slow.pk)
    assert Slow.taken is not None
    assert run.status == RunStatus.RUNNING  # in the hands of whoever took it
    assert SyncRun.objects.filter(pk=run.pk, lease_until__gt=DatabaseNow()).exists()
