"""Bad requests to the API, by the numbers of the project's table of bad inputs.

Each is sent to every address that takes a body. Where a request is answered that others refuse,
this is why:

- B67: bodies are JSON only, so nothing is ever taken for false because it was left out.
- B69: orders outlive their customers: deleting a customer leaves the orders, with the copy of his
  name and address.
- B71: a page too large is a large page: ``page_size`` is cut to the maximum.
"""

import json
import threading

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection

from django_ecommerce_sync.models import Customer, Order, Product, SyncRun
from tests.api.conftest import APIClient, client, customer, problem, product, user
from tests.api.test_idempotency import send_at_once

__all__ = ["client", "customer", "product", "user"]

pytestmark = pytest.mark.django_db

#: Method and address of everything that takes a body; ``{pk}`` is a product.
WRITES = [
    ("POST", "/api/products/"),
    ("PUT", "/api/products/{pk}/"),
    ("PATCH", "/api/products/{pk}/"),
    ("PUT", "/api/products/by-sku/SK-1/"),
    ("PUT", "/api/products/by-sku/new/"),
    ("PATCH", "/api/products/by-sku/SK-1/"),
    ("POST", "/api/products/bulk/"),
    ("POST", "/api/customers/"),
    ("PUT", "/api/customers/by-email/new@example.com/"),
    ("POST", "/api/customers/bulk/"),
    ("POST", "/api/orders/"),
    ("POST", "/api/orders/bulk/"),
    ("POST", "/api/refresh/"),
    ("POST", "/api/token/"),
]
LISTS = ["/api/products/", "/api/customers/", "/api/orders/", "/api/sync-runs/"]


@pytest.fixture(autouse=True)
def _nobody_is_throttled():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(params=WRITES, ids=lambda write: f"{write[0]} {write[1]}")
def send(request, client, product):
    """Send a body as it is to one of the addresses; nothing may be stored afterwards."""
    method, address = request.param

    def send(text, content_type="application/json", **headers):
        return client.generic(method, address.format(pk=product.pk), text, content_type, **headers)

    before = stored()
    yield send
    assert stored() == before


def stored():
    models = (Product, Customer, Order, SyncRun)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("text", ["{", "nonsense", '"text"', "1", "true", '{"a": 1} x', "\xff"])
def test_b62_what_is_no_object(send, text):
    problem(send(text.encode("latin-1")), 400)


@pytest.mark.parametrize(
    "text", ["[" * 2000 + "]" * 2000, '{"a":' * 2000 + "1" + "}" * 2000, "[" * 500_000]
)
def test_b63_bodies_nested_too_deep(send, text):
    problem(send(text), 400)


@pytest.mark.parametrize("value", ['"\\ud800"', '"\\u0000"', "[" * 70 + "]" * 70, "1e400", "NaN"])
@pytest.mark.parametrize("name", ["attributes", "address", "billing_address"])
def test_b64_json_no_database_keeps(client, product, name, value):
    urls = {"attributes": "products", "address": "customers", "billing_address": "orders"}
    text = f'{{"sku": "x", "price": 1, "{name}": {{"a": {value}}}}}'
    for url, body in ((f"{urls[name]}/", text), (f"{urls[name]}/bulk/", f"[{text}]")):
        before = stored()
        problem(client.generic("POST", f"/api/{url}", body, "application/json"), 400)
        assert stored() == before


def test_b65_bodies_too_large(send):
    problem(send(json.dumps([{"name": "x" * 11 * 1024 * 1024}])), 413, "too_large")


def test_b66_names_that_are_there_twice(send):
    problem(send('{"sku": "a", "price": 1, "sku": "b", "username": "a", "username": "b"}'), 400)
    problem(send('[{"sku": "a", "price": 1, "sku": "b"}]'), 400)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_b67_forms(send, content_type):
    problem(send("sku=a&price=1&username=a&password=b", content_type), 415)


