"""Bad inputs that take several records, or several runs, to show.

The numbers are those of the project's table of bad inputs; the reasons are in ``test_values``.
"""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from django_ecommerce_sync.feeds import Moment, Number, Since, Stream
from django_ecommerce_sync.models import Customer, Order, OrderLine, Product, RunStatus
from tests.bad_inputs.rows import order
from tests.sync.conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db

UTC = dt.UTC


def test_b39_declared_rounding_takes_any_number_of_decimals(shop):
    fields = {**PRODUCTS.fields, "price": Number("price", places=2)}
    shop.streams = [replace(PRODUCTS, fields=fields)]
    shop.rows = {"products": [product(1, price=1.005), product(2, price="1.99499")]}
    assert shop.counts() == {"read": 2, "created": 2}
    prices = dict(Product.objects.values_list("sku", "price"))
    assert prices == {"SKU-1": Decimal("1.01"), "SKU-2": Decimal("1.99")}


def test_b42_a_price_in_another_currency_is_applied_and_flagged(shop):
    shop.rows = {"products": [product(n, currency="EUR") for n in (1, 2, 3)]}
    assert shop.sync().warnings == []
    shop.rows = {"products": [product(1, currency="USD"), product(2, currency="EUR"), product(3)]}
    run = shop.sync()
    assert (run.status, run.counts_of("products")["updated"]) == (RunStatus.SUCCEEDED, 1)
    (warning,) = run.warnings
    assert (warning["stream"], warning["code"]) == ("products", "currency_changed")
    assert warning["message"] == "SKU-1 was priced in EUR and is priced in USD now."
    assert dict(Product.objects.values_list("sku", "currency")) == {
        "SKU-1": "USD",
        "SKU-2": "EUR",
        "SKU-3": "EUR",
    }
    assert shop.sync().warnings == []


def test_b50_an_older_record_is_skipped_and_one_from_the_future_rejected(shop):
    shop.streams = [replace(PRODUCTS, since=Since("updated_at"))]
    shop.rows = {"products": [product(n, updated_at="2026-01-02T00:00:00Z") for n in (1, 2, 3)]}
    shop.sync()
    ahead = (dt.datetime.now(UTC) + dt.timedelta(days=5 * 365)).isoformat()
    shop.rows = {
        "products": [
            product(1, price="1", updated_at="2026-01-01T00:00:00Z"),
            product(2, price="2", updated_at=ahead),
            product(3, price="3", updated_at="2026-01-03T00:00:00Z"),
        ]
    }
    run = shop.sync()
    issue = run.issues.get()
    assert (issue.position, issue.external_id, issue.key) == (2, "2", "SKU-2")
    assert (issue.field, issue.code) == ("source_updated_at", "future_timestamp")
    assert run.counts_of("products") == {
        **run.counts_of("products"),
        "skipped": 1,
        "rejected": 1,
        "updated": 1,
    }
    assert dict(Product.objects.values_list("sku", "price")) == {
        "SKU-1": Decimal("9.90"),
        "SKU-2": Decimal("9.90"),
        "SKU-3": Decimal(3),
    }


def test_b52_b53_keys_differ_as_python_says_on_every_database(shop):
    skus = ["abc", "ABC", "ábc", "😀", "😁", "ﬀ", "ff"]
    shop.rows = {"products": [product(n, sku=sku) for n, sku in enumerate(skus, 1)]}
    assert shop.counts() == {"read": 7, "created": 7}
    assert set(Product.objects.values_list("sku", flat=True)) == set(skus)


def test_b52_a_key_that_differs_in_blanks_only_names_both_records(shop):
    shop.rows = {"products": [product(1, sku="abc"), product(2), product(3, sku=" abc ")]}
    run = shop.sync()
    issue = run.issues.get()
    assert (issue.position, issue.key) == (3, "abc")
    assert (issue.field, issue.code) == ("sku", "identity_conflict")
    assert issue.message == "The record is new, but its key belongs to record 1 of this feed."
    assert set(Product.objects.values_list("sku", "name")) == {
        ("abc", "Thing 1"),
        ("SKU-2", "Thing 2"),
    }


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("second_price", ["9.90", "5.00"])
def test_b54_of_copies_the_last_wins_and_the_others_are_counted(shop, second_price, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(1), product(2), product(1, price=second_price)]}
    assert shop.counts() == {"read": 3, "created": 2, "duplicate": 1}
    assert Product.objects.get(sku="SKU-1").price == Decimal(second_price)


def test_b55_a_record_between_two_rows_names_both(shop):
    shop.rows = {"products": [product(1), product(2), product(3)]}
    shop.sync()
    pks = dict(Product.objects.values_list("sku", "pk"))
    shop.rows = {"products": [product(1), product(2, sku="SKU-3"), product(3, price="1")]}
    run = shop.sync()
    issue = run.issues.get()
    assert (issue.position, issue.external_id, issue.key) == (2, "2", "SKU-3")
    assert (issue.field, issue.code) == ("sku", "identity_conflict")
    assert f"The record is row {pks['SKU-2']}, " in issue.message
    assert f"row {pks['SKU-3']}, " in issue.message
    assert run.counts_of("products")["updated"] == 1
    assert set(Product.objects.values_list("sku", flat=True)) == {"SKU-1", "SKU-2", "SKU-3"}


