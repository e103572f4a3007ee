"""``Idempotency-Key`` on what does something to a row: once, however often it is sent."""

import pytest
from django.utils import timezone

from django_ecommerce_sync.models import (
    IdempotencyKey,
    Merge,
    MergeCandidate,
    OrderEvent,
    Product,
    SyncIssue,
    SyncRun,
)

from .conftest import problem


@pytest.fixture(autouse=True)
def shop(settings, monkeypatch):
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}}}
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda *runs: "deferred")


@pytest.fixture
def twice(client):
    """Send a POST twice with one key; the answer, which was the same both times."""

    def send(url, body=None):
        headers = {"Idempotency-Key": "k-1"}
        first, again = (client.post(f"/api/{url}", body, headers=headers) for _ in range(2))
        assert "Idempotency-Replayed" not in first
        assert again["Idempotency-Replayed"] == "true"
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.get("Location") == first.get("Location")
        problem(client.post(f"/api/{url}", {"other": 1}, headers=headers), 422)
        return first

    return send


@pytest.fixture
def pair(db):
    rows = [Product.objects.create(sku=sku, name="Sock", price=1) for sku in "ab"]
    return MergeCandidate.objects.create(
        model="ecommerce_sync.product",
        first_id=rows[0].pk,
        second_id=rows[1].pk,
        score=90,
        found_at=timezone.now(),
    )


def run(**values):
    return SyncRun.objects.create(**{"feed": "shop", "status": "partial", "slot": None, **values})


def test_moving_an_order(client, product, twice):
    order = client.post("/api/orders/", {"lines": [{"sku": "SK-1", "quantity": 1}]}).json()
    answer = twice(f"orders/{order['id']}/transition/", {"to": "paid"})
    assert (answer.status_code, answer.json()["payment_status"]) == (200, "paid")
    assert OrderEvent.objects.filter(kind="transition").count() == 1


def test_a_move_that_is_refused(client, product, twice):
    order = client.post("/api/orders/", {"lines": [{"sku": "SK-1", "quantity": 1}]}).json()
    answer = twice(f"orders/{order['id']}/transition/", {"to": "returned"})
    problem(answer, 409, "transition_not_allowed")


def test_merging_and_taking_it_back(twice, pair):
    merge = twice(f"duplicates/{pair.pk}/merge/", {})
    assert (merge.status_code, Product.objects.count()) == (201, 1)
    IdempotencyKey.objects.all().delete()
    assert twice(f"merges/{merge.json()['id']}/undo/").status_code == 200
    assert (Merge.objects.count(), Product.objects.count()) == (1, 2)


def test_dismissing(twice, pair):
    assert twice(f"duplicates/{pair.pk}/dismiss/").json()["state"] == "dismissed"


def test_putting_side_by_side(twice, db):
    first, second = (Product.objects.create(sku=sku, price=1).pk for sku in "ab")
    answer = twice("duplicates/", {"model": "products", "first": first, "second": second})
    assert (answer.status_code, MergeCandidate.objects.count()) == (201, 1)


def test_cancelling(twice, db):
    queued = run(status="queued", slot=1)
    assert twice(f"sync-runs/{queued.pk}/cancel/").json()["status"] == "cancelled"


def test_retrying(twice, db):
    rejected = run()
    SyncIssue.objects.create(run=rejected, feed="shop", stream="products", code="x", message="x")
    answer = twice(f"sync-runs/{rejected.pk}/retry/", {})
    assert (answer.status_code, SyncRun.objects.count()) == (202, 2)


def test_applying_a_plan_that_cannot_be(twice, db):
    problem(twice(f"sync-runs/{run().pk}/apply/"), 409, "no_plan")
