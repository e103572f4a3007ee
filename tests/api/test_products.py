import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.models import Product

from .conftest import APIClient, problem

URL = "/api/products/"


def body(**values):
    return {"sku": "SK-9", "name": "Hat", "price": "19.90", "currency": "EUR", **values}


def test_create_read_replace_change_delete(client):
    created = client.post(URL, body(attributes={"colour": "red"}))
    assert created.status_code == 201
    row = created.json()
    assert created["Location"] == f"http://testserver/api/products/{row['id']}/"
    assert (row["price"], row["version"], row["attributes"]) == ("19.90", 1, {"colour": "red"})
    assert client.get(created["Location"]).json() == row

    replaced = client.put(created["Location"], body(price=Decimal("20.1234"))).json()
    assert (replaced["price"], replaced["version"]) == ("20.1234", 2)
    changed = client.patch(created["Location"], {"inventory_count": 3}).json()
    assert (changed["inventory_count"], changed["version"]) == (3, 3)
    assert changed["updated_at"] > row["updated_at"]

    assert client.delete(created["Location"]).status_code == 204
    problem(client.get(created["Location"]), 404, "not_found")


def test_location_is_the_address_of_the_row_not_its_url_field(client):
    response = client.post(URL, body(url="https://shop.example/hat"))
    assert response["Location"].startswith("http://testserver/api/products/")


def test_unchanged_values_write_nothing(client, product):
    before = Product.objects.get()
    client.patch(f"{URL}{product.pk}/", {"name": "Sock", "price": "9.990"})
    assert Product.objects.get().version == before.version
    assert Product.objects.get().updated_at == before.updated_at


READ_ONLY = {
    "id": 999,
    "version": 99,
    "created_at": "2001-01-01T00:00:00Z",
    "updated_at": "2001-01-01T00:00:00Z",
    "archived_at": "2001-01-01T00:00:00Z",
    "reserved_count": 7,
}


@pytest.mark.parametrize("method", ["post", "patch"])
def test_nobody_writes_what_the_package_keeps(client, product, method):
    url = URL if method == "post" else f"{URL}{product.pk}/"
    row = getattr(client, method)(url, body(**READ_ONLY)).json()
    stored = Product.objects.get(pk=row["id"])
    assert stored.pk != 999
    assert stored.reserved_count == 0
    assert stored.archived_at is None
    assert stored.version < 99
    assert stored.created_at.year > 2001


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("  SK-é ", "SK-é"), ("Cafe\u0301", "Café"), ("a/b c", "a/b c"), (12, "12")],
)
def test_sku_has_one_spelling(client, sent, stored):
    assert client.post(URL, body(sku=sent)).json()["sku"] == stored


def test_skus_that_differ_in_case_are_different(client):
    assert client.post(URL, body(sku="abc")).status_code == 201
    assert client.post(URL, body(sku="ABC")).status_code == 201