@pytest.mark.django_db(transaction=True)
def test_b68_one_key_from_every_door_at_once(client, user):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    body = {"sku": "R", "price": "1"}
    doors = [
        lambda racer: racer.post("/api/products/", body),
        lambda racer: racer.put("/api/products/by-sku/R/", body),
        lambda racer: racer.post("/api/products/bulk/", [body]),
    ]
    turn = iter(range(12))
    lock = threading.Lock()
    codes = []

    def work(racer):
        with lock:
            door = doors[next(turn) % 3]
        codes.append(door(racer).status_code)

    for _round in range(5):
        Product.objects.all().delete()
        codes.clear()
        turn = iter(range(12))
        send_at_once(user, 12, work)
        assert Product.objects.count() == 1
        assert set(codes) <= {200, 201, 409}
        assert codes.count(409) <= 4  # those of the plain POSTs; the others are upserts


def test_b69_customers_with_orders_can_go_and_the_orders_stay(client, customer):
    order = client.post("/api/orders/", {"customer": customer.pk}).json()
    assert client.delete(f"/api/customers/{customer.pk}/").status_code == 204
    left = client.get(f"/api/orders/{order['id']}/").json()
    assert (left["customer"], left["customer_email"]) == (None, "eve@example.com")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_b70_updates_of_what_has_changed(client, product, method):
    url = f"/api/products/{product.pk}/"
    tag = client.get(url)["ETag"]
    client.patch(url, {"name": "theirs"})
    body = json.dumps({"sku": "SK-1", "price": "1", "name": "mine"})
    for address in (url, "/api/products/by-sku/SK-1/"):
        response = client.generic(method, address, body, "application/json", HTTP_IF_MATCH=tag)
        problem(response, 412, "precondition_failed")
    assert Product.objects.get().name == "theirs"


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page=0", 404),
        ("page=abc", 404),
        (f"page={10**21}", 404),
        ("page_size=1000000", 200),
        ("page_size=-1", 400),
        ("ordering=-password", 400),
        ("ordering=customer__email", 400),
        ("search=%00", 400),
        ("search=%F0%9F%A7%A6", 200),
        ("with_count=2", 400),
        ("format=xml", 404),
    ],
)
def test_b71_queries(client, product, url, query, status):
    response = client.get(f"{url}?{query}")
    assert response.status_code == status, response.content
    if status != 200:
        problem(response, status)


@pytest.mark.parametrize("url", LISTS[:3])
@pytest.mark.parametrize("identity", ["0", str(10**20), "٣", "-1", "1.0", "abc", "1%00"])
def test_b71_ids(client, url, identity):
    for method in ("get", "put", "patch", "delete"):
        problem(getattr(client, method)(f"{url}{identity}/", {}), 404, "not_found")


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", "nonsense"])
def test_b72_charsets(send, charset):
    problem(send("{}", f"application/json; charset={charset}"), 415)


def test_b72_formats_and_methods(client, product):
    for url in (*LISTS, f"/api/products/{product.pk}/", "/api/products/by-sku/SK-1/"):
        problem(client.get(url, HTTP_ACCEPT="application/xml"), 406, "not_acceptable")
        problem(client.generic("TRACE", url), 405)
        assert client.get(url, HTTP_X_HTTP_METHOD_OVERRIDE="DELETE").status_code == 200
    for method in ("get", "put", "patch", "delete"):
        response = getattr(client, method)("/api/products/bulk/")
        problem(response, 405, "method_not_allowed")
    assert Product.objects.count() == 1


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize("text", ["x " * 2000, "a b c d e f", "x" * 65, "%" * 300, "x" * 8192])
def test_b73_searches_without_bounds(client, url, text):
    document = problem(client.get(url, {"search": text}), 400)
    assert document["errors"][0]["pointer"] == "/search"


