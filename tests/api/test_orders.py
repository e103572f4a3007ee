from decimal import Decimal

import pytest

from django_ecommerce_sync.models import Order, OrderLine, Product

from .conftest import problem

URL = "/api/orders/"


@pytest.fixture
def hat(db):
    return Product.objects.create(
        sku="HAT", name="Hat", price="20.50", currency="EUR", inventory_count=50
    )


@pytest.fixture
def order(client, product, hat, customer):
    lines = [{"product": product.pk, "quantity": 2}, {"sku": " HAT ", "quantity": 1}]
    sent = {"order_id": "1001", "customer": customer.pk, "lines": lines, "shipping_total": "4.90"}
    response = client.post(URL, sent)
    assert response.status_code == 201, response.content
    return response.json()


def test_lines_copy_their_products_and_totals_add_up(order, product, hat):
    assert order["source"] == "local"
    assert order["currency"] == "EUR"
    assert (order["customer_email"], order["customer_name"]) == ("eve@example.com", "Eve Doe")
    assert (order["subtotal"], order["total_amount"]) == ("40.48", "45.38")
    assert order["lines"] == [
        {
            "position": 1,
            "product": product.pk,
            "sku": "SK-1",
            "name": "Sock",
            "unit_price": "9.99",
            "quantity": 2,
            "discount_amount": "0.00",
            "tax_amount": "0.00",
            "line_total": "19.98",
        },
        {
            "position": 2,
            "product": hat.pk,
            "sku": "HAT",
            "name": "Hat",
            "unit_price": "20.50",
            "quantity": 1,
            "discount_amount": "0.00",
            "tax_amount": "0.00",
            "line_total": "20.50",
        },
    ]


def test_what_was_created_reads_the_same(client, order):
    assert client.get(f"{URL}{order['id']}/").json() == order


def test_nobody_writes_the_source_or_computed_totals(client, product):
    sent = {
        "source": "shop",
        "total_amount": "1",
        "subtotal": "1",
        "lines": [{"product": product.pk, "quantity": 1, "line_total": "1", "position": 7}],
    }
    row = client.post(URL, sent).json()
    assert (row["source"], row["total_amount"], row["subtotal"]) == ("local", "9.99", "9.99")
    assert (row["lines"][0]["line_total"], row["lines"][0]["position"]) == ("9.99", 1)


def test_price_of_a_line_can_be_agreed(client, product):
    line = {"product": product.pk, "quantity": 3, "unit_price": "5", "discount_amount": "1.50"}
    row = client.post(URL, {"lines": [line], "tax_total": "2", "discount_total": "0.5"}).json()
    assert (row["lines"][0]["line_total"], row["subtotal"]) == ("13.50", "13.50")
    assert row["total_amount"] == "15.00"


def test_an_order_without_lines_states_its_total(client):
    row = client.post(URL, {"order_id": "x", "total_amount": "12.30"}).json()
    assert (row["total_amount"], row["lines"]) == ("12.30", [])
    row = client.patch(f"{URL}{row['id']}/", {"total_amount": "13"}).json()
    assert row["total_amount"] == "13.00"


def test_an_order_nobody_numbered_gets_a_number(client):
    first, second = (client.post(URL, {}).json() for _ in range(2))
    assert first["order_id"].startswith("L-")
    assert first["order_id"] != second["order_id"]


def test_lines_are_replaced_by_position(client, order, product, hat):
    Product.objects.update(price=99, inventory_count=50)
    url = f"{URL}{order['id']}/"
    kept = list(OrderLine.objects.values_list("pk", flat=True))
    sent = {
        "lines": [
            {"product": product.pk, "quantity": 5},
            {"sku": "SK-1", "quantity": 1},
            {"sku": "HAT", "quantity": 1},
        ]
    }
    row = client.patch(url, sent).json()
    assert [(line["position"], line["sku"], line["quantity"]) for line in row["lines"]] == [
        (1, "SK-1", 5),
        (2, "SK-1", 1),
        (3, "HAT", 1),
    ]
    # The first line names the same product as before: it keeps the price it was sold at.
    assert [line["unit_price"] for line in row["lines"]] == ["9.99", "99.00", "99.00"]
    assert row["total_amount"] == "252.85"
    assert row["version"] == 2
    assert list(OrderLine.objects.values_list("pk", flat=True))[:2] == kept

    row = client.patch(url, {"lines": sent["lines"][:1]}).json()
    assert [line["position"] for line in row["lines"]] == [1]
    assert client.patch(url, {"lines": sent["lines"][:1]}).json()["version"] == row["version"]
    assert client.patch(url, {"lines": []}).json()["total_amount"] == "4.90"


def test_what_was_read_can_be_written_back(client, order, product):
    product.delete()
    Product.objects.filter(sku="HAT").update(sku="HAT-2")
    url = f"{URL}{order['id']}/"
    stored = client.get(url).json()
    written = client.put(url, stored).json()
    assert written == stored
    assert written["lines"][0]["product"] is None


