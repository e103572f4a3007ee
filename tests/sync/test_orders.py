"""Orders find their customers and products, and keep what they were told."""

from dataclasses import replace
from decimal import Decimal

import pytest

from django_ecommerce_sync.feeds import Lines, Ref, Stream, Text
from django_ecommerce_sync.models import Customer, Order, OrderLine, Product, RunStatus
from django_ecommerce_sync.sync import execute, retry
from tests.sync.conftest import ORDERS, customer, product

pytestmark = pytest.mark.django_db


def order(number, *lines, **values):
    lines = [{"product_id": p, "quantity": q, "price": price} for p, q, price in lines]
    return {
        "id": number,
        "customer_id": 1,
        "date": "2026-01-02T10:00:00Z",
        "lines": lines,
        **values,
    }


@pytest.fixture
def shop(shop):
    shop.rows = {
        "orders": [order(1001, (1, 2, "9.90"), (2, 1, "5.00"))],
        "products": [product(1), product(2)],
        "customers": [customer(1), customer(2)],
    }
    return shop


def test_relations_are_resolved_by_the_ids_of_the_feed(shop):
    run = shop.sync()
    assert run.counts_of("orders")["created"] == 1
    stored = Order.objects.get()
    assert stored.customer == Customer.objects.get(email="c1@example.com")
    assert (stored.source, stored.order_id) == ("shop", "1001")
    lines = stored.lines.values_list("position", "product__sku", "quantity", "unit_price")
    assert list(lines) == [(1, "SKU-1", 2, Decimal("9.90")), (2, "SKU-2", 1, Decimal("5"))]


def test_customers_and_products_come_first_whatever_the_order_of_the_streams(shop):
    shop.streams = [shop.streams[2], shop.streams[0], shop.streams[1]]
    assert shop.sync().status == RunStatus.SUCCEEDED


def test_an_order_keeps_the_names_of_its_customer_and_products(shop):
    shop.sync()
    stored = Order.objects.get()
    assert (stored.customer_email, stored.customer_name) == ("c1@example.com", "Ann Bee")
    assert list(stored.lines.values_list("sku", "name")) == [
        ("SKU-1", "Thing 1"),
        ("SKU-2", "Thing 2"),
    ]
    Customer.objects.all().delete()
    Product.objects.all().delete()
    stored.refresh_from_db()
    assert (stored.customer, stored.customer_email) == (None, "c1@example.com")
    assert stored.lines.values_list("product", "sku").first() == (None, "SKU-1")


def test_totals_nobody_told_are_computed_from_the_lines(shop):
    shop.rows["orders"][0]["shipping"] = "4.95"
    shop.sync()
    stored = Order.objects.get()
    assert stored.lines.get(position=1).line_total == Decimal("19.80")
    assert (stored.subtotal, stored.total_amount) == (Decimal("24.80"), Decimal("29.75"))


def test_totals_the_feed_told_are_kept_even_when_they_do_not_add_up(shop):
    shop.rows["orders"][0]["total"] = "20.00"
    shop.sync()
    assert Order.objects.get().total_amount == Decimal("20.00")
    shop.rows["orders"][0]["lines"][0]["quantity"] = 9
    shop.rows["orders"][0]["status"] = "completed"
    run = shop.sync(full=True)
    stored = Order.objects.get()
    assert (stored.total_amount, stored.subtotal) == (Decimal("20.00"), Decimal("94.10"))
    assert [warning["code"] for warning in run.warnings] == ["total_mismatch"]


def test_orders_of_the_past_never_move_stock(shop):
    shop.rows["products"] = [product(1, stock=10), product(2, stock=0)]
    shop.rows["orders"] = [
        order(n, (1, 3, "9.90"), (2, 1, "5.00"), status=status)
        for n, status in enumerate(("completed", "pending", "shipped", "cancelled"), start=1)
    ]
    shop.sync()
    before = list(Product.objects.order_by("pk").values())
    assert [row["inventory_count"] for row in before] == [10, 0]
    shop.rows["orders"][0]["lines"][0]["quantity"] = 7
    shop.rows["orders"][1]["status"] = "cancelled"
    shop.rows["orders"].append(order(9, (1, 100, "9.90"), status="processing"))
    shop.sync(streams=["orders"])
    assert Order.objects.count() == 5
    assert list(Product.objects.order_by("pk").values()) == before


def with_all_totals(stream):
    """The same mapping with every total an order may have."""
    totals = {"discount_total": "discount", "tax_total": "tax"}
    return replace(stream, fields={**stream.fields, **totals})


