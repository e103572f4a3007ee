"""``Idempotency-Key``: sent again is answered again, and not done again."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.db.models.signals import post_save
from django.utils import timezone

from django_ecommerce_sync.models import IdempotencyKey, Product, SyncRun

from .conftest import APIClient, problem

URL = "/api/products/"
BODY = {"sku": "SK-9", "name": "Hat", "price": "19.90"}


def client_of(user):
    client = APIClient()
    client.force_authenticate(get_user_model().objects.get(pk=user.pk))
    return client


def post(client, key="k-1", body=None, url=URL):
    return client.post(url, BODY if body is None else body, headers={"Idempotency-Key": key})


@pytest.fixture
def listen():
    """Call a function whenever a product is saved."""
    receivers = []

    def connect(receiver):
        receivers.append(receiver)
        post_save.connect(receiver, sender=Product)

    yield connect
    for receiver in receivers:
        post_save.disconnect(receiver, sender=Product)


def test_the_same_request_gets_the_same_answer(client):
    first = post(client)
    Product.objects.update(name="changed since")
    again = post(client)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    for header in ("Location", "ETag", "Content-Type"):
        assert first[header] == again[header]
    assert Product.objects.count() == 1


@pytest.mark.parametrize("url", ["/api/products/", "/api/customers/", "/api/orders/"])
def test_every_post_that_creates_heeds_it(client, product, url):
    bodies = {
        "products": BODY,
        "customers": {},
        "orders": {"lines": [{"sku": "SK-1", "quantity": 1}]},
    }
    body = bodies[url.split("/")[2]]
    ids = {post(client, body=body, url=url).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert client.get(url).json()["count"] == (2 if "products" in url else 1)


def test_refresh_heeds_it(client, settings, monkeypatch):
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}}}
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda run: "deferred")
    first = post(client, url="/api/refresh/", body={})
    SyncRun.objects.update(slot=None, status="succeeded")
    again = post(client, url="/api/refresh/", body={})
    assert (first.status_code, again.content) == (202, first.content)
    assert again["Location"] == first["Location"]
    assert SyncRun.objects.count() == 1


def test_without_a_key_nothing_is_kept(client):
    client.post(URL, BODY)
    assert not IdempotencyKey.objects.exists()


def test_spaces_and_order_of_the_body_do_not_matter(client):
    post(client)
    text = '{ "price": "19.90",\n"name": "Hat", "sku": "SK-9" }'
    headers = {"Idempotency-Key": "k-1"}
    again = client.post(URL, text, content_type="application/json", headers=headers)
    assert again["Idempotency-Replayed"] == "true"


def test_quotes_around_the_key_do_not_matter(client):
    post(client, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    assert post(client, "8e03978e-40d5-43dd-bc93-6894a57f9324")["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "key",
    ["", '""', " ", '"', 'a"b', "a b", "ü", "a\tb", "\x7f", "x" * 256, '"a', "a\\b", '"a","b"'],
)
def test_what_can_be_no_key_is_refused(client, key):
    document = problem(post(client, key), 400)
    (entry,) = document["errors"]
    assert (entry["pointer"], entry["in"]) == ("/Idempotency-Key", "header")
    assert not Product.objects.exists()


def test_the_longest_key(client):
    assert post(client, "x" * 255).status_code == 201
    assert post(client, "x" * 255)["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("url", "body"),
    [(URL, {**BODY, "price": "20"}), (f"{URL}?x=1", BODY), ("/api/customers/", BODY)],
)
def test_another_request_with_the_key_is_refused(client, url, body):
    post(client)
    problem(post(client, body=body, url=url), 422, "idempotency_key_reused")
    assert Product.objects.get().price == Decimal("19.90")


def test_keys_of_other_users_are_others(client, user):
    post(client)
    other = APIClient()
    other.force_authenticate(get_user_model().objects.create_superuser("eva", password="x"))
    problem(post(other), 409, "duplicate")


def test_rights_are_looked_at_every_time(client, user):
    post(client)
    user.user_permissions.clear()
    problem(post(client_of(user)), 403)


def test_refusals_are_kept(client, product):
    body = {**BODY, "sku": "SK-1"}
    first = post(client, body=body)
    problem(first, 409, "duplicate")
    product.delete()
    again = post(client, body=body)
    assert (again.status_code, again.content) == (409, first.content)
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotency-Replayed"] == "true"
    assert not Product.objects.exists()


def test_what_is_no_json_uses_up_no_key(client):
    headers = {"Idempotency-Key": "k-1"}
    problem(client.post(URL, "{", content_type="application/json", headers=headers), 400)
    assert post(client).status_code == 201


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("x"), 500), (OperationalError(), 503)])
def test_our_own_failures_are_not_kept(client, listen, error, status):
    def fail(**kwargs):
        if calls:
            raise calls.pop()

    calls = [error]
    listen(fail)
    client.raise_request_exception = False
    problem(post(client), status)
    assert not IdempotencyKey.objects.exists()
    assert not Product.objects.exists()
    assert post(client).status_code == 201


def test_while_the_first_is_carried_out_others_are_told(client):
    post(client)
    Product.objects.all().delete()
    IdempotencyKey.objects.update(status=None)
    response = post(client)
    problem(response, 409, "request_in_progress")
    assert response["Retry-After"] == "1"
    assert not Product.objects.exists()


def test_what_a_dead_worker_left_is_taken_over(client):
    post(client)
    Product.objects.all().delete()
    IdempotencyKey.objects.update(status=None, locked_until=timezone.now() - timedelta(seconds=1))
    assert "Idempotency-Replayed" not in post(client)
    assert post(client)["Idempotency-Replayed"] == "true"
    assert IdempotencyKey.objects.get().fence == 1


def test_who_was_overtaken_writes_nothing(client, listen):
    listen(lambda **kwargs: IdempotencyKey.objects.update(fence=7))
    problem(post(client), 409, "request_in_progress")
    assert not Product.objects.exists()


def test_after_a_day_a_key_is_new(client):
    post(client)
    IdempotencyKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    problem(post(client), 409, "duplicate")
    assert IdempotencyKey.objects.get().expires_at > timezone.now() + timedelta(hours=23)


def test_how_long_keys_are_kept_can_be_set(client, settings):
    settings.ECOMMERCE_SYNC = {"API": {"IDEMPOTENCY_KEY_LIFETIME": timedelta(hours=2)}}
    post(client)
    left = IdempotencyKey.objects.get().expires_at - timezone.now()
    assert timedelta(hours=1) < left <= timedelta(hours=2)


def test_prune_forgets_the_answers(client):
    post(client, "old")
    IdempotencyKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    post(client, "new", {**BODY, "sku": "other"})
    call_command("ecommerce_sync", "prune")
    assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]


def test_a_put_by_key_needs_no_key(client):
    for _ in range(2):
        response = client.put(f"{URL}by-sku/a/", {"price": 1}, headers={"Idempotency-Key": "k"})
        assert "Idempotency-Replayed" not in response
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_works_where_the_project_makes_each_request_a_transaction(client, product):
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        problem(post(client, body={**BODY, "sku": "SK-1"}), 409, "duplicate")
        assert not IdempotencyKey.objects.exists()
        assert post(client).content == post(client).content
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    assert IdempotencyKey.objects.get().status == 201


def send_at_once(user, number, work):
    barrier = threading.Barrier(number)

    def send(racer):
        barrier.wait(30)
        work(racer)
        connection.close()

    racers = [threading.Thread(target=send, args=[client_of(user)]) for _ in range(number)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_identical_requests_one_is_carried_out(client, user):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    answers = []
    number = 100 if connection.vendor == "mysql" else 40  # PostgreSQL has 100 connections in all
    # A customer without a key: nothing but the header keeps a hundred from being created.
    body = {"first_name": "Eve"}
    send_at_once(
        user, number, lambda racer: answers.append(post(racer, "k", body, "/api/customers/"))
    )
    assert client.get("/api/customers/").json()["count"] == 1
    created = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in created}) == 1
    assert sum("Idempotency-Replayed" not in answer for answer in created) == 1
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "request_in_progress")


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_the_first(client, user, listen):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    saved, told = threading.Event(), threading.Event()

    def hold(**kwargs):
        saved.set()
        told.wait(10)

    listen(hold)
    answers = []
    first = threading.Thread(
        target=lambda: (answers.append(post(client_of(user))), connection.close())
    )
    first.start()
    assert saved.wait(10)
    problem(post(client), 409, "request_in_progress")
    problem(post(client, body={**BODY, "name": "x"}), 422, "idempotency_key_reused")
    told.set()
    first.join()
    assert answers[0].status_code == 201
    assert post(client).content == answers[0].content
