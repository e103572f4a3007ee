"""Rows by SKU and by e-mail address."""

import threading
from urllib.parse import quote

import pytest
from django.db import connection

from django_ecommerce_sync.models import Customer, Product

from .conftest import problem
from .test_idempotency import send_at_once

ODD_SKUS = [
    "SK-1",
    "a/b",
    "a//b/",
    "/",
    "ü/é 1",
    "100%",
    "a%2Fb",
    "?x=1#y",
    "..",
    "v1.2.",
    "+",
    "日本",
]


def by_sku(sku):
    return f"/api/products/by-sku/{quote(sku, safe='')}/"


def by_email(email):
    return f"/api/customers/by-email/{quote(email, safe='')}/"


@pytest.mark.parametrize("sku", ODD_SKUS)
def test_any_sku_is_an_address(client, sku):
    created = client.put(by_sku(sku), {"price": "9.90"})
    assert created.status_code == 201, created.content
    row = created.json()
    assert row["sku"] == sku
    assert created["Location"] == f"http://testserver/api/products/{row['id']}/"
    read = client.get(by_sku(sku))
    assert (read.json(), read["ETag"]) == (row, created["ETag"])
    assert client.get(created["Location"]).json() == row
    changed = client.patch(by_sku(sku), {"name": "Hat"})
    assert changed.json()["version"] == 2
    assert client.delete(by_sku(sku)).status_code == 204
    problem(client.get(by_sku(sku)), 404, "not_found")


def test_a_slash_need_not_be_encoded(client):
    Product.objects.create(sku="a/b", price=1)
    assert client.get("/api/products/by-sku/a/b/").json()["sku"] == "a/b"


def test_other_spellings_of_a_key_find_the_row(client, customer):
    Product.objects.create(sku="Café", price=1)
    assert client.get(by_sku(" Cafe\u0301 ")).json()["sku"] == "Café"
    assert client.get(by_email(" EVE@Example.COM")).json()["id"] == customer.pk


def test_keys_differ_by_case(client, product):
    problem(client.get(by_sku("sk-1")), 404)


@pytest.mark.parametrize("sku", ["no", "a\u200bb", "x" * 192, "1.2E+12", "\x00", "a\nb", "\ud7ff"])
@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_what_is_not_there_is_not_found(client, product, sku, method):
    problem(getattr(client, method)(by_sku(sku), {}), 404, "not_found")


@pytest.mark.parametrize("sku", ["a\u200bb", "x" * 192, "1.2E+12", " "])
def test_what_can_be_no_key_is_not_put_there(client, sku):
    document = problem(client.put(by_sku(sku), {"price": "1"}), 400, "invalid")
    assert document["errors"][0]["pointer"] == "/sku"
    assert not Product.objects.exists()


def test_put_is_idempotent(client):
    body = {"sku": " SK-9 ", "name": "Hat", "price": "19.90"}
    assert client.put(by_sku("SK-9"), body).status_code == 201
    first = Product.objects.get()
    again = client.put(by_sku("SK-9"), body)
    assert (again.status_code, again.json()["version"]) == (200, 1)
    assert "Location" not in again
    assert Product.objects.get().updated_at == first.updated_at
    assert client.put(by_sku("SK-9"), {**body, "price": "20"}).json()["version"] == 2


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("sku", ["SK-2", "sk-1"])
def test_put_names_one_key_only(client, product, there, sku):
    address = by_sku("SK-1" if there else "SK-3")
    document = problem(client.put(address, {"sku": sku, "price": "1"}), 409, "mismatch")
    assert [(e["pointer"], e["code"]) for e in document["errors"]] == [("/sku", "mismatch")]
    assert Product.objects.get().price != 1


def test_patch_may_rename(client, product):
    assert client.patch(by_sku("SK-1"), {"sku": "SK/2"}).json()["sku"] == "SK/2"
    problem(client.get(by_sku("SK-1")), 404)


def test_patch_creates_nothing(client):
    problem(client.patch(by_sku("new"), {"price": "1"}), 404)
    assert not Product.objects.exists()


@pytest.mark.parametrize("body", [[], "text", None, 1])
def test_put_wants_an_object(client, body):
    problem(client.put(by_sku("a"), body), 400)


def test_put_validates_as_post_does(client, product):
    for sku in ("SK-1", "new"):
        document = problem(client.put(by_sku(sku), {"price": "-1"}), 400)
        assert document["errors"][0]["pointer"] == "/price"


def test_preconditions_of_put(client, product):
    body = {"price": "2"}
    problem(client.put(by_sku("SK-1"), body, headers={"If-None-Match": "*"}), 412)
    problem(client.put(by_sku("new"), body, headers={"If-Match": "*"}), 412)
    assert client.put(by_sku("new"), body, headers={"If-None-Match": "*"}).status_code == 201
    tag = client.get(by_sku("SK-1"))["ETag"]
    assert client.put(by_sku("SK-1"), body, headers={"If-Match": tag}).status_code == 200
    problem(client.put(by_sku("SK-1"), body, headers={"If-Match": tag}), 412)


@pytest.mark.parametrize(
    "email", ["eve@example.com", "a/b+c@example.com", "o'hara%@example.com", "ü@exämple.com"]
)
def test_customers_by_email(client, email):
    created = client.put(by_email(email), {"first_name": "Eve"})
    assert created.status_code == 201, created.content
    assert client.get(by_email(email.upper())).json() == created.json()
    assert client.put(by_email(email), {"first_name": "Eva"}).status_code == 200
    assert client.delete(by_email(email)).status_code == 204
    assert not Customer.objects.exists()


@pytest.mark.parametrize("email", ["eve", "@", "eve@", "eve @x.org"])
def test_what_is_no_email_finds_nobody(client, email):
    Customer.objects.create(first_name="no address")
    problem(client.get(by_email(email)), 404)
    problem(client.put(by_email(email), {}), 400)
    problem(client.put(by_email(email), {"email": "eve@example.com"}), 409, "mismatch")


def test_put_keeps_the_email(client, customer):
    document = problem(client.put(by_email("eve@example.com"), {"email": None}), 409)
    assert document["errors"][0]["code"] == "mismatch"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_put_one_row_all_succeed(client, user):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    codes = []

    def put(racer):
        price = threading.get_ident() % 1000
        codes.append(racer.put(by_sku("R"), {"price": str(price)}).status_code)

    for _round in range(10):
        Product.objects.all().delete()
        codes.clear()
        send_at_once(user, 8, put)
        assert sorted(codes) == [200] * 7 + [201]
        assert Product.objects.count() == 1


@pytest.mark.parametrize("by_key", [True, False])
def test_put_leaves_what_it_would_create(client, by_key):
    whole = {"sku": "A", "name": "Lamp", "price": "9.90", "brand": "Acme", "inventory_count": 5}
    whole |= {"description": "long", "attributes": {"a": 1}, "pinned": ["name"]}
    made = client.post("/api/products/", whole, format="json").json()
    address = "/api/products/by-sku/A/" if by_key else f"/api/products/{made['id']}/"
    for _ in range(2):
        answer = client.put(address, {"sku": "A", "price": "5.00"}, format="json")
        assert answer.status_code == 200, answer.json()
        row = answer.json()
        assert (row["price"], row["name"], row["brand"], row["description"]) == ("5.00", "", "", "")
        assert (row["inventory_count"], row["attributes"]) == (0, {})
        assert (row["id"], row["pinned"]) == (made["id"], ["name"])
    kept = client.patch(address, {"name": "Lamp"}, format="json").json()
    assert (kept["price"], kept["name"]) == ("5.00", "Lamp")