@pytest.mark.parametrize("name", ["fields", "omit", "expand", "ordering", "cursor"])
def test_b73_long_queries(client, name):
    document = problem(client.get("/api/orders/", {name: "id," * 3000}), 400)
    assert document["errors"][0]["pointer"] == f"/{name}"
    assert len(json.dumps(document)) < 2000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"feeds": ["nope"]}, 404),
        ({"url": "http://169.254.169.254/"}, 400),
        ({"feeds": [{"url": "http://169.254.169.254/"}]}, 400),
        ({"feed": "shop"}, 400),
    ],
)
def test_b74_refresh(client, body, status):
    problem(client.post("/api/refresh/", body), status)
    assert not SyncRun.objects.exists()


def test_b74_a_key_with_another_body(client, settings, monkeypatch):
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}}}
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda run: "deferred")
    headers = {"Idempotency-Key": "k"}
    assert client.post("/api/refresh/", {}, headers=headers).status_code == 202
    response = client.post("/api/refresh/", {"full": True}, headers=headers)
    problem(response, 422, "idempotency_key_reused")


SECRETS = {"is_staff": True, "is_superuser": True, "password": "x", "_state": {}, "pk": 999}


@pytest.mark.parametrize("name", ["id", "version", "archived_at", "reserved_count", "created_at"])
def test_s04_what_only_the_package_writes(client, product, name):
    values = {"id": 999, "version": 99, "archived_at": "2001-01-01T00:00:00Z"}
    sent = {"sku": "SK-1", "price": "1", name: values.get(name, 77), **SECRETS}
    before = getattr(product, name)
    client.post("/api/products/bulk/", [sent])
    client.put("/api/products/by-sku/SK-1/", {**sent, "price": "2"})
    stored = Product.objects.get()
    assert stored.price == 2
    assert getattr(stored, name) == (3 if name == "version" else before)


def test_s04_orders_stay_where_they_came_from(client):
    client.post("/api/orders/bulk/", [{"order_id": "1", "source": "shop", "version": 9}])
    assert Order.objects.values_list("source", "version").get() == ("local", 1)


@pytest.mark.parametrize("attack", ["'", "';--", "1 OR 1=1", "%", "\\", '"', "x' UNION SELECT 1"])
def test_s24_quotes_in_keys(client, product, attack):
    body = {"price": "1"}
    created = client.put(f"/api/products/by-sku/{attack.replace('%', '%25')}/", body)
    assert (created.status_code, created.json()["sku"]) == (201, attack)
    rows = client.post("/api/products/bulk/", [{"sku": attack, "price": "2"}]).json()
    assert [row["id"] for row in rows["results"]] == [created.json()["id"]]
    assert Product.objects.count() == 2


@pytest.mark.parametrize("size", [200, 201])
def test_s26_pages(client, size):
    Product.objects.bulk_create(Product(sku=f"p{n}", price=1) for n in range(201))
    for query in ("", "&with_count=false", "&cursor="):
        rows = client.get(f"/api/products/?page_size={size}{query}").json()["results"]
        assert len(rows) == 200


def test_s26_rows_in_bulk(client):
    rows = [{"sku": f"p{n}", "price": 1} for n in range(1000)]
    assert client.post("/api/products/bulk/", rows).json()["counts"]["created"] == 1000
    text = b"{}\n" * 50_001
    response = client.generic("POST", "/api/products/bulk/", text, "application/x-ndjson")
    problem(response, 413, "too_many_rows")


def test_s36_failures_in_bulk_are_problems(client, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("django_ecommerce_sync.sync.upsert", fail)
    client.raise_request_exception = False
    response = client.post("/api/products/bulk/", [{"sku": "a", "price": 1}])
    problem(response, 500, "error")
    assert b"secret" not in response.content


def test_s01_strangers_get_nothing_done(product):
    stranger = APIClient()
    for method, address in WRITES:
        if not address.startswith("/api/token"):
            problem(stranger.generic(method, address.format(pk=product.pk), "{}"), 401)
    assert get_user_model().objects.count() == 0
