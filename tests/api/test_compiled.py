"""The compiled form of a serializer gives what the serializer gives.

A JSON column goes out as it is stored, so that its text may be spaced and escaped otherwise.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework import serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.permissions import BasePermission

from django_ecommerce_sync.api import compiled as module
from django_ecommerce_sync.api.compiled import CompiledSerializer, compiled, encode
from django_ecommerce_sync.api.serializers import (
    CustomerSerializer,
    OrderSerializer,
    ProductSerializer,
)
from django_ecommerce_sync.api.shaping import Shape
from django_ecommerce_sync.api.views import base
from django_ecommerce_sync.api.views.resources import ProductView
from django_ecommerce_sync.models import Customer, Order, Product

SERIALIZERS = {
    "products": ProductSerializer,
    "customers": CustomerSerializer,
    "orders": OrderSerializer,
}
#: What only the serializer itself can write.
BY_HAND = {"lines", "allowed_transitions"}
TEXT = 'Ä "quoted" back\\slash </script> \u2028\u2029 \x7f\t\n 🧦 €'
NESTED = {"é\u2028": [1, -0.0, 1.5, 10**15, None, True, {"": TEXT}], "b": {"a": []}, "a": "1.10"}


def whole(fields=(), omitted=(), expanded=()):
    return Shape(tuple(fields), tuple(omitted), tuple(expanded), {})


@pytest.fixture
def rows(db):
    """Rows whose values are awkward to write."""
    eve = Customer.objects.create(
        email="eve@example.com", first_name=TEXT, address=NESTED, pinned=["phone", "email"]
    )
    Customer.objects.create(email=None)
    for number, price in enumerate(["0", "9.99", "0.1", "10", "1.2345", "99999999.9", "1.0010"]):
        Product.objects.create(
            sku=f"SK/{number} é",
            name=TEXT,
            description=TEXT * 5,
            price=Decimal(price),
            compare_at_price=Decimal(price) if number % 2 else None,
            inventory_count=-number,
            attributes=[NESTED, {}, [], "text", 1.25, False, 10**25][number],
            archived_at=timezone.now() if number % 2 else None,
        )
    Product.objects.filter(sku__startswith="SK/1").update(
        updated_at=datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
        created_at=datetime(2024, 2, 29, 1, 2, 3, 500000, tzinfo=UTC),
    )
    for number in range(3):
        customer = eve if number else None
        Order.objects.create(order_id=str(number), customer=customer, billing_address=NESTED)


@pytest.fixture
def ordinary(monkeypatch):
    """Answers as the serializers themselves give them."""

    def ask(client, url):
        with monkeypatch.context() as patch:
            patch.setattr(base, "compiled", lambda *args: None)
            return client.get(url)

    return ask


@pytest.fixture
def used(monkeypatch):
    """How often rows were written from columns."""
    calls = []
    write = CompiledSerializer.write

    def counted(self, rows):
        calls.append(self)
        return write(self, rows)

    monkeypatch.setattr(CompiledSerializer, "write", counted)
    return calls


def queries(name):
    """Every field alone, every field left out, and some together."""
    fields = list(SERIALIZERS[name]().fields)
    yield ""
    yield from (f"fields={field}" for field in fields)
    yield from (f"omit={field}" for field in fields)
    yield from (f"fields={','.join(pair)}" for pair in combinations(fields[:5], 2))
    yield f"omit={','.join(BY_HAND)}" if name == "orders" else "page_size=1&page=2"
    yield f"fields={','.join(fields[:6])}&omit={fields[1]}"


def said(content):
    """The document: members in their order, numbers as they are spelled."""
    return json.loads(content, object_pairs_hook=list, parse_float=str, parse_int=str)


def same(first, second):
    assert first.status_code == second.status_code == 200, first.content
    assert said(first.content) == said(second.content)
    assert not re.search("[\u2028\u2029]", first.content.decode())
    for header in ("ETag", "Link", "Content-Type", "Vary"):
        assert first.headers.get(header) == second.headers.get(header)


@pytest.mark.parametrize("name", SERIALIZERS)
def test_both_ways_say_the_same(client, rows, ordinary, used, name):
    first = client.get(f"/api/{name}/").json()["results"][0]["id"]
    for query in queries(name):
        for url in (f"/api/{name}/?{query}", f"/api/{name}/{first}/?{query}"):
            used.clear()
            answer = client.get(url)
            by_hand = name == "orders" and any(
                field in answer.json().get("results", [answer.json()])[0] for field in BY_HAND
            )
            assert bool(used) is not by_hand, url
            same(answer, ordinary(client, url))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
def test_in_every_time_zone(client, rows, ordinary, used, zone):
    with timezone.override(zone):
        for url in ("/api/products/", "/api/products/?cursor=&page_size=2", "/api/customers/"):
            same(client.get(url), ordinary(client, url))
    assert len(used) == 3


def test_expanded_rows_are_the_serializers_work(client, rows, ordinary, used):
    url = "/api/orders/?fields=id,customer&expand=customer"
    same(client.get(url), ordinary(client, url))
    assert not used
    assert client.get("/api/orders/?fields=id,customer").json()["count"] == 3
    assert used


def test_filters_search_order_and_walks(client, rows, ordinary, used):
    for query in (
        "search=sk/1",
        "price_min=1&ordering=-price",
        "archived=true",
        "with_count=false&page_size=3",
        "cursor=&page_size=3",
        "brand=nobody",
    ):
        used.clear()
        same(client.get(f"/api/products/?{query}"), ordinary(client, f"/api/products/?{query}"))
        assert used


def test_by_natural_key(client, rows, ordinary, used):
    for url in ("/api/products/by-sku/SK/1 é/", "/api/customers/by-email/EVE@example.com/"):
        same(client.get(url), ordinary(client, url))
    assert len(used) == 2
    for url in ("/api/products/by-sku/none/", "/api/products/99999999/", f"/api/products/{2**70}/"):
        assert client.get(url).status_code == 404


@pytest.mark.parametrize("number", [1e300, 1e16, 1e-7, 5e-324])
def test_numbers_with_exponents_are_the_same_numbers(client, rows, ordinary, number):
    """The one thing that may be spelled otherwise: 1e16 is 1e+16 in Python."""
    Product.objects.update(attributes={"n": number})
    answer = client.get("/api/products/")
    assert answer.json() == ordinary(client, "/api/products/").json()
    assert answer.json()["results"][0]["attributes"]["n"] == number


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others may keep JSON otherwise")
@pytest.mark.parametrize(("name", "as_stored"), [("attributes", True), ("pinned", False)])
def test_json_is_not_decoded_unless_it_must_be(client, rows, ordinary, name, as_stored):
    """A column that may hold any JSON goes out as it is; one of texts is looked at."""
    Product.objects.update(**{name: ["a", "é"]})
    url = f"/api/products/?fields={name}"
    same(client.get(url), ordinary(client, url))
    assert (json.dumps(["a", "é"]) in client.get(url).content.decode()) is as_stored


@pytest.mark.skipif(connection.vendor != "sqlite", reason="MariaDB refuses such a depth")
def test_deep_values(client, rows, ordinary):
    deep = current = []
    for _ in range(600):
        current.append([])
        current = current[0]
    Product.objects.update(attributes=deep)
    same(client.get("/api/products/"), ordinary(client, "/api/products/"))


def test_a_serializer_that_does_more_has_no_compiled_form():
    class Shouting(ProductSerializer):
        def to_representation(self, instance):
            return {**super().to_representation(instance), "name": "!"}

    class Method(ProductSerializer):
        name = serializers.SerializerMethodField()

    class Upper(serializers.CharField):
        def to_representation(self, value):
            return value.upper()

    class Own(ProductSerializer):
        name = Upper()

    class Elsewhere(ProductSerializer):
        name = serializers.CharField(source="brand.name")

    for serializer_class in (Shouting, Method, Own, Elsewhere, OrderSerializer):
        assert compiled(serializer_class, whole()) is None
    for serializer_class in (Method, Own, Elsewhere):
        assert compiled(serializer_class, whole(omitted=["name"])) is not None


def test_a_renamed_field_is_read_from_its_column(client, rows, monkeypatch):
    class Renamed(ProductSerializer):
        title = serializers.CharField(source="name")

        class Meta(ProductSerializer.Meta):
            fields = ("title", "id")

    found = compiled(Renamed, whole())
    (row,) = found.write(found.select(Product.objects.order_by("id"))[:1])
    assert json.loads(bytes(encode(row))).keys() == {"title", "id"}
    assert json.loads(bytes(encode(row)))["title"] == TEXT


def test_permissions_that_look_at_rows_are_asked(client, rows, settings, used):
    settings.ECOMMERCE_SYNC = {"API": {"PERMISSION_CLASSES": [Nobodys]}}
    pk = Product.objects.first().pk
    assert client.get(f"/api/products/{pk}/").status_code == 403
    assert client.patch(f"/api/products/{pk}/", {"price": "1"}).status_code == 403
    assert client.delete(f"/api/products/{pk}/").status_code == 403
    assert not used


class Nobodys(BasePermission):
    def has_object_permission(self, request, view, obj):
        return False


def test_the_sql_of_one_row_is_made_once(client, rows, django_assert_num_queries, monkeypatch):
    first, second = Product.objects.all()[:2]
    client.get(f"/api/products/{first.pk}/")
    made = []
    monkeypatch.setattr(module.CompiledSerializer, "select", lambda *args: made.append(args))
    with django_assert_num_queries(1):
        assert client.get(f"/api/products/{second.pk}/").json()["sku"] == second.sku
    assert not made


@pytest.mark.parametrize(
    "query",
    ["", "page=2&page_size=2", "with_count=false", "ordering=-price,sku", "cursor=", "fields=sku"],
)
def test_the_sql_of_a_page_is_made_once(client, rows, ordinary, monkeypatch, query):
    url = f"/api/products/?{query}"
    client.get(url)
    with monkeypatch.context() as patch:
        patch.setattr(module.CompiledSerializer, "select", None)
        answer = client.get(url)
    same(answer, ordinary(client, url))


def test_prepared_pages_are_those_asked_for(client, rows, ordinary):
    """Bounds and places differ from request to request where the SQL does not."""
    for size in (1, 3):
        for page in (1, 2, 3):
            url = f"/api/products/?page_size={size}&page={page}"
            same(client.get(url), ordinary(client, url))
        url = f"/api/products/?cursor=&page_size={size}"
        while url:
            same(client.get(url), ordinary(client, url))
            url = client.get(url).json()["next"]


@pytest.mark.parametrize("change", ["get_queryset", "filter_queryset", "filter_backends"])
def test_a_view_with_rows_of_its_own_is_asked_for_them(client, rows, monkeypatch, change):
    """Where a project narrows the rows, nothing that was prepared for all is given."""
    one = Product.objects.order_by("id")[1]
    client.get("/api/products/"), client.get(f"/api/products/{one.pk}/")
    if change == "filter_backends":
        monkeypatch.setattr(ProductView, change, [Nothing])
    else:
        monkeypatch.setattr(
            ProductView, change, lambda *args: Product.objects.none(), raising=False
        )
    assert client.get("/api/products/").json()["results"] == []
    assert client.get(f"/api/products/{one.pk}/").status_code == 404


class Nothing(BaseFilterBackend):
    def filter_queryset(self, request, queryset, view):
        return queryset.none()