def test_totals_follow_the_amounts_they_add_up_from(client, order):
    url = f"{URL}{order['id']}/"
    row = client.patch(url, {"shipping_total": "0", "total_amount": "1"}).json()
    assert row["total_amount"] == "40.48"
    row = client.patch(url, {"status": "shipped"}).json()
    assert (row["status"], row["total_amount"]) == ("shipped", "40.48")


def test_an_imported_total_is_not_computed_anew_by_a_change_of_status(client, product):
    order = Order.objects.create(order_id="7", source="shop", total_amount=100, subtotal=90)
    OrderLine.objects.create(order=order, position=1, sku="gone", quantity=1, unit_price=1)
    row = client.patch(f"{URL}{order.pk}/", {"status": "completed"}).json()
    assert (row["total_amount"], row["source"]) == ("100.00", "shop")


@pytest.mark.parametrize(
    ("line", "pointer", "code"),
    [
        ({"quantity": 1}, "/lines/1/product", "required"),
        ({"product": 10**15, "quantity": 1}, "/lines/1/product", "does_not_exist"),
        ({"product": 10**30, "quantity": 1}, "/lines/1/product", "max_value"),
        ({"sku": "nope", "quantity": 1}, "/lines/1/sku", "does_not_exist"),
        ({"sku": "SK-1"}, "/lines/1/quantity", "required"),
        ({"sku": "SK-1", "quantity": 0}, "/lines/1/quantity", "min_value"),
        ({"sku": "SK-1", "quantity": 1, "unit_price": "-1"}, "/lines/1/unit_price", "min_value"),
        ("SK-1", "/lines/1", "invalid"),
    ],
)
def test_bad_lines_are_named(client, product, line, pointer, code):
    sent = {"lines": [{"sku": "SK-1", "quantity": 1}, line]}
    document = problem(client.post(URL, sent), 400, "invalid")
    assert [(entry["pointer"], entry["code"]) for entry in document["errors"]] == [(pointer, code)]
    assert not Order.objects.exists()


def test_totals_no_column_can_hold_are_refused(client, product):
    line = {"sku": "SK-1", "quantity": 2**31 - 1, "unit_price": "999999999999999"}
    document = problem(client.post(URL, {"lines": [line]}), 400)
    assert document["errors"][0]["code"] == "out_of_range"


def test_too_many_lines_are_refused(client, product):
    lines = [{"product": product.pk, "quantity": 1}] * 1001
    assert problem(client.post(URL, {"lines": lines}), 400)["errors"][0]["pointer"] == "/lines"


def test_one_number_in_two_sources_is_no_conflict(client, order):
    Order.objects.create(order_id="1002", source="shop")
    assert client.post(URL, {"order_id": "1002"}).status_code == 201
    document = problem(client.post(URL, {"order_id": "1001"}), 409, "duplicate")
    assert document["errors"][0]["pointer"] == "/order_id"


def test_a_conflict_leaves_the_lines_alone(client, order, product):
    other = client.post(URL, {"order_id": "2", "lines": [{"sku": "SK-1", "quantity": 1}]}).json()
    sent = {"order_id": "1001", "lines": [{"sku": "HAT", "quantity": 9}]}
    problem(client.patch(f"{URL}{other['id']}/", sent), 409)
    assert client.get(f"{URL}{other['id']}/").json() == other


@pytest.mark.parametrize("customer", [10**20, 10**9, "x", "1_0", "٣", True, [1]])
def test_customers_that_do_not_exist(client, customer):
    document = problem(client.post(URL, {"customer": customer}), 400)
    assert document["errors"][0]["pointer"] == "/customer"


def test_deleting_a_product_leaves_the_lines(client, order, product):
    assert client.delete(f"/api/products/{product.pk}/").status_code == 204
    line = client.get(f"{URL}{order['id']}/").json()["lines"][0]
    assert (line["product"], line["sku"], line["unit_price"]) == (None, "SK-1", "9.99")


def test_query_counts_do_not_grow(client, order, product, django_assert_num_queries):
    for number in range(20):
        row = Order.objects.create(order_id=f"q{number}", subtotal=Decimal(number))
        OrderLine.objects.bulk_create(
            OrderLine(order=row, position=n, product=product) for n in range(1, 6)
        )
    with django_assert_num_queries(3):  # count, orders, lines; the rights are known by now
        assert len(client.get(URL).json()["results"]) == 21
    with django_assert_num_queries(2):
        client.get(f"{URL}{order['id']}/")
    Product.objects.update(inventory_count=10_000)
    lines = [{"product": product.pk, "quantity": n} for n in range(1, 40)]
    lines += [{"sku": "HAT", "quantity": n} for n in range(1, 40)]
    # Two for products, a reservation of each, two savepoints, three inserts, lines, who waits.
    with django_assert_num_queries(13):
        assert client.post(URL, {"lines": lines}).status_code == 201