@pytest.mark.parametrize(
    "totals",
    [
        {"total": "24.80"},
        {"total": "24.82"},  # a hundredth for each line may be lost by rounding
        {"total": "29.75", "shipping": "4.95"},
        {"total": "22.80", "discount": "2.00"},
        {"total": "24.80", "discount": "2.00"},  # the lines' prices are after discount
        {"total": "29.80", "tax": "5.00"},
        {"total": "24.80", "tax": "5.00"},  # the lines' prices are with tax
        {"total": "32.75", "shipping": "4.95", "tax": "5.00", "discount": "2.00"},
        {"shipping": "4.95"},
    ],
)
def test_a_total_the_lines_come_to_is_no_cause_for_doubt(shop, totals):
    shop.streams[2] = with_all_totals(shop.streams[2])
    shop.rows["orders"][0].update(totals)
    assert shop.sync().warnings == []


@pytest.mark.parametrize(
    ("totals", "due"),
    [
        ({"total": "20.00"}, "24.80"),
        ({"total": "24.83"}, "24.80"),
        ({"total": "24.80", "shipping": "4.95"}, "29.75"),
        ({"total": "27.80", "discount": "2.00", "tax": "4.00"}, "26.80"),
        ({"total": "-24.80"}, "24.80"),
    ],
)
def test_a_total_the_lines_do_not_come_to_is_kept_and_flagged(shop, totals, due):
    shop.streams[2] = with_all_totals(shop.streams[2])
    shop.rows["orders"].append({**shop.rows["orders"][0], "id": 1002, **totals})
    run = shop.sync()
    assert (run.status, run.counts_of("orders")["created"]) == (RunStatus.SUCCEEDED, 2)
    assert str(Order.objects.get(order_id="1002").total_amount) == f"{totals['total']}00"
    (warning,) = run.warnings
    assert (warning["stream"], warning["code"], warning["count"]) == ("orders", "total_mismatch", 1)
    said = f"its total is {totals['total']}, its lines come to {due}"
    assert warning["message"] == f"Order 1002: {said}."


def test_of_many_doubtful_totals_one_is_the_example(shop):
    shop.rows["orders"] = [order(n, (1, 1, "9.90"), total="1.00") for n in (1, 2, 3)]
    (warning,) = shop.sync().warnings
    assert (warning["code"], warning["count"]) == ("total_mismatch", 3)
    assert warning["message"].startswith("Order 1: ")


def test_a_dry_run_flags_what_a_run_would(shop):
    shop.rows["orders"][0]["total"] = "20.00"
    dry = shop.sync(dry_run=True).warnings
    assert dry == shop.sync().warnings
    assert [warning["code"] for warning in dry] == ["total_mismatch"]


def test_an_order_that_did_not_change_is_not_flagged_again(shop):
    shop.rows["orders"][0]["total"] = "20.00"
    shop.sync()
    assert shop.sync().warnings == []


def test_the_price_of_a_line_without_one_is_the_product_s(shop):
    shop.rows["orders"] = [{"id": 7, "customer_id": 1, "lines": [{"product_id": 1, "quantity": 3}]}]
    shop.sync()
    line = OrderLine.objects.get()
    assert (line.unit_price, line.line_total) == (Decimal("9.90"), Decimal("29.70"))
    shop.rows["products"] = [product(1, price="99"), product(2)]
    shop.rows["orders"][0]["status"] = "completed"
    shop.sync()
    line.refresh_from_db()
    assert line.unit_price == Decimal("9.90")


def test_changed_lines_update_the_order_and_keep_the_others(shop):
    shop.sync()
    before = dict(OrderLine.objects.values_list("position", "pk"))
    shop.rows["orders"] = [order(1001, (1, 3, "9.90"), (2, 1, "5.00"), (2, 7, "1.00"))]
    assert shop.counts("orders") == {"read": 1, "updated": 1}
    after = dict(OrderLine.objects.values_list("position", "pk"))
    assert (after[1], after[2], len(after)) == (before[1], before[2], 3)
    assert OrderLine.objects.get(position=1).line_total == Decimal("29.70")
    shop.rows["orders"] = [order(1001, (1, 3, "9.90"))]
    assert shop.counts("orders") == {"read": 1, "updated": 1}
    assert OrderLine.objects.count() == 1
    assert Order.objects.get().subtotal == Decimal("29.70")


def test_an_order_for_somebody_unknown_waits_and_lands_later(shop):
    shop.rows["orders"].append(order(1002, (1, 1, "1.00"), customer_id=99))
    run = shop.sync()
    assert run.counts_of("orders") == {**run.counts_of("orders"), "created": 1, "rejected": 1}
    issue = run.issues.get()
    assert (issue.code, issue.field) == ("unresolved_reference", "customer")
    shop.rows["customers"].append(customer(99))
    assert shop.counts("orders") == {"read": 2, "created": 1, "unchanged": 1}
    issue.refresh_from_db()
    assert issue.state == "resolved"