@pytest.mark.parametrize("method", ["post", "put"])
def test_taken_sku_is_a_conflict_that_names_the_field(client, product, method):
    other = Product.objects.create(sku="other", price=1)
    url = URL if method == "post" else f"{URL}{other.pk}/"
    document = problem(getattr(client, method)(url, body(sku=" SK-1 ")), 409, "duplicate")
    assert document["errors"] == [
        {
            "pointer": "/sku",
            "code": "duplicate",
            "detail": f"SK-1 already belongs to product {product.pk}.",
        }
    ]
    assert Product.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_who_create_one_sku_at_once_one_gets_a_conflict(client, user):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    barrier = threading.Barrier(6)
    codes = []

    def create():
        racer = APIClient()
        racer.force_authenticate(user)
        barrier.wait()
        codes.append(racer.post(URL, body()).status_code)
        connection.close()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201] + [409] * 5


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("price", "x", "invalid"),
        ("price", True, "invalid"),
        ("price", "NaN", "invalid"),
        ("price", "-1", "min_value"),
        ("price", "1.23456", "max_decimal_places"),
        ("price", "1e30", "invalid"),
        ("price", 1e30, "max_digits"),
        ("price", "1_0", "invalid"),
        ("price", "１２", "invalid"),
        ("price", "٣", "invalid"),
        ("price", "+1", "invalid"),
        ("inventory_count", "1_000", "invalid"),
        ("inventory_count", "٣", "invalid"),
        ("inventory_count", "１２", "invalid"),
        ("name", "a\u0007b", "control_character"),
        ("mpn", "a\x7fb", "control_character"),
        ("price", None, "null"),
        ("sku", "", "blank"),
        ("sku", "x" * 300, "invalid_key"),
        ("sku", "a\u200bb", "invalid_key"),
        ("sku", "1.23E+12", "suspicious_key"),
        ("sku", ["a"], "invalid"),
        ("currency", "XXQ", "invalid_currency"),
        ("inventory_count", 2**31, "max_value"),
        ("inventory_count", 1.5, "invalid"),
        ("status", "gone", "invalid_choice"),
        ("status", ["active"], "invalid_choice"),
        ("attributes", None, "null"),
    ],
)
def test_bad_values_are_named(client, field, value, code):
    document = problem(client.post(URL, body(**{field: value})), 400, "invalid")
    assert [(entry["pointer"], entry["code"]) for entry in document["errors"]] == [
        (f"/{field}", code)
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("price", "1_0"), ("inventory_count", "1_000"), ("name", "a\u0007b")],
)
def test_no_door_takes_more_than_the_others(client, product, field, value):
    sent = body(**{field: value})
    for method, url in (
        ("put", f"{URL}{product.pk}/"),
        ("patch", f"{URL}{product.pk}/"),
        ("put", f"{URL}by-sku/{sent['sku']}/"),
        ("post", f"{URL}bulk/"),
    ):
        response = getattr(client, method)(url, [sent] if "bulk" in url else sent)
        (error,) = problem(response, 400)["errors"]
        assert error["pointer"].endswith(f"/{field}"), url
    assert Product.objects.get().version == 1


def test_text_may_have_lines_and_numbers_may_be_text(client):
    row = client.post(URL, body(description="a\n\tb", inventory_count=" 7 ", price="5.")).json()
    assert (row["description"], row["inventory_count"], row["price"]) == ("a\n\tb", 7, "5.00")


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_json_is_kept_to_30_levels(client):
    row = client.post(URL, body(attributes=nested(30))).json()
    assert row["attributes"] == nested(30)
    document = problem(client.post(URL, body(sku="b", attributes=nested(31))), 400)
    assert document["errors"][0]["code"] == "too_deep"


def test_json_numbers_no_float_can_hold_are_refused(client):
    text = '{"sku": "n", "price": 1, "attributes": {"a": 1e400}}'
    document = problem(client.post(URL, text, content_type="application/json"), 400)
    assert document["errors"][0]["code"] == "out_of_range"


def test_json_numbers_keep_their_digits(client):
    attributes = '{"a": 1.1, "b": 0.12345678901234567890, "c": 10}'
    text = f'{{"sku": "n", "price": 12345678901234.5678, "attributes": {attributes}}}'
    row = client.post(URL, text, content_type="application/json").json()
    assert row["price"] == "12345678901234.5678"
    assert row["attributes"] == {"a": 1.1, "b": "0.12345678901234567890", "c": 10}
    if connection.vendor != "sqlite":  # which keeps 15 digits
        assert Product.objects.get().price == Decimal("12345678901234.5678")


def test_list_costs_the_same_for_any_number_of_rows(client, django_assert_num_queries):
    for number in range(30):
        Product.objects.create(sku=f"p{number}", price=number)
    with django_assert_num_queries(4):  # two for the rights, count, rows
        assert len(client.get(URL).json()["results"]) == 30


def test_delete_of_a_row_others_protect_is_a_conflict(client, product, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise models.ProtectedError("no", {self})

    monkeypatch.setattr(Product, "delete", refuse)
    problem(client.delete(f"{URL}{product.pk}/"), 409, "protected")


def test_unexplained_integrity_error_is_a_conflict(client, product, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise IntegrityError("something else")

    monkeypatch.setattr(Product, "save", refuse)
    problem(client.patch(f"{URL}{product.pk}/", {"name": "x"}), 409, "conflict")


def test_change_locks_the_row(client, product):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite locks the whole database")
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        client.patch(f"{URL}{product.pk}/", {"name": "x"})
    assert any("FOR UPDATE" in query["sql"] for query in queries)
