"""Bulk requests with more rows than are carried out at once."""

import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_ecommerce_sync import sync
from django_ecommerce_sync.models import (
    BULK_FEED,
    Customer,
    IdempotencyKey,
    Order,
    Product,
    SentRow,
    SyncIssue,
    SyncRun,
)

from .conftest import problem
from .test_access import someone_with
from .test_bulk import URL, row, send

SKIP = "on_error=skip"


@pytest.fixture(autouse=True)
def _small(settings):
    settings.ECOMMERCE_SYNC = {
        "RUNNER": "inline",
        "BATCH_SIZE": 2,
        "API": {"MAX_BULK_ROWS": 2, "MAX_QUEUED_BULK_ROWS": 8},
    }


@pytest.fixture
def queued(monkeypatch):
    """Runs stay in the queue until somebody executes them."""
    monkeypatch.setattr("django_ecommerce_sync.sync.runs._inline", lambda ids: "deferred")
    monkeypatch.setitem(sync.runs._HAND_OVER, "inline", lambda ids: "deferred")


def accepted(response):
    assert response.status_code == 202, response.content
    answer = response.json()
    assert response["Location"] == answer["url"]
    return answer


def results(client, answer):
    return client.get(answer["results_url"]).json()["results"]


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_many_rows_are_carried_out_by_a_run(client, product, on_commit):
    rows = [row("new"), row("SK-1", price="1"), row("x", price="-1"), row("y"), {"sku": "z"}]
    with on_commit():
        answer = accepted(send(client, rows, SKIP))
    assert (answer["status"], answer["rows"]) == ("queued", 5)
    run = client.get(answer["url"]).json()
    assert (run["status"], run["feed"], run["trigger"]) == ("partial", BULK_FEED, "bulk")
    assert (run["progress"], run["issues_count"]) == (1.0, 2)
    counts = run["counts"]["products"]
    assert (counts["read"], counts["created"], counts["updated"], counts["rejected"]) == (
        5,
        2,
        1,
        2,
    )
    ids = dict(Product.objects.values_list("sku", "pk"))
    assert [(each["status"], each["key"], each["id"]) for each in results(client, answer)] == [
        ("created", "new", ids["new"]),
        ("updated", "SK-1", ids["SK-1"]),
        ("rejected", None, None),
        ("created", "y", ids["y"]),
        ("rejected", "z", None),
    ]
    rejected = client.get(f"{answer['results_url']}?status=rejected").json()
    assert rejected["count"] == 2
    assert rejected["results"][0]["errors"][0]["pointer"] == "/2/price"
    assert list(SyncIssue.objects.values_list("position", "field", "code")) == [
        (2, "price", "min_value"),
        (4, "price", "required"),
    ]


def test_a_queued_request_comes_to_the_same_as_one_carried_out_at_once(client, settings, on_commit):
    rows = [
        row("a", name="first", price="1"),
        row("b", attributes={"n": 1.5, "big": 10**30}),
        {"sku": "a", "price": "2"},
        row(" a", price="-1"),
        row("c"),
        row("c", price="3"),
    ]
    with on_commit():
        answer = accepted(send(client, rows, SKIP))
    seen = [(each["index"], each["status"], each["errors"]) for each in results(client, answer)]
    stored = list(Product.objects.order_by("sku").values("sku", "name", "price", "attributes"))
    Product.objects.all().delete()
    settings.ECOMMERCE_SYNC = {"API": {"MAX_BULK_ROWS": 8}}
    at_once = send(client, rows, SKIP).json()["results"]
    assert seen == [(each["index"], each["status"], each["errors"]) for each in at_once]
    assert stored == list(
        Product.objects.order_by("sku").values("sku", "name", "price", "attributes")
    )


def test_one_wrong_row_and_none_is_written(client, on_commit):
    rows = [row("a"), row("b"), row("c"), row("d", price="x"), row("e")]
    with on_commit():
        answer = accepted(send(client, rows))
    run = client.get(answer["url"]).json()
    assert run["status"] == "failed"
    assert run["error"]["code"] == "rows_rejected"
    assert not Product.objects.exists()
    assert [each["status"] for each in results(client, answer)] == [
        *["skipped"] * 3,
        "rejected",
        "skipped",
    ]
    assert run["counts"]["products"]["skipped"] == 4


def test_all_right_rows_are_written_together(client, on_commit):
    with on_commit():
        answer = accepted(send(client, [row(f"p{n}") for n in range(5)]))
    assert client.get(answer["url"]).json()["status"] == "succeeded"
    assert Product.objects.count() == 5


def test_a_dry_run_writes_nothing(client, on_commit):
    with on_commit():
        answer = accepted(send(client, [row(f"p{n}") for n in range(3)], "dry_run=1"))
    assert client.get(answer["url"]).json()["dry_run"] is True
    assert [each["status"] for each in results(client, answer)] == ["created"] * 3
    assert not Product.objects.exists()


@pytest.mark.parametrize("name", ["customers", "orders"])
def test_customers_and_orders_too(client, customer, name, on_commit):
    rows = {
        "customers": [{"email": f"c{n}@example.com"} for n in range(3)],
        "orders": [{"order_id": f"o{n}", "customer": customer.pk} for n in range(3)],
    }[name]
    before = {"customers": 1, "orders": 0}[name]
    with on_commit():
        answer = accepted(send(client, rows, url=f"/api/{name}/bulk/"))
    assert client.get(answer["url"]).json()["status"] == "succeeded"
    model = {"customers": Customer, "orders": Order}[name]
    assert model.objects.count() == before + 3
    assert all(each["id"] for each in results(client, answer))


