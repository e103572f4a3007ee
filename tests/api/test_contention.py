"""Requests that meet the locks of others: carried out again, and told apart from an outage."""

import pytest
from django.db import OperationalError
from django.db.models.signals import post_save, pre_delete

from django_ecommerce_sync.models import IdempotencyKey, Product
from django_ecommerce_sync.sync import faults

from .conftest import problem

URL = "/api/products/"
DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock")


@pytest.fixture
def ends(monkeypatch):
    """Let the database end so many transactions that write a product; how many it has ended."""
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: None)
    ended = []

    def begin(times, error=DEADLOCK):
        def end(**kwargs):
            if len(ended) < times:
                ended.append(error)
                raise error

        for signal in (post_save, pre_delete):
            signal.connect(end, Product, weak=False, dispatch_uid="ends")
        return ended

    yield begin
    for signal in (post_save, pre_delete):
        signal.disconnect(sender=Product, dispatch_uid="ends")


WRITES = [
    ("post", URL, {"sku": "N", "price": "1"}, 201),
    ("put", f"{URL}by-sku/N/", {"price": "1"}, 201),
    ("put", f"{URL}by-sku/SK-1/", {"price": "1"}, 200),
    ("patch", f"{URL}by-sku/SK-1/", {"price": "1"}, 200),
    ("delete", f"{URL}by-sku/SK-1/", None, 204),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1020, 1205, 1213])
@pytest.mark.parametrize(("method", "url", "body", "status"), WRITES)
def test_what_met_locks_is_done_again(client, product, ends, method, url, body, status, number):
    ended = ends(3, OperationalError(number, "not now"))
    assert getattr(client, method)(url, body).status_code == status
    assert len(ended) == 3
    assert Product.objects.filter(price=1).count() == (status != 204)


@pytest.mark.django_db(transaction=True)
def test_a_request_with_a_key_is_done_again_and_answered_once(client, ends):
    ended = ends(3)
    body, headers = {"sku": "N", "price": "1"}, {"Idempotency-Key": "k-1"}
    first, again = (client.post(URL, body, headers=headers) for _ in range(2))
    assert (first.status_code, again.content) == (201, first.content)
    assert "Idempotency-Replayed" not in first
    assert len(ended) == 3
    assert Product.objects.count() == IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_locks_that_stay_are_no_outage(client, product, ends):
    ended = ends(99)
    response = client.patch(f"{URL}{product.pk}/", {"price": "1"})
    problem(response, 503, "lock_conflict")
    assert response["Retry-After"] == "1"
    assert len(ended) == 8


@pytest.mark.django_db(transaction=True)
def test_a_client_waits_for_locks_ten_seconds_and_no_longer(client, product, ends, monkeypatch):
    now = iter(range(0, 99, 4))
    monkeypatch.setattr(faults, "monotonic", lambda: next(now))
    ended = ends(99)
    problem(client.patch(f"{URL}{product.pk}/", {"price": "1"}), 503, "lock_conflict")
    assert len(ended) == 3


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_told_at_once(client, product, ends):
    ended = ends(99, OperationalError(2006, "gone away"))
    problem(client.patch(f"{URL}{product.pk}/", {"price": "1"}), 503, "unavailable")
    assert len(ended) == 1


def test_who_has_begun_the_transaction_begins_it_again(client, product, ends):
    ended = ends(99)
    problem(client.patch(f"{URL}{product.pk}/", {"price": "1"}), 503, "lock_conflict")
    assert len(ended) == 1
