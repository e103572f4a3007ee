"""WooCommerce, against a server that keeps to the shop's rules."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds.vendors import WooCommerce
from django_ecommerce_sync.models import Customer, Order, Product

KEY = {"key_env": "WOO_KEY", "secret_env": "WOO_SECRET"}
CANARY = "canary"


def product(number, **values):
    """A product as the shop gives it; what the feed must not keep says so."""
    return {
        "id": number,
        "name": f"Thing &amp; {number}",
        "slug": CANARY,
        "permalink": f"https://shop.example/product/{number}/",
        "date_created_gmt": "2026-01-01T00:00:00",
        "date_modified_gmt": f"2026-01-{1 + number % 28:02}T10:00:00",
        "type": "simple",
        "status": "publish",
        "description": f"<p>Number {number}</p>\n",
        "short_description": CANARY,
        "sku": f"S-{number}",
        "price": "9.90",
        "regular_price": "9.90",
        "sale_price": "",
        "price_html": CANARY,
        "on_sale": False,
        "downloads": [{"id": CANARY, "name": CANARY, "file": f"https://shop.example/{CANARY}"}],
        "manage_stock": True,
        "stock_quantity": number,
        "stock_status": "instock",
        "weight": "",
        "purchase_note": CANARY,
        "categories": [{"id": 9, "name": "Bags &amp; Cases", "slug": CANARY}, {"name": "Sale"}],
        "tags": [],
        "images": [{"id": 1, "src": f"https://cdn.example/{number}.jpg", "alt": CANARY}],
        "attributes": [],
        "variations": [],
        "meta_data": [{"id": 1, "key": "_cost", "value": CANARY}],
        "_links": {"self": [{"href": CANARY}]},
        **values,
    }


def variation(number, parent, **values):
    """A variation, as the endpoint for all of them gives it."""
    return {
        "id": number,
        "parent_id": parent,
        "type": "variation",
        "name": f"Shirt - {number}",
        "date_modified_gmt": "2026-01-02T10:00:00",
        "description": "",
        "permalink": f"https://shop.example/product/{parent}/?size={number}",
        "sku": f"V-{number}",
        "price": "12.00",
        "regular_price": "15.00",
        "on_sale": True,
        "status": "publish",
        "manage_stock": "parent",
        "stock_quantity": None,
        "stock_status": "onbackorder",
        "weight": "0.3",
        "image": {"src": f"https://cdn.example/{number}.jpg"},
        "attributes": [{"id": 0, "name": "Size", "option": "M"}],
        "meta_data": [{"value": CANARY}],
        **values,
    }


ADDRESS = {
    "first_name": "Ann",
    "last_name": "Bee",
    "company": "",
    "address_1": "1 High Street",
    "address_2": "",
    "city": "Leeds",
    "state": "",
    "postcode": "LS1",
    "country": "GB",
}


def customer(number, **values):
    """An account."""
    return {
        "id": number,
        "email": f"c{number}@example.com",
        "first_name": "Ann",
        "last_name": "",
        "role": "customer",
        "username": CANARY,
        "password": CANARY,
        "billing": {**ADDRESS, "email": "Ann@Example.com", "phone": "0113", "vat": CANARY},
        "shipping": {**ADDRESS, "note": CANARY},
        "avatar_url": CANARY,
        "meta_data": [{"key": "card", "value": CANARY}],
        **values,
    }


def line(number, **values):
    """A line: three pieces at 4.00, less 10 % by a coupon."""
    return {
        "id": number,
        "name": "Thing &ndash; blue",
        "product_id": 1,
        "variation_id": 0,
        "quantity": 3,
        "subtotal": "12.00",
        "total": "10.80",
        "total_tax": "2.16",
        "sku": "S-1",
        "price": 3.6,
        "meta_data": [{"value": CANARY}],
        **values,
    }


def order(identity, **values):
    """An order of one line with shipping."""
    return {
        "id": identity,
        "number": str(identity),
        "order_key": CANARY,
        "status": "processing",
        "currency": "GBP",
        "date_created": "2026-02-01T11:00:00",
        "date_created_gmt": "2026-02-01T10:00:00",
        "date_modified_gmt": "2026-02-01T10:00:08",
        "discount_total": "1.20",
        "shipping_total": "5.00",
        "total": "17.96",
        "total_tax": "2.16",
        "customer_id": 5,
        "customer_ip_address": CANARY,
        "customer_user_agent": CANARY,
        "customer_note": "Ring twice",
        "billing": {**ADDRESS, "email": "ann@example.com", "phone": "0113", "vat": CANARY},
        "shipping": {**ADDRESS, "phone": CANARY},
        "payment_method": CANARY,
        "payment_method_title": CANARY,
        "transaction_id": CANARY,
        "date_paid_gmt": "2026-02-01T10:00:08",
        "cart_hash": CANARY,
        "meta_data": [{"key": "iban", "value": CANARY}],
        "line_items": [line(1)],
        "fee_lines": [],
        "refunds": [],
        "payment_url": CANARY,
        **values,
    }


class Shop:
    """The shop's side: a key, pages of at most 100 with totals in headers, filters."""

    def __init__(self, server, monkeypatch):
        monkeypatch.setenv("WOO_KEY", "ck_1")
        monkeypatch.setenv("WOO_SECRET", "cs_2")
        self.server = server
        self.tables = {"products": [product(99)], "variations": [], "customers": [], "orders": []}
        self.credentials = "Basic " + base64.b64encode(b"ck_1:cs_2").decode()
        server.answer = self.answer

    def answer(self, request):
        if request.headers.get("Authorization") != self.credentials:
            return 401, {}, b'{"code":"woocommerce_rest_cannot_view"}'
        root, _, name = request.path.rpartition("/")
        size = int(request.query["per_page"])
        if root != "/wp-json/wc/v3" or name not in self.tables or size > 100:
            return 404, {}, b'{"code":"rest_no_route"}'
        rows = sorted(self.tables[name], key=lambda row: row["id"])
        assert (request.query["orderby"], request.query["order"]) == ("id", "asc")
        if after := request.query.get("modified_after"):
            assert request.query["dates_are_gmt"] == "true"
            assert not after.endswith("Z")
            rows = [row for row in rows if row["date_modified_gmt"] > after]
        page = int(request.query["page"])
        headers = {"X-WP-Total": len(rows), "X-WP-TotalPages": -(-len(rows) // size)}
        return 200, headers, json.dumps(rows[(page - 1) * size : page * size]).encode()

    def asked(self, name):
        """The queries that came for one kind of record."""
        return [r.query for r in self.server.requests if r.path.endswith(f"/{name}")]


@pytest.fixture
def shop(server, monkeypatch):
    return Shop(server, monkeypatch)


@pytest.fixture
def woo(counts, shop):
    """A run of the shop's feed."""

    def woo(**options):
        options = {"url": shop.server.url, "currency": "GBP", **KEY, **options}
        return counts(WooCommerce, allow_private_addresses=True, **options)

    return woo


def test_a_whole_shop(woo, shop, rows):
    shop.tables["products"] = [product(n) for n in range(1, 251)]
    shop.tables["customers"] = [customer(n) for n in range(1, 6)]
    shop.tables["orders"] = [order(n) for n in range(1, 121)]
    assert woo() == {
        "products": {"read": 250, "created": 250},
        "customers": {"read": 5, "created": 5},
        "orders": {"read": 120, "created": 120},
    }
    assert [query["page"] for query in shop.asked("products")] == ["1", "2", "3"]
    assert [query["page"] for query in shop.asked("orders")] == ["1", "2"]
    assert {query["role"] for query in shop.asked("customers")} == {"customer"}
    before = rows()
    second = woo()
    assert all(set(found) <= {"read", "unchanged"} for found in second.values())
    assert rows() == before


def test_the_next_run_asks_for_what_changed(woo, shop):
    shop.tables["products"] = [
        product(n) for n in range(1, 29)
    ]  # one a day, all January's first 28
    shop.tables["orders"] = [order(1)]
    assert woo()["products"] == {"read": 28, "created": 28}
    shop.tables["products"][0] |= {"price": "1.00", "date_modified_gmt": "2026-02-01T00:00:00"}
    assert woo()["products"] == {"read": 2, "updated": 1, "unchanged": 1}
    asked = [[q.get("modified_after") for q in shop.asked(n)] for n in ("products", "orders")]
    assert asked == [[None, "2026-01-28T09:55:00"], [None, "2026-02-01T09:55:08"]]
    assert all("modified_after" not in query for query in shop.asked("customers"))
    assert Product.objects.get(sku="S-1").price == 1


def test_a_product(woo, shop):
    shop.tables["products"] = [
        product(
            7,
            global_unique_id="978-3-16-148410-0",
            brands=[{"name": "A&amp;B"}],
            tags=[{"name": "R&amp;D"}],
            price="7.50",
            sale_price="7.50",
            on_sale=True,
            attributes=[{"name": "Size", "options": ["S", "M"]}, {"name": "Fit", "options": []}],
        )
    ]
    woo()
    stored = Product.objects.get()
    assert (stored.sku, stored.name) == ("S-7", "Thing & 7")
    assert stored.description == "<p>Number 7</p>"
    assert (stored.price, stored.compare_at_price) == (Decimal("7.50"), Decimal("9.90"))
    assert (stored.currency, stored.inventory_count) == ("GBP", 7)
    assert (stored.brand, stored.gtin) == ("A&B", "9783161484100")
    assert (stored.category, stored.group_key) == ("Bags & Cases, Sale", "")
    assert stored.url == "https://shop.example/product/7/"
    assert stored.image_url == "https://cdn.example/7.jpg"
    assert stored.attributes == {
        "type": "simple",
        "tags": ["R&D"],
        "categories": ["Bags & Cases", "Sale"],
        "options": {"Size": ["S", "M"]},
    }


@pytest.mark.parametrize(
    ("values", "price", "full"),
    [
        ({"price": "7.50", "sale_price": "7.50", "on_sale": True}, "7.50", Decimal("9.90")),
        ({"price": "9.90", "sale_price": "7.50", "on_sale": False}, "9.90", None),
        ({}, "9.90", None),
    ],
)
def test_the_full_price_is_told_while_a_sale_is_on(woo, shop, values, price, full):
    shop.tables["products"] = [product(1, **values)]
    woo()
    stored = Product.objects.get()
    assert (stored.price, stored.compare_at_price) == (Decimal(price), full)


def test_null_stock_says_nothing_about_the_count(woo, shop):
    shop.tables["products"] = [product(7)]
    woo()
    shop.tables["products"] = [product(7, manage_stock=False, stock_quantity=None)]
    woo()
    assert Product.objects.get().inventory_count == 7


@pytest.mark.parametrize(
    ("said", "stored"),
    [("instock", "in_stock"), ("outofstock", "out_of_stock"), ("onbackorder", "backorder")],
)
def test_availability(woo, shop, said, stored):
    shop.tables["products"] = [product(1, stock_status=said)]
    woo()
    assert Product.objects.get().availability == stored


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("publish", "active"),
        ("draft", "draft"),
        ("pending", "draft"),
        ("private", "draft"),
        ("future", "draft"),
        ("trash", "archived"),
        ("a-plugin-of-the-shop", "draft"),
    ],
)
def test_product_status(woo, shop, said, stored):
    shop.tables["products"] = [product(1, status=said)]
    woo()
    assert Product.objects.get().status == stored


