"""``fields``, ``omit`` and ``expand``: only what is shown is read."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.api.serializers import (
    CustomerSerializer,
    OrderSerializer,
    ProductSerializer,
)
from django_ecommerce_sync.models import Customer, Order, Product

from .conftest import problem
from .test_access import someone_with

SERIALIZERS = {
    "products": ProductSerializer,
    "customers": CustomerSerializer,
    "orders": OrderSerializer,
}


@pytest.fixture(autouse=True)
def _rights_are_known(client, user):
    """Looked up here, so that the queries counted below are those of the list."""
    user.has_perm("ecommerce_sync.view_product")


@pytest.fixture
def orders(product, customer):
    other = Product.objects.create(sku="SK-2", name="Hat", price=3)
    rows = [Order.objects.create(order_id=str(n), customer=customer) for n in range(3)]
    rows.append(Order.objects.create(order_id="nobody's"))
    for row in rows:
        row.lines.create(position=1, product=product, sku="SK-1")
        row.lines.create(position=2, product=other, sku="SK-2")
        row.lines.create(position=3, sku="gone")
    return rows


def rows_of(client, query, name="orders"):
    response = client.get(f"/api/{name}/?{query}")
    assert response.status_code == 200, response.content
    return response.json()["results"]


EVERY_FIELD = [
    (name, field) for name, serializer in SERIALIZERS.items() for field in serializer().fields
]


@pytest.mark.parametrize(("name", "field"), EVERY_FIELD)
def test_any_field_can_be_asked_for_alone(client, orders, name, field, django_assert_num_queries):
    whole = rows_of(client, "", name)
    with django_assert_num_queries(3 if field == "lines" else 2) as queries:
        shown = rows_of(client, f"fields={field}", name)
    assert shown == [{field: row[field]} for row in whole]
    if field not in ("description", "note", "address", "allowed_transitions"):
        assert not {"description", "note", "address"} & columns_of(queries[-1])
    assert client.get(f"/api/{name}/{whole[0]['id']}/?fields={field}").json() == shown[0]


@pytest.mark.parametrize(("name", "field"), EVERY_FIELD)
def test_any_field_can_be_left_out(client, orders, name, field, django_assert_num_queries):
    whole = rows_of(client, "", name)
    number = 3 if name == "orders" and field != "lines" else 2
    with django_assert_num_queries(number):
        shown = rows_of(client, f"omit={field}", name)
    assert [
        {**row, field: before[field]} for row, before in zip(shown, whole, strict=True)
    ] == whole
    assert all(field not in row for row in shown)


def columns_of(query):
    """The names in a query's SELECT list."""
    listed = query["sql"].split(" FROM ")[0].replace("`", '"')
    return set(listed.split('"')[3::4])


def test_several_names_keep_the_order_of_the_row(client, product):
    (row,) = rows_of(client, "fields=price,%20sku,id,id&omit=id", "products")
    assert list(row) == ["sku", "price"]


def test_names_may_come_one_by_one(client, orders):
    """As clients send them that do not know of ``explode: false``."""
    (row,) = {tuple(row) for row in rows_of(client, "fields=id&fields=lines&fields=customer")}
    assert row == ("id", "customer", "lines")
    (product, _other) = rows_of(client, "fields=sku&omit=name&omit=sku&fields=name,id", "products")
    assert list(product) == ["id"]
    row = rows_of(client, "expand=customer&expand=lines.product")[0]
    assert (row["customer"]["email"], row["lines"][0]["product"]["sku"]) == (
        "eve@example.com",
        "SK-1",
    )


@pytest.mark.parametrize(
    "query",
    [
        "fields=nope",
        "fields=",
        "fields=sku,,name",
        "fields=sku;name",
        "fields=password",
        "fields=customer__email",
        "omit=nope",
        "omit=%00",
        "fields=sku&fields=nope",
        "fields=sku&omit=sku",
        "expand=customer",
        "expand=",
        f"fields={'x' * 5000}",
    ],
)
def test_names_that_do_not_exist_are_refused(client, product, query):
    for url in ("/api/products/", f"/api/products/{product.pk}/"):
        document = problem(client.get(f"{url}?{query}"), 400)
        assert document["errors"][0]["in"] == "query"
        assert len(document["detail"]) < 1000


EXPANSIONS = [("customer", 1), ("lines.product", 1), ("customer,lines.product", 2)]


@pytest.mark.parametrize(("expand", "more"), EXPANSIONS)
def test_related_rows_in_place(client, orders, expand, more, django_assert_num_queries):
    for url in ("/api/orders/", f"/api/orders/{orders[0].pk}/", "/api/orders/?cursor="):
        counted = url.endswith("orders/")
        # the orders and their lines; the same for one order and for four
        with django_assert_num_queries(2 + counted + more):
            client.get(url, {"expand": expand, **({"cursor": ""} if "cursor" in url else {})})
    row = rows_of(client, f"expand={expand}")[0]
    customer = client.get(f"/api/customers/{orders[0].customer_id}/").json()
    product = client.get("/api/products/by-sku/SK-1/").json()
    assert row["customer"] == (customer if "customer" in expand else customer["id"])
    assert row["lines"][0]["product"] == (product if "lines" in expand else product["id"])
    assert row["lines"][2]["product"] is None
    assert rows_of(client, f"expand={expand}")[3]["customer"] is None


def test_only_what_is_shown_can_be_expanded(client, orders):
    (row, *_others) = rows_of(client, "expand=customer&fields=customer,id")
    assert row["customer"]["email"] == "eve@example.com"
    for query in ("expand=customer&omit=customer", "expand=lines.product&fields=id"):
        problem(client.get(f"/api/orders/?{query}"), 400)


def test_related_rows_need_their_own_right(db, orders):
    viewer = someone_with("view_order")
    for url in ("/api/orders/", f"/api/orders/{orders[0].pk}/"):
        assert viewer.get(url).status_code == 200
        for expand in ("customer", "lines.product", "customer,lines.product"):
            problem(viewer.get(f"{url}?expand={expand}"), 403, "permission_denied")
    both = someone_with("view_order", "view_customer", name="dora")
    assert both.get("/api/orders/?expand=customer").status_code == 200
    problem(both.get("/api/orders/?expand=customer,lines.product"), 403)


def test_only_whole_rows_have_a_tag(client, orders):
    url = f"/api/orders/{orders[0].pk}/"
    assert "ETag" in client.get(url)
    for query in ("fields=id", "omit=id", "expand=customer"):
        response = client.get(f"{url}?{query}", headers={"If-None-Match": "*"})
        assert response.status_code == 200
        assert "ETag" not in response


def test_writes_are_answered_whole(client, product):
    row = client.patch(f"/api/products/{product.pk}/?fields=id", {"name": "x"}).json()
    assert set(row) == set(ProductSerializer().fields)


def test_by_key_too(client, customer):
    url = "/api/customers/by-email/eve@example.com/?fields=first_name"
    assert client.get(url).json() == {"first_name": "Eve"}


def test_nothing_is_read_twice_for_a_whole_list(client, orders):
    with CaptureQueriesContext(connection) as queries:
        rows_of(client, "")
    assert len(queries) == 3
    assert Customer.objects.count() == 1