def test_a_line_for_an_unknown_product_names_the_line(shop):
    shop.rows["orders"] = [order(1, (1, 1, "1.00"), (55, 1, "1.00"))]
    assert shop.sync().issues.get().field == "lines[1].product"


def test_an_optional_reference_may_stay_empty(shop):
    lines = Lines("lines", {"product": Ref("products", "product_id", optional=True), "sku": "sku"})
    fields = {"order_id": Text("id"), "lines": lines}
    shop.streams[2] = Stream("orders", external_id="id", fields=fields)
    shop.rows["orders"] = [{"id": 1, "lines": [{"product_id": 55, "sku": "GONE"}]}]
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert (OrderLine.objects.get().product, OrderLine.objects.get().sku) == (None, "GONE")


@pytest.mark.parametrize("nobody", [None, "", 0])
def test_a_guest_s_order_has_no_customer(shop, nobody):
    shop.rows["orders"] = [order(1, (1, 1, "1.00"), customer_id=nobody)]
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert Order.objects.get().customer is None


def test_keys_resolve_where_ids_do_not(shop):
    shop.rows["orders"] = [
        order(1, customer_id=None, email=" C2@EXAMPLE.com", lines=[{"sku": "SKU-2", "quantity": 1}])
    ]
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert Order.objects.get().customer.email == "c2@example.com"
    assert OrderLine.objects.get().product.sku == "SKU-2"


def test_two_shops_may_have_the_same_number(shop):
    shop.sync()
    shop.alias = "second"
    assert shop.counts("orders") == {"read": 1, "created": 1}
    assert set(Order.objects.values_list("source", flat=True)) == {"shop", "second"}


def test_a_retry_reads_only_what_was_rejected(shop):
    shop.rows["orders"] += [order(n, (1, 1, "1.00"), customer_id=90 + n) for n in (2, 3)]
    shop.rows["products"][1]["price"] = "none"
    first = shop.sync()
    assert first.counts_of("products")["rejected"] == 1
    assert first.counts_of("orders")["rejected"] == 3  # one of them for want of the product
    shop.rows["products"][1]["price"] = "5"
    shop.rows["customers"].append(customer(92))
    shop.configure()
    run, _ = retry(first)
    assert (run.retry_of, run.streams) == (first, ["orders", "products"])
    run = execute(run.pk)
    assert run.counts_of("products")["read"] == 1
    assert run.counts_of("products")["created"] == 1
    # customers are no part of the retry, so the order of customer 92 still waits
    assert run.counts_of("orders")["read"] == 3
    assert run.counts_of("orders")["created"] == 1
    assert first.issues.filter(state="open").count() == 2
    assert shop.counts("orders") == {"read": 3, "created": 1, "unchanged": 1, "rejected": 1}


def test_the_mapping_of_the_tests_refers_to_other_streams():
    assert ORDERS.model_label == "ecommerce_sync.Order"


def test_an_order_that_goes_to_somebody_else_forgets_the_first_one_s_address(shop):
    shop.rows["customers"] = [customer(1), customer(2, email=None, first="", last="")]
    shop.sync()
    shop.rows["orders"][0]["customer_id"] = 2
    shop.sync()
    stored = Order.objects.get()
    assert (stored.customer.email, stored.customer_email, stored.customer_name) == (None, "", "")


def test_a_line_of_another_product_begins_anew(shop):
    lines = Lines("lines", {"product": Ref("products", "product_id"), "discount_amount": "less"})
    fields = {"order_id": Text("id"), "lines": lines}
    shop.streams[2] = Stream("orders", external_id="id", fields=fields)
    shop.rows["orders"] = [{"id": 1, "lines": [{"product_id": 1, "less": "5"}, {"product_id": 2}]}]
    shop.sync()
    shop.rows["orders"] = [{"id": 1, "lines": [{"product_id": 2}]}]
    shop.sync()
    line = OrderLine.objects.get()
    assert (line.sku, line.discount_amount, line.line_total) == ("SKU-2", 0, Decimal("9.90"))


def test_a_total_too_large_for_its_column_rejects_the_order(shop):
    shop.rows["orders"] = [order(1, (1, 2_000_000_000, "999999999999999"))]
    issue = shop.sync().issues.get()
    assert (issue.code, issue.field) == ("out_of_range", "lines[0].line_total")


def test_an_unknown_customer_s_address_stays_out_of_the_issue(shop):
    shop.rows["orders"] = [order(1, (1, 1, "1"), customer_id=None, email="secret@example.com")]
    issue = shop.sync().issues.get()
    assert issue.code == "unresolved_reference"
    assert "secret" not in issue.message + issue.excerpt + issue.key