@pytest.mark.parametrize(
    ("options", "skus"), [({}, ["WC-3"]), ({"blank_sku": "shop-{id}"}, ["shop-3"])]
)
def test_a_blank_sku_has_a_stand_in(woo, shop, options, skus):
    shop.tables["products"] = [product(3, sku="")]
    woo(**options)
    assert list(Product.objects.values_list("sku", flat=True)) == skus


def test_a_product_that_gets_its_sku_later_is_the_same_product(woo, shop):
    shop.tables["products"] = [product(3, sku="")]
    woo()
    shop.tables["products"] = [product(3, sku="BAG")]
    assert woo()["products"] == {"read": 1, "updated": 1}
    assert Product.objects.get().sku == "BAG"


def test_a_blank_sku_can_be_rejected(sync, shop):
    shop.tables["products"] = [product(3, sku=""), product(4)]
    shop.tables["customers"], shop.tables["orders"] = [customer(1)], [order(1)]
    run = sync(WooCommerce, url=shop.server.url, blank_sku="", **KEY, allow_private_addresses=True)
    issue = run.issues.get()
    assert (issue.code, issue.field) == ("invalid_key", "sku")
    assert Product.objects.get().sku == "S-4"


def test_a_blank_price_is_rejected_or_has_a_stand_in(woo, shop):
    shop.tables["products"] = [product(1, type="variable", price=""), product(2)]
    assert woo()["products"] == {"read": 2, "created": 1, "rejected": 1}
    assert woo(blank_price="0")["products"] == {"read": 2, "created": 1, "unchanged": 1}
    stored = Product.objects.get(sku="S-1")
    assert (stored.price, stored.group_key) == (0, "1")


