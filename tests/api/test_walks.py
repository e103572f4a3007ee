"""Lists without a count, and walks that pass nothing by."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.models import Order, Product

from .conftest import problem

URL = "/api/products/"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rights_are_known(client, user):
    """Looked up here, so that the queries counted below are those of the list."""
    user.has_perm("ecommerce_sync.view_product")


@pytest.fixture
def products(db):
    """Ten of them: two changed at each of five moments, to the microsecond; three archived."""
    rows = [Product.objects.create(sku=f"P{n}", name="thing", price=n) for n in range(10)]
    for n, row in enumerate(rows):
        moment = START + timedelta(days=n // 2, microseconds=n // 2)
        archived = moment if n < 3 else None
        Product.objects.filter(pk=row.pk).update(updated_at=moment, archived_at=archived)
    return rows


def walk(client, query, between=lambda: None):
    """The SKUs on each page of a walk."""
    url, pages = f"{URL}?cursor=&{query}", []
    while url:
        response = client.get(url)
        assert response.status_code == 200, response.content
        body = response.json()
        assert (body["count"], body["previous"]) == (None, None)
        link = f'<{body["next"]}>; rel="next"' if body["next"] else None
        assert response.headers.get("Link") == link
        pages.append([row["sku"] for row in body["results"]])
        url = body["next"]
        between()
    return pages


@pytest.mark.parametrize("size", [1, 3, 5, 10, 11])
def test_a_walk_shows_every_row_once(client, products, size):
    pages = walk(client, f"page_size={size}")
    assert [sku for page in pages for sku in page] == [f"P{n}" for n in range(10)]
    assert {len(page) for page in pages[:-1]} <= {size}


def test_pages_keep_what_was_asked_for(client, products):
    since = (START + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pages = walk(client, f"page_size=3&updated_since={since}&archived=false")
    assert pages == [["P3", "P4", "P5"], ["P6", "P7", "P8"], ["P9"]]


def test_archived_rows_are_there_to_be_seen(client, products):
    rows = client.get(f"{URL}?cursor=").json()["results"]
    assert [row["sku"] for row in rows if row["archived_at"]] == ["P0", "P1", "P2"]


def test_a_row_that_changes_meanwhile_comes_again(client, products):
    changes = [lambda: client.patch(f"{URL}{products[0].pk}/", {"name": "new"})]
    pages = walk(client, "page_size=4", lambda: changes and changes.pop()())
    assert pages == [["P0", "P1", "P2", "P3"], ["P4", "P5", "P6", "P7"], ["P8", "P9", "P0"]]


def test_a_row_that_goes_meanwhile_moves_no_other(client, products):
    changes = [lambda: Product.objects.filter(sku__in=["P1", "P3", "P4"]).delete()]
    pages = walk(client, "page_size=4", lambda: changes and changes.pop()())
    assert pages == [["P0", "P1", "P2", "P3"], ["P5", "P6", "P7", "P8"], ["P9"]]


def test_every_page_costs_the_same(client, products, django_assert_num_queries):
    url = f"{URL}?cursor=&page_size=4"
    while url:
        with django_assert_num_queries(1):
            url = client.get(url).json()["next"]


@pytest.mark.django_db(transaction=True)
def test_deep_pages_are_found_in_the_index(client, products):
    if connection.vendor != "mysql":
        pytest.skip("the others tell it in other words")
    Product.objects.bulk_create(Product(sku=f"M{n}", price=1) for n in range(5000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE ecommerce_sync_product")
        cursor.fetchall()
    url = client.get(f"{URL}?cursor=&page_size=10").json()["next"]
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[-1]['sql']}")
        (plan,) = cursor.fetchall()
    assert "ecs_product_updated" in plan
    assert "filesort" not in str(plan)


def cursor_of(value):
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ü",
        "!!!!",
        "%00",
        cursor_of(None),
        cursor_of([]),
        cursor_of({}),
        cursor_of([1, 2]),
        cursor_of(["2026-03-01T12:00:00", 1]),
        cursor_of(["2026-03-01T12:00:00+00:00", "1"]),
        cursor_of(["2026-03-01T12:00:00+00:00", True]),
        cursor_of(["2026-03-01T12:00:00+00:00", -1]),
        cursor_of(["2026-03-01T12:00:00+00:00", 2**63]),
        cursor_of(["0001-01-01T00:00:00+23:00", 1]),
        urlsafe_b64encode(b"[" * 100_000).decode()[:6000],
    ],
    ids=range(15),
)
def test_what_is_no_place_is_refused(client, products, cursor):
    document = problem(client.get(f"{URL}?cursor={cursor}"), 400)
    assert (document["errors"][0]["pointer"], document["errors"][0]["in"]) == ("/cursor", "query")


@pytest.mark.parametrize("other", ["ordering=sku", "page=2"])
def test_a_walk_has_its_own_order(client, products, other):
    document = problem(client.get(f"{URL}?cursor=&{other}"), 400)
    assert document["errors"][0]["pointer"] == f"/{other.split('=')[0]}"


def test_orders_are_walked_with_their_lines(client, product, django_assert_num_queries):
    for n in range(5):
        Order.objects.create(order_id=str(n)).lines.create(position=1, product=product, sku="SK-1")
    with django_assert_num_queries(2):
        body = client.get("/api/orders/?cursor=&page_size=4").json()
    assert [len(row["lines"]) for row in body["results"]] == [1] * 4
    assert len(client.get(body["next"]).json()["results"]) == 1


@pytest.mark.parametrize("path", ["products/{}/changes/", "orders/{}/events/"])
def test_what_belongs_to_one_row_is_not_walked(client, product, path):
    row = Order.objects.create(order_id="1") if "orders" in path else product
    body = client.get(f"/api/{path.format(row.pk)}?cursor=").json()
    assert body == {"count": 0, "next": None, "previous": None, "results": []}


def test_pages_without_a_count(client, products, django_assert_num_queries):
    url, seen = f"{URL}?with_count=false&page_size=4", []
    while url:
        with django_assert_num_queries(1):
            response = client.get(url)
        body = response.json()
        assert body["count"] is None
        assert ('rel="next"' in response.headers.get("Link", "")) == bool(body["next"])
        assert ('rel="prev"' in response.headers.get("Link", "")) == bool(seen)
        seen += [row["sku"] for row in body["results"]]
        url = body["next"]
    assert seen == [f"P{n}" for n in range(10)]
    assert client.get(body["previous"]).json()["results"][0]["sku"] == "P4"


@pytest.mark.parametrize("page", ["0", "4", "x", "-1", "1" + "0" * 11, "1" + "0" * 21])
def test_pages_that_do_not_exist(client, products, page):
    for counted in ("true", "false"):
        query = f"page_size=4&page={page}&with_count={counted}"
        problem(client.get(f"{URL}?{query}"), 404, "not_found")


def test_an_empty_list_has_one_page(client):
    for query in ("with_count=false", "cursor="):
        body = client.get(f"{URL}?{query}").json()
        assert body == {"count": None, "next": None, "previous": None, "results": []}


def test_runs_need_not_be_counted_either(client):
    assert client.get("/api/sync-runs/?with_count=false").json()["count"] is None
    problem(client.get("/api/sync-runs/?with_count=maybe"), 400)