def test_what_was_sent_is_not_kept(client, queued, on_commit):
    rows = [{"email": f"c{n}@example.com", "phone": "12345"} for n in range(3)]
    with on_commit():
        answer = accepted(send(client, rows, url="/api/customers/bulk/"))
    assert SentRow.objects.filter(payload__contains="12345").count() == 3
    waiting = client.get(answer["results_url"])
    assert [each["status"] for each in waiting.json()["results"]] == ["waiting"] * 3
    assert b"example.com" not in waiting.content
    sync.execute(answer["id"])
    assert not SentRow.objects.exclude(payload=None, key="").exists()
    assert b"example.com" not in client.get(answer["results_url"]).content


def test_lines_that_are_no_json_take_their_place(client, on_commit):
    text = b'{"sku": "a", "price": 1}\n{"sku": \n"\xff"\n{"sku": "b", "price": 1.50}\n'
    with on_commit():
        response = client.generic("POST", f"{URL}?{SKIP}", text, "application/x-ndjson")
    found = results(client, accepted(response))
    assert [each["status"] for each in found] == ["created", "rejected", "rejected", "created"]
    assert found[1]["errors"][0]["code"] == "parse_error"
    assert found[1]["errors"][0]["pointer"] == "/1"


def test_a_dead_worker_is_taken_over_where_it_stood(client, queued, on_commit, monkeypatch):
    with on_commit():
        answer = accepted(send(client, [row(f"p{n}") for n in range(5)], SKIP))
    asked = iter([False, True, False, False])
    run = sync.execute(answer["id"], pause=lambda: next(asked))
    assert (run.status, run.counts["products"]["created"]) == ("queued", 4)
    run = sync.execute(answer["id"])
    assert (run.status, run.counts["products"]["created"]) == ("succeeded", 5)
    assert set(Product.objects.values_list("version", flat=True)) == {1}


def test_it_can_be_cancelled(client, queued, on_commit):
    with on_commit():
        answer = accepted(send(client, [row(f"p{n}") for n in range(3)], SKIP))
    assert client.post(f"{answer['url']}cancel/").status_code == 202
    assert sync.execute(answer["id"]).status == "cancelled"
    assert not Product.objects.exists()


def test_several_may_wait(client, queued, on_commit):
    for name in ("a", "b"):
        accepted(send(client, [row(f"{name}{n}") for n in range(3)]))
    assert SyncRun.objects.filter(feed=BULK_FEED, status="queued").count() == 2


def test_there_is_an_end(client):
    document = problem(send(client, [row(f"p{n}") for n in range(9)]), 413, "too_many_rows")
    assert "9 rows" in document["detail"]
    assert not SyncRun.objects.exists()


def test_at_most_so_many_can_be_carried_out_at_once_only(client, settings):
    settings.ECOMMERCE_SYNC = {"API": {"MAX_BULK_ROWS": 2, "MAX_QUEUED_BULK_ROWS": 0}}
    problem(send(client, [row(f"p{n}") for n in range(3)]), 413, "too_many_rows")


def test_sent_twice_with_one_key_it_is_carried_out_once(client, on_commit):
    rows, headers = [row(f"p{n}") for n in range(3)], {"Idempotency-Key": "k"}
    with on_commit():
        first = send(client, rows, headers=headers)
        second = send(client, rows, headers=headers)
    assert accepted(first) == accepted(second)
    assert second["Idempotency-Replayed"] == "true"
    assert (SyncRun.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_who_sent_the_rows_may_follow_them(db, on_commit):
    sender = someone_with("add_product", "change_product")
    with on_commit():
        answer = accepted(send(sender, [row(f"p{n}") for n in range(3)]))
    assert sender.get(answer["url"]).json()["status"] == "succeeded"
    assert len(results(sender, answer)) == 3
    problem(sender.get(f"{answer['url']}issues/"), 403)
    problem(sender.post(f"{answer['url']}cancel/"), 403)
    other = someone_with("add_product", "change_product", name="dora")
    problem(other.get(answer["url"]), 403)
    problem(other.get(answer["results_url"]), 403)
    auditor = someone_with("view_syncrun", "view_syncissue", name="emil")
    assert len(results(auditor, answer)) == 3


def test_rights_are_looked_at_before_anything_is_kept(db):
    problem(send(someone_with("add_product"), [row(f"p{n}") for n in range(3)]), 403)
    assert not SentRow.objects.exists()


def test_there_is_nothing_to_read_again(client, on_commit):
    with on_commit():
        answer = accepted(send(client, [row(f"p{n}", price="x") for n in range(3)], SKIP))
    problem(client.post(f"{answer['url']}retry/"), 409)


def test_orders_are_logged_under_who_sent_them(client, user, on_commit):
    with on_commit():
        accepted(send(client, [{"order_id": f"o{n}"} for n in range(3)], url="/api/orders/bulk/"))
    order = Order.objects.first()
    assert order.events.get().by == user


def test_prune_forgets_results_with_their_run(client, on_commit):
    with on_commit():
        first = accepted(send(client, [row(f"p{n}") for n in range(3)]))
        accepted(send(client, [row(f"q{n}") for n in range(3)]))
    old = timezone.now() - timezone.timedelta(days=400)
    SyncRun.objects.filter(pk=first["id"]).update(finished_at=old)
    call_command("ecommerce_sync", "prune", verbosity=0)
    assert set(SentRow.objects.values_list("run", flat=True)) == {
        SyncRun.objects.get(feed=BULK_FEED).pk
    }


def test_stored_rows_are_what_was_sent(client, queued):
    sent = [{"sku": "a", "price": 1.10, "attributes": {"x": [1, None, "ü"]}}] * 3
    send(client, sent)
    assert json.loads(SentRow.objects.first().payload) == sent[0]