def test_variations_are_products_of_one_group(woo, shop):
    shop.tables["products"] = [product(20, type="variable", variations=[21, 22])]
    shop.tables["variations"] = [variation(21, 20), variation(22, 20, sku="")]
    shop.tables["orders"] = [
        order(1, line_items=[line(1, product_id=20, variation_id=22, sku="")]),
        order(2, line_items=[line(2, product_id=20, variation_id=99, sku="")]),
    ]
    assert woo(variations=True)["variations"] == {"read": 2, "created": 2}
    assert dict(Product.objects.values_list("sku", "group_key")) == {
        "S-20": "20",
        "V-21": "20",
        "WC-22": "20",
    }
    small = Product.objects.get(sku="V-21")
    assert (small.price, small.compare_at_price) == (Decimal("12"), Decimal("15"))
    assert small.attributes == {"type": "variation", "options": {"Size": "M"}, "weight": "0.3"}
    assert Order.objects.get(order_id="1").lines.get().product.sku == "WC-22"
    assert Order.objects.get(order_id="2").lines.get().product is None


def test_without_variations_a_line_sells_the_variable_product(woo, shop):
    shop.tables["products"] = [product(20, type="variable", variations=[21])]
    shop.tables["orders"] = [
        order(1, line_items=[line(1, product_id=20, variation_id=21, sku="V-21")])
    ]
    assert set(woo()) == {"products", "customers", "orders"}
    sold = Order.objects.get().lines.get()
    assert (sold.product.sku, sold.sku) == ("S-20", "V-21")
    assert shop.asked("variations") == []


