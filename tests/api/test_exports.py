"""Lists as files: CSV that is safe in a spreadsheet, and JSON Lines."""

import csv
import io
import json

import pytest

from django_ecommerce_sync.models import Customer, Order, Product

from .conftest import problem

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠x", "=cmd|' /C calc'!A0", "-"]


@pytest.fixture(autouse=True)
def _rights_are_known(client, user):
    """Looked up here, so that the queries counted below are those of the list."""
    user.has_perm("ecommerce_sync.view_product")


def text_of(response):
    assert response.status_code == 200, response.content
    assert response["X-Content-Type-Options"] == "nosniff"
    return b"".join(response.streaming_content).decode()


def table(client, url, **options):
    response = client.get(url, **options)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(text_of(response), newline="")))


def lines(client, url, **options):
    response = client.get(url, **options)
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in text_of(response).splitlines()]


@pytest.mark.parametrize(
    "query", ["page_size=x", "with_count=x", "cursor=x", "page=x", "page=0", "format=csv&page=null"]
)
def test_what_would_be_wrong_with_a_page_is_so_with_a_file(client, query):
    status = 404 if "page=" in query else 400
    problem(client.get(f"/api/products/?format=jsonl&{query}"), status)


@pytest.mark.parametrize("ways", [("?format=", {}), ("", {"accept": True})])
@pytest.mark.parametrize("name", ["products", "customers", "orders"])
def test_both_formats_hold_the_whole_list(client, product, customer, name, ways):
    Order.objects.create(order_id="1", customer=customer).lines.create(position=1, sku="SK-1")
    rows = client.get(f"/api/{name}/").json()["results"]
    query, headers = ways
    for format, media_type, read in (
        ("csv", "text/csv", table),
        ("jsonl", "application/x-ndjson", lines),
    ):
        url = f"/api/{name}/" + (f"{query}{format}" if query else "")
        found = read(client, url, **({"headers": {"Accept": media_type}} if headers else {}))
        assert len(found) == 1
        assert list(found[0]) == list(rows[0])
    assert found == rows


def test_it_is_a_file_with_a_name(client, product):
    for format in ("csv", "jsonl"):
        response = client.get(f"/api/products/?format={format}")
        assert response["Content-Disposition"] == f'attachment; filename="products.{format}"'
        assert "Accept" in response["Vary"]


@pytest.mark.parametrize("text", [*FORMULAS, "\t=1", "\r=1", "\n=1"])
def test_text_a_spreadsheet_would_carry_out_is_marked(client, text):
    Product.objects.create(sku="S", name="ok", description=text, price=1)
    Customer.objects.create(email="e@x.org", first_name=text.strip())
    (row,) = table(client, "/api/products/?format=csv")
    assert row["description"] == f"'{text}"
    assert row["name"] == "ok"
    assert table(client, "/api/customers/?format=csv")[0]["first_name"] == f"'{text.strip()}"
    assert lines(client, "/api/products/?format=jsonl")[0]["description"] == text


def test_keys_and_json_are_marked_or_harmless(client):
    Product.objects.create(sku="=1", price=1, attributes={"=1": ["=2"]})
    (row,) = table(client, "/api/products/?format=csv")
    assert row["sku"] == "'=1"
    assert json.loads(row["attributes"]) == {"=1": ["=2"]}


def test_numbers_are_left_as_they_are(client):
    Product.objects.create(sku="n", price="1234567.5", inventory_count=-5)
    Order.objects.create(order_id="1", total_amount="-12.5")
    (product,) = table(client, "/api/products/?format=csv")
    assert (product["price"], product["inventory_count"]) == ("1234567.50", "-5")
    assert product["compare_at_price"] == ""
    assert table(client, "/api/orders/?format=csv")[0]["total_amount"] == "-12.50"


def test_odd_text_survives(client):
    odd = 'a "quoted", ünï\r\nsecond line; \U0001f9e6'
    Product.objects.create(sku="odd", name=odd, price=1)
    assert table(client, "/api/products/?format=csv")[0]["name"] == odd
    assert lines(client, "/api/products/?format=jsonl")[0]["name"] == odd


def test_the_list_is_filtered_ordered_and_shaped(client):
    for n in range(6):
        Product.objects.create(sku=f"P{n}", price=n)
    url = "/api/products/?price_min=2&ordering=-price&fields=sku,price&page_size=1&format="
    assert [row["sku"] for row in table(client, f"{url}csv")] == ["P5", "P4", "P3", "P2"]
    assert lines(client, f"{url}jsonl")[0] == {"sku": "P5", "price": "5.00"}


def test_related_rows_can_be_exported_too(client, customer):
    Order.objects.create(order_id="1", customer=customer)
    (row,) = lines(client, "/api/orders/?expand=customer&format=jsonl")
    assert row["customer"]["email"] == "eve@example.com"
    (row,) = table(client, "/api/orders/?expand=customer&fields=customer&format=csv")
    assert json.loads(row["customer"])["email"] == "eve@example.com"


def test_an_empty_list_is_a_header(client):
    assert text_of(client.get("/api/products/?format=jsonl")) == ""
    assert text_of(client.get("/api/products/?format=csv")).startswith("id,sku,name")


def test_the_number_of_rows_is_limited(client, settings):
    settings.ECOMMERCE_SYNC = {"API": {"MAX_EXPORT_ROWS": 2}}
    for n in range(3):
        Product.objects.create(sku=f"P{n}", price=n)
    for format in ("csv", "jsonl"):
        document = problem(client.get(f"/api/products/?format={format}"), 400)
        assert document["errors"][0]["code"] == "too_many_rows"
        assert "cursor=" in document["detail"]
        assert client.get(f"/api/products/?format={format}&price_min=1").status_code == 200


def test_queries_grow_with_hundreds_of_rows_only(client, product, django_assert_num_queries):
    for n in range(600):
        order = Order(order_id=str(n))
        order.save()
    with django_assert_num_queries(5):  # the keys, twice orders and lines
        assert len(lines(client, "/api/orders/?format=jsonl")) == 600


def test_problems_are_problems_in_any_format(client, stranger):
    problem(client.get("/api/products/?format=csv&ordering=nope"), 400)
    problem(client.get("/api/products/", headers={"Accept": "text/csv"}, data={"fields": "x"}), 400)
    problem(stranger.get("/api/products/?format=csv"), 403)
    problem(client.get("/api/products/?format=xlsx"), 404)


def test_one_row_is_no_list(client, product):
    url = f"/api/products/{product.pk}/"
    problem(client.get(f"{url}?format=csv"), 404)
    problem(client.get(url, headers={"Accept": "text/csv"}), 406)