def test_b56_addresses_that_differ_in_case_are_one_customer(shop):
    shop.streams = [replace(CUSTOMERS, external_id=None)]
    shop.rows = {"customers": [customer(1, email="Joe@X.com"), customer(2, email="joe@x.COM ")]}
    assert shop.counts("customers") == {"read": 2, "created": 1, "duplicate": 1}
    assert Customer.objects.get().email == "joe@x.com"


def test_b57_domains_that_differ_in_an_accent_are_two_customers(shop):
    addresses = ["joe@exämple.com", "joe@example.com"]
    shop.rows = {"customers": [customer(n, email=said) for n, said in enumerate(addresses, 1)]}
    assert shop.counts("customers") == {"read": 2, "created": 2}


def test_b58_what_an_issue_says_of_an_address_is_masked(shop):
    shop.rows = {"customers": [customer(1), customer(2, email="secret.person@x.com, b@y.com")]}
    issue = shop.sync().issues.get()
    assert "ecret" not in issue.message + issue.excerpt + issue.key


def test_b59_a_customer_who_comes_later_in_the_feed_is_waited_for(shop):
    shop.streams = [ORDERS, CUSTOMERS, PRODUCTS]
    shop.rows = {
        "orders": [order(1), order(2)],
        "customers": [customer(1)],
        "products": [product(1)],
    }
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert Order.objects.exclude(customer=None).count() == 2


def test_b60_ten_thousand_lines_are_an_order(shop):
    shop.rows = {
        "products": [product(1)],
        "customers": [customer(1)],
        "orders": [order(1, lines=order(1)["lines"] * 10_000)],
    }
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert OrderLine.objects.count() == 10_000
    assert Order.objects.get().total_amount == Decimal("99000")


def test_b61_an_order_may_go_back_to_an_earlier_status(shop):
    shop.rows = {
        "products": [product(1)],
        "customers": [customer(1)],
        "orders": [order(1, status="shipped")],
    }
    shop.sync()
    shop.rows["orders"] = [order(1, status="pending")]
    assert shop.counts("orders") == {"read": 1, "updated": 1}
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"note": "a\ud800"}, "bad_unicode"),
        ({"note": 10**5000}, "number_too_long"),
        ({1: "one"}, "not_an_object"),
    ],
)
def test_what_no_text_can_hold_rejects_its_record_even_where_it_is_not_mapped(shop, record, code):
    shop.rows = {"products": [product(1), {**product(2), **record}, product(3)]}
    run = shop.sync()
    issue = run.issues.get()
    assert (issue.code, issue.position, issue.external_id, issue.key) == (code, 2, "2", "SKU-2")
    assert run.counts_of("products")["created"] == 2


def test_a_record_nested_without_end_is_rejected(shop):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    shop.rows = {"products": [product(1), product(2, note=deep), product(3)]}
    run = shop.sync()
    assert (run.issues.get().code, run.counts_of("products")["created"]) == ("too_deep", 2)


def test_an_address_that_is_an_id_is_masked_too(shop):
    shop.streams = [replace(CUSTOMERS, external_id="email")]
    shop.rows = {"customers": [customer(1), customer(2, email="secret.person@x.com" + "m" * 180)]}
    issue = shop.sync().issues.get()
    assert (issue.field, issue.code, issue.excerpt) == ("external_id", "invalid_key", "'se…")


def test_what_a_buyer_wrote_is_masked(shop):
    shop.streams = [Stream("orders", fields={"order_id": "id", "note": "note"})]
    shop.rows = {"orders": [{"id": 1, "note": "Ring at my neighbour's\x00"}]}
    issue = shop.sync().issues.get()
    assert (issue.field, issue.code, issue.excerpt) == ("note", "control_character", '"Ri…')


def test_an_address_that_is_a_sku_is_no_key_to_show(shop):
    address = "secret" + "t" * 190 + "@example.com"
    shop.rows = {"products": [product(1), product(2, sku=address)]}
    issue = shop.sync().issues.get()
    assert (issue.field, issue.code, issue.key) == ("sku", "invalid_key", "")


BERLIN = Stream(
    "orders",
    external_id="id",
    fields={"order_id": "id", "order_date": Moment("date", tz="Europe/Berlin")},
)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("2026-03-29 02:30:00", "ambiguous_time"),  # never
        ("2026-10-25 02:30:00", "ambiguous_time"),  # twice
        ("2026-03-29 03:00:00", dt.datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-10-25 03:00:00", dt.datetime(2026, 10, 25, 2, tzinfo=UTC)),
        ("2026-10-25 02:30:00+01:00", dt.datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_b48_a_local_time_the_clocks_show_twice_or_never_is_rejected(shop, said, outcome):
    shop.streams = [BERLIN]
    noon = "2026-07-01 12:00:00"
    shop.rows = {"orders": [{"id": n, "date": d} for n, d in enumerate((noon, said, noon), 1)]}
    run = shop.sync()
    dates = dict(Order.objects.values_list("order_id", "order_date"))
    assert dates["1"] == dates["3"] == dt.datetime(2026, 7, 1, 10, tzinfo=UTC)
    if isinstance(outcome, dt.datetime):
        assert dates["2"] == outcome
        return
    issue = run.issues.get()
    assert (issue.position, issue.external_id, issue.key) == (2, "2", "2")
    assert (issue.field, issue.code) == ("order_date", outcome)