def test_a_customer(woo, shop):
    shop.tables["customers"] = [customer(5)]
    woo()
    stored = Customer.objects.get()
    assert (stored.email, stored.first_name, stored.last_name) == ("c5@example.com", "Ann", "Bee")
    assert (stored.phone, stored.company) == ("0113", "")
    assert stored.address == {
        "street": "1 High Street",
        "city": "Leeds",
        "postal_code": "LS1",
        "country": "GB",
    }


def test_the_role_of_customers_is_an_option(woo, shop):
    woo(customer_role="all")
    assert [query["role"] for query in shop.asked("customers")] == ["all"]


def test_an_order(woo, shop):
    shop.tables["products"] = [product(1)]
    shop.tables["customers"] = [customer(5)]
    shop.tables["orders"] = [order(9, number="W-2026-9")]
    woo()
    stored = Order.objects.get()
    assert stored.order_id == "W-2026-9"
    assert stored.customer.email == "c5@example.com"
    assert (stored.customer_email, stored.customer_name) == ("ann@example.com", "Ann Bee")
    assert stored.order_date == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert (stored.currency, stored.note) == ("GBP", "Ring twice")
    assert (stored.subtotal, stored.discount_total) == (Decimal("12.00"), Decimal("1.20"))
    assert (stored.shipping_total, stored.tax_total) == (Decimal("5.00"), Decimal("2.16"))
    assert stored.total_amount == Decimal("17.96")
    assert stored.billing_address["phone"] == "0113"
    assert stored.shipping_address["city"] == "Leeds"
    assert (stored.payment_status, stored.fulfillment_status) == ("paid", "unfulfilled")
    sold = stored.lines.get()
    assert (sold.product.sku, sold.sku, sold.name) == ("S-1", "S-1", "Thing – blue")
    assert (sold.quantity, sold.unit_price) == (3, Decimal("4"))
    assert (sold.discount_amount, sold.line_total) == (Decimal("1.20"), Decimal("10.80"))
    assert sold.tax_amount == Decimal("2.16")


def test_a_guest_is_known_by_the_address_of_the_bill(woo, shop):
    shop.tables["customers"] = [customer(5, email="ann@example.com")]
    billing = order(1)["billing"]
    shop.tables["orders"] = [
        order(1, customer_id=0),
        order(2, customer_id=0, billing={**billing, "email": "nobody@example.com"}),
        order(3, customer_id=77, billing={**billing, "email": ""}),
    ]
    woo()
    found = Order.objects.order_by("order_id").values_list("customer__email", "customer_email")
    assert list(found) == [
        ("ann@example.com", "ann@example.com"),
        (None, "nobody@example.com"),
        (None, ""),
    ]


def test_a_line_outlives_its_product(woo, shop):
    gone = line(1, product_id=0, sku=None, name="Gone")
    deleted = line(2, product_id=404, sku="X-404")
    shop.tables["orders"] = [order(1, line_items=[gone, deleted])]
    assert woo()["orders"] == {"read": 1, "created": 1}
    lines = Order.objects.get().lines.values_list("product", "sku", "name")
    assert list(lines) == [(None, "", "Gone"), (None, "X-404", "Thing – blue")]


def test_a_line_without_sku_has_its_products(woo, shop):
    shop.tables["products"] = [product(1)]
    shop.tables["orders"] = [order(1, line_items=[line(1, sku="")])]
    woo()
    assert Order.objects.get().lines.get().sku == "S-1"


def test_fees_are_lines_so_that_the_total_adds_up(woo, shop):
    fee = {"name": "Gift wrap", "total": "3.00", "total_tax": "0.60", "meta_data": [CANARY]}
    credit = {"name": "Loyalty", "total": "-1.00", "total_tax": "0.00"}
    shop.tables["orders"] = [
        order(1, fee_lines=[fee, credit], total="20.56", total_tax="2.76"),
    ]
    woo()
    stored = Order.objects.get()
    parts = stored.shipping_total + stored.tax_total - stored.discount_total
    assert stored.subtotal == Decimal("14.00")
    assert stored.subtotal + parts == stored.total_amount == Decimal("20.56")
    named = stored.lines.values_list("name", "quantity", "line_total")
    assert list(named)[1:] == [("Gift wrap", 1, Decimal("3")), ("Loyalty", 1, Decimal("-1"))]


REFUND = {"id": 1, "reason": CANARY, "total": "-5.00"}


@pytest.mark.parametrize(
    ("values", "status", "paid", "sent"),
    [
        ({"status": "pending", "date_paid_gmt": None}, "pending", "pending", "unfulfilled"),
        ({"status": "checkout-draft", "date_paid_gmt": None}, "pending", "pending", "unknown"),
        ({"status": "on-hold", "date_paid_gmt": None}, "on_hold", "pending", "unfulfilled"),
        ({"status": "processing"}, "processing", "paid", "unfulfilled"),
        ({"status": "completed"}, "completed", "paid", "fulfilled"),
        ({"status": "cancelled", "date_paid_gmt": None}, "cancelled", "voided", "unknown"),
        ({"status": "failed", "date_paid_gmt": None}, "failed", "pending", "unknown"),
        ({"status": "refunded"}, "refunded", "refunded", "unknown"),
        ({"refunds": [REFUND]}, "processing", "partially_refunded", "unfulfilled"),
        (
            {"refunds": [REFUND, {**REFUND, "total": "-12.96"}]},
            "processing",
            "refunded",
            "unfulfilled",
        ),
    ],
)
def test_the_state_of_an_order(woo, shop, values, status, paid, sent):
    shop.tables["orders"] = [order(1, **values)]
    woo()
    stored = Order.objects.get()
    assert (stored.status, stored.payment_status, stored.fulfillment_status) == (status, paid, sent)


def test_a_status_of_a_plugin_is_named_or_rejected(woo, shop):
    shop.tables["orders"] = [order(1, status="ready-to-collect"), order(2)]
    assert woo()["orders"] == {"read": 2, "created": 1, "rejected": 1}
    found = woo(order_statuses={"ready-to-collect": "processing"})["orders"]
    assert found == {"read": 2, "created": 1, "unchanged": 1}


def test_a_wrong_key_is_told_without_the_key(sync, shop, monkeypatch, traces):
    monkeypatch.setenv("WOO_SECRET", "cs_wrong")
    run = sync(WooCommerce, url=shop.server.url, **KEY, allow_private_addresses=True)
    assert run.error_code == "unauthorized"
    assert "cs_wrong" not in traces()
    assert base64.b64encode(b"ck_1:cs_wrong").decode() not in traces()


def test_nothing_is_kept_that_the_mapping_does_not_name(sync, shop, traces):
    shop.tables["products"] = [product(1), product(2, price="abc")]
    shop.tables["variations"] = [variation(3, 1), variation(4, 1, price="abc")]
    shop.tables["customers"] = [customer(5), customer(6, email="no address")]
    shop.tables["orders"] = [
        order(1, refunds=[REFUND]),
        order(2, total="abc"),
        order(3, line_items=[line(1, quantity="many")]),
    ]
    options = {"url": shop.server.url, "variations": True, **KEY}
    run = sync(WooCommerce, allow_private_addresses=True, **options)
    assert run.issues.count() == 5
    assert CANARY not in traces()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "has no url"),
        ({"url": "https://shop.example"}, "needs key_env and secret_env"),
        ({"url": "https://shop.example", **KEY, "per_page": 500}, "1 to 100"),
    ],
)
def test_what_is_configured_wrong_is_said(options, problem):
    assert problem in " ".join(WooCommerce(**options).check())


@pytest.mark.parametrize(
    "url",
    ["https://shop.example", "https://shop.example/", "https://shop.example/wp-json/wc/v3/"],
)
def test_the_address_is_the_shops_or_its_apis(url):
    feed = WooCommerce(url=url, **KEY)
    assert feed.check() == []
    assert feed.address(feed.stream("orders")) == "https://shop.example/wp-json/wc/v3/orders"


@pytest.mark.parametrize("option", ["base_url", "paginator", "format"])
def test_what_is_the_same_for_every_shop_is_no_option(option):
    with pytest.raises(ConfigurationError, match=f"no option '{option}'"):
        WooCommerce(**{option: "https://shop.example"})
