"""Shopify's REST Admin API, against a server that keeps to its rules."""

from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds import FeedSource, Stream
from django_ecommerce_sync.feeds.vendors import Shopify
from django_ecommerce_sync.models import Customer, Order, Product

from .acme import CANARY, PATH, TOKEN, Acme, customer, line, order, product, variant

RED = variant(
    11,
    title="Red",
    option1="Red",
    sku="SOCK-R",
    price="4.00",
    compare_at_price="5.50",
    barcode="4006381333931",
    image_id=102,
)
BLUE = variant(
    12,
    title="Blue",
    option1="Blue",
    sku="",
    price="4.00",
    barcode="blue_1234",
    inventory_quantity=-2,
    inventory_policy="continue",
)
SOCK = product(
    1,
    RED,
    BLUE,
    title="Sock",
    tags="Wool, Winter",
    options=[{"name": "Color"}],
    images=[
        {"id": 101, "src": "https://cdn.example/a.jpg"},
        {"id": 102, "src": "https://cdn.example/b.jpg"},
    ],
)


@pytest.fixture
def acme(server, monkeypatch):
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", TOKEN)
    return Acme(server)


@pytest.fixture
def shop(acme):
    """The options that lead to the local server instead of Shopify's."""
    address = f"{acme.server.url}{PATH}"
    return {"shop": "acme", "base_url": address, "currency": "USD", "rate": ""}


def stored(sku):
    return Product.objects.get(sku=sku)


# -- products --------------------------------------------------------------------------------


def test_a_variant_is_a_product(acme, shop, counts):
    acme.rows["products"] = [SOCK]
    assert counts(Shopify, **shop, streams=["products"]) == {"products": {"read": 2, "created": 2}}
    red = stored("SOCK-R")
    assert (red.name, red.description) == ("Sock - Red", "<p>Number 1</p>")
    assert (red.price, red.compare_at_price, red.currency) == (Decimal(4), Decimal("5.5"), "USD")
    assert (red.inventory_count, red.availability) == (5, "in_stock")
    assert (red.brand, red.category, red.gtin, red.group_key) == (
        "Acme",
        "Things",
        "4006381333931",
        "1",
    )
    assert (red.status, red.image_url) == ("active", "https://cdn.example/b.jpg")
    assert red.url == "https://acme.myshopify.com/products/thing-1?variant=11"
    assert red.attributes == {
        "handle": "thing-1",
        "tags": ["Wool", "Winter"],
        "options": {"Color": "Red"},
        "barcode": "4006381333931",
    }


def test_a_variant_without_a_sku_gets_one_made_of_its_id(acme, shop, counts):
    acme.rows["products"] = [SOCK]
    counts(Shopify, **shop, streams=["products"])
    blue = stored("SH-12")
    assert (blue.name, blue.group_key) == ("Sock - Blue", "1")
    # Its barcode is none of the codes that are known everywhere, and it may be oversold.
    assert (blue.gtin, blue.attributes["barcode"]) == ("", "blue_1234")
    assert (blue.inventory_count, blue.availability) == (-2, "backorder")
    assert blue.image_url == "https://cdn.example/a.jpg"


def test_the_only_variant_has_the_name_of_its_product(acme, shop, counts):
    acme.rows["products"] = [product(3)]
    counts(Shopify, **shop, streams=["products"])
    only = stored("SKU-30")
    assert (only.name, only.attributes) == ("Thing 3", {"handle": "thing-3"})


@pytest.mark.parametrize(
    ("values", "availability"),
    [
        ({"inventory_quantity": 1}, "in_stock"),
        ({"inventory_quantity": 0}, "out_of_stock"),
        ({"inventory_quantity": 0, "inventory_policy": "continue"}, "backorder"),
        ({"inventory_quantity": 0, "inventory_management": None}, "in_stock"),
    ],
)
def test_availability_follows_quantity_and_policy(acme, shop, counts, values, availability):
    acme.rows["products"] = [product(1, variant(11, **values))]
    counts(Shopify, **shop, streams=["products"])
    assert stored("SKU-11").availability == availability


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("active", "active"),
        ("draft", "draft"),
        ("archived", "archived"),
        ("unlisted", "active"),
        ("something new", "draft"),
    ],
)
def test_statuses_of_products(acme, shop, counts, said, kept):
    acme.rows["products"] = [product(1, status=said)]
    counts(Shopify, **shop, streams=["products"])
    assert stored("SKU-10").status == kept


def test_blank_skus_can_be_rejected(acme, shop, sync):
    acme.rows["products"] = [SOCK]
    run = sync(Shopify, **shop, streams=["products"], blank_sku="")
    assert run.status == "partial"
    issue = run.issues.get()
    assert (issue.code, issue.field, issue.external_id) == ("invalid_key", "sku", "12")
    assert Product.objects.get().sku == "SOCK-R"


def test_blank_skus_can_be_made_after_another_pattern(acme, shop, counts):
    acme.rows["products"] = [SOCK]
    counts(Shopify, **shop, streams=["products"], blank_sku="acme/{id}")
    assert stored("acme/12").name == "Sock - Blue"


TWICE = product(1, variant(11, sku="SAME", price="1"), variant(12, sku="SAME", price="2"))


def test_a_sku_that_two_variants_share_stays_with_one_of_them(acme, shop, sync):
    acme.rows["products"] = [TWICE, product(2)]
    for _ in range(2):
        run = sync(Shopify, **shop, streams=["products"])
        issue = run.issues.get()
        assert (run.status, issue.code, issue.key) == ("partial", "identity_conflict", "SAME")
        assert Product.objects.count() == 2


def test_shops_that_repeat_skus_can_do_without_them(acme, shop, counts):
    acme.rows["products"] = [TWICE]
    counts(Shopify, **shop, streams=["products"], own_sku=False)
    assert dict(Product.objects.values_list("sku", "price")) == {"SH-11": 1, "SH-12": 2}


def test_a_variant_whose_sku_changes_is_the_same_product(acme, shop, counts):
    acme.rows["products"] = [product(1)]
    counts(Shopify, **shop, streams=["products"])
    acme.rows["products"] = [
        product(1, variant(10, sku="NEW"), updated_at="2026-03-05T09:00:00-05:00")
    ]
    assert counts(Shopify, **shop, streams=["products"])["products"] == {"read": 1, "updated": 1}
    assert Product.objects.get().sku == "NEW"


# -- customers -------------------------------------------------------------------------------


def test_customers(acme, shop, counts):
    acme.rows["customers"] = [
        customer(1),
        customer(2, email=None, first_name=None),
        customer(3, phone=None),
        customer(4, default_address=None, phone=None),
    ]
    got = counts(Shopify, **shop, streams=["customers"])
    assert got == {"customers": {"read": 4, "created": 4}}
    ann = Customer.objects.get(email="c1@example.com")
    assert (ann.first_name, ann.last_name, ann.phone) == ("Ann", "Bee", "+1555625")
    # An account nobody has opened yet is ``disabled`` there; its owner may buy all the same.
    assert (ann.company, ann.status) == ("Bee Ltd", "active")
    assert ann.address == {
        "street": "1 High Street",
        "street2": "Flat 2",
        "city": "Louisville",
        "state": "KY",
        "postal_code": "40202",
        "country": "US",
    }
    by_phone = Customer.objects.get(email=None)
    assert (by_phone.first_name, by_phone.phone) == ("", "+1555625")
    assert Customer.objects.get(email="c3@example.com").phone == "555-625-1199"
    assert Customer.objects.get(email="c4@example.com").address == {}


# -- orders ----------------------------------------------------------------------------------


@pytest.fixture
def stocked(acme):
    """The shop with a product and a customer that orders may name."""
    acme.rows["products"], acme.rows["customers"] = [SOCK], [customer(1)]
    return acme


def test_an_order_with_its_lines(stocked, shop, counts):
    stocked.rows["orders"] = [order(1001)]
    assert counts(Shopify, **shop)["orders"] == {"read": 1, "created": 1}
    stored = Order.objects.get()
    assert (stored.order_id, stored.source, stored.currency) == ("#1001", "shop", "USD")
    assert stored.customer.email == stored.customer_email == "c1@example.com"
    assert stored.customer_name == "Ann Bee"
    assert stored.order_date == datetime(2026, 3, 2, 15, tzinfo=UTC)
    amounts = (stored.subtotal, stored.discount_total, stored.shipping_total, stored.tax_total)
    assert amounts == (Decimal(12), Decimal("1.2"), Decimal(5), Decimal(2))
    assert (
        stored.total_amount == Decimal("17.8") == amounts[0] - amounts[1] + amounts[2] + amounts[3]
    )
    assert (stored.billing_address["city"], stored.shipping_address["city"]) == (
        "Louisville",
        "Paris",
    )
    assert set(stored.billing_address) == {
        "name", "company", "street", "street2", "city", "state", "postal_code", "country", "phone",
    }  # fmt: skip
    assert stored.note == "Ring twice"
    sold = stored.lines.get()
    assert sold.product.sku == sold.sku == "SOCK-R"
    assert (sold.name, sold.quantity, sold.unit_price) == ("Sock - Red", 3, Decimal(4))
    assert (sold.discount_amount, sold.tax_amount) == (Decimal("1.2"), Decimal(2))
    assert sold.line_total == Decimal("10.8")


def test_amounts_are_what_the_shop_says(stocked, shop, counts):
    """Not what they come to, nor what the product costs today."""
    told = order(1, currency="CAD", total_price="20.01", line_items=[line(1, price="3.90")])
    stocked.rows["orders"] = [told]
    counts(Shopify, **shop)
    stored = Order.objects.get()
    assert (stored.currency, stored.subtotal, stored.total_amount) == ("CAD", 12, Decimal("20.01"))
    assert stored.lines.get().unit_price == Decimal("3.9")


def test_lines_outlive_their_products(stocked, shop, counts):
    gone = line(1, variant_id=None, product_id=None, sku="", name="Old sock", title="Old sock")
    other = line(2, variant_id=99, sku="GONE", name="Gone")
    by_sku = line(3, variant_id=None, sku="SOCK-R")
    blank = line(4, variant_id=12, sku="", name="Sock - Blue")
    stocked.rows["orders"] = [order(1001, line_items=[gone, other, by_sku, blank])]
    assert counts(Shopify, **shop)["orders"] == {"read": 1, "created": 1}
    lines = Order.objects.get().lines.select_related("product")
    assert [(one.product and one.product.sku, one.sku, one.name) for one in lines] == [
        (None, "", "Old sock"),
        (None, "GONE", "Gone"),
        ("SOCK-R", "SOCK-R", "Sock - Red"),
        ("SH-12", "SH-12", "Sock - Blue"),
    ]


def test_an_order_of_nobody_we_know_keeps_what_it_says(stocked, shop, counts):
    stranger = {"id": 77, "email": "x@example.com", "first_name": "Xa", "last_name": "Yb"}
    stocked.rows["orders"] = [
        order(1, customer=None, email="", contact_email="guest@example.com"),
        order(2, customer=stranger, email="x@example.com"),
        order(3, customer={"id": None, "email": "C1@Example.com"}, email="c1@example.com"),
    ]
    assert counts(Shopify, **shop)["orders"] == {"read": 3, "created": 3}
    guest, unknown, known = Order.objects.order_by("order_id")
    assert (guest.customer, guest.customer_email, guest.customer_name) == (
        None,
        "guest@example.com",
        "Ann Bee",
    )
    assert (unknown.customer, unknown.customer_name) == (None, "Xa Yb")
    assert known.customer.email == "c1@example.com"


@pytest.mark.parametrize(
    ("values", "status", "payment", "fulfillment"),
    [
        ({}, "processing", "paid", "unfulfilled"),
        ({"financial_status": "pending"}, "pending", "pending", "unfulfilled"),
        ({"financial_status": "authorized"}, "processing", "authorized", "unfulfilled"),
        ({"financial_status": "expired"}, "on_hold", "voided", "unfulfilled"),
        ({"financial_status": "voided"}, "cancelled", "voided", "unfulfilled"),
        ({"financial_status": "refunded"}, "refunded", "refunded", "unfulfilled"),
        ({"financial_status": None}, "processing", "unknown", "unfulfilled"),
        ({"financial_status": "new word"}, "processing", "unknown", "unfulfilled"),
        ({"fulfillment_status": "fulfilled"}, "shipped", "paid", "fulfilled"),
        ({"fulfillment_status": "partial"}, "processing", "paid", "partial"),
        ({"fulfillment_status": "restocked"}, "processing", "paid", "returned"),
        ({"fulfillment_status": "new word"}, "processing", "paid", "unknown"),
        ({"closed_at": "2026-03-03T00:00:00Z"}, "completed", "paid", "unfulfilled"),
        (
            {"cancelled_at": "2026-03-03T00:00:00Z", "closed_at": "2026-03-03T00:00:00Z"},
            "cancelled",
            "paid",
            "unfulfilled",
        ),
        (
            {"financial_status": "partially_refunded", "fulfillment_status": "fulfilled"},
            "shipped",
            "partially_refunded",
            "fulfilled",
        ),
    ],
)
def test_statuses_of_orders(stocked, shop, counts, values, status, payment, fulfillment):
    stocked.rows["orders"] = [order(1, **values)]
    counts(Shopify, **shop)
    stored = Order.objects.get()
    assert (stored.status, stored.payment_status, stored.fulfillment_status) == (
        status,
        payment,
        fulfillment,
    )


def test_a_damaged_amount_costs_its_own_order(stocked, shop, sync):
    broken = line(1, tax_lines=[{"price": "many"}])
    stocked.rows["orders"] = [order(1, line_items=[broken]), order(2)]
    run = sync(Shopify, **shop)
    issue = run.issues.get()
    assert (issue.code, issue.field) == ("invalid_decimal", "lines[0].tax_amount")
    assert Order.objects.get().order_id == "#2"


# -- the whole shop --------------------------------------------------------------------------


def test_a_whole_shop_page_by_page(server, acme, shop, counts, rows, no_waiting):
    acme.limit, acme.busy = 100, 1
    acme.rows = {
        "products": [SOCK, *(product(n) for n in range(2, 301))],
        "customers": [customer(n) for n in range(1, 151)],
        "orders": [
            order(n, closed_at="2026-03-03T00:00:00Z" if n % 2 else None) for n in range(1, 206)
        ],
    }
    assert counts(Shopify, **shop) == {
        "products": {"read": 301, "created": 301},
        "customers": {"read": 150, "created": 150},
        "orders": {"read": 205, "created": 205},
    }
    # 3 + 2 + 3 pages, and one request that was put off.
    assert (len(server.requests), len(no_waiting), acme.refused) == (9, 1, [])
    before = rows()
    second = counts(Shopify, **shop)
    assert {name: set(found) for name, found in second.items()} == {
        name: {"read", "unchanged"} for name in acme.rows
    }
    assert rows() == before


def test_requests_keep_to_two_a_second(acme, shop, counts):
    acme.limit, acme.rows["products"] = 1, [product(1), product(2), product(3)]
    times = []
    acme.server.answer = lambda request: times.append(monotonic()) or acme.answer(request)
    del shop["rate"]
    assert counts(Shopify, **shop, streams=["products"])["products"]["created"] == 3
    # Half a second at least: the turn of the first may have begun before it.
    assert times[2] - times[0] > 0.45


def test_a_new_shop_has_products_first(acme, shop, counts, sync):
    acme.rows["products"] = [product(1)]
    assert counts(Shopify, **shop)["orders"] == {}
    acme.rows["products"] = []
    run = sync(Shopify, **shop, alias="other", streams=["products"])
    assert (run.status, run.error_code) == ("failed", "feed_empty")


def test_only_what_changed_is_asked_for(acme, shop, counts):
    acme.rows["products"] = [product(n) for n in range(1, 31)]
    counts(Shopify, **shop, streams=["products"])
    changed = "2026-03-05T09:00:00-05:00"
    acme.rows["products"][4] = product(5, variant(50, price="1.00"), updated_at=changed)
    acme.server.requests.clear()
    counts(Shopify, **shop, streams=["products"])
    # The latest change that came was that of 14:00 UTC, less what the shop may be behind.
    assert acme.server.requests[0].query["updated_at_min"] == "2026-03-01T13:55:00Z"
    assert stored("SKU-50").price == 1
    acme.server.requests.clear()
    assert counts(Shopify, **shop, streams=["products"])["products"] == {"read": 1, "unchanged": 1}
    assert acme.server.requests[0].query["updated_at_min"] == "2026-03-05T13:55:00Z"


def test_a_wrong_token_fails_the_run_and_is_told_nowhere(acme, shop, sync, monkeypatch, traces):
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_wrong")
    run = sync(Shopify, **shop)
    assert (run.status, run.error_code) == ("failed", "unauthorized")
    assert "shpat_wrong" not in traces()


def test_a_next_page_elsewhere_does_not_get_the_token(acme, shop, sync, other_server):
    acme.rows["products"] = [product(1)]

    def answer(request):
        status, headers, body = acme.answer(request)
        return status, {**headers, "Link": f'<{other_server.url}/x>; rel="next"'}, body

    acme.server.answer = answer
    run = sync(Shopify, **shop, streams=["products"])
    assert (run.status, run.error_code) == ("failed", "foreign_next_url")
    assert other_server.requests == []


@pytest.mark.parametrize("knows_fields", [True, False])
def test_nothing_is_kept_that_nobody_named(acme, shop, sync, traces, knows_fields):
    """Neither by a shop that leaves out what was not asked for, nor by one that does not."""
    acme.knows_fields = knows_fields
    acme.rows = {
        "products": [SOCK, product(2, variant(20, price="x"))],
        "customers": [customer(1), customer(2, email="no address")],
        "orders": [order(1), order(2, created_at="never")],
    }
    run = sync(Shopify, **shop)
    assert {name: run.counts_of(name)["rejected"] for name in acme.rows} == dict.fromkeys(
        acme.rows, 1
    )
    assert CANARY not in traces()
    assert TOKEN not in traces()


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shop", ["acme", "acme.myshopify.com", "ACME"])
def test_the_name_of_the_shop_is_enough(shop):
    feed = Shopify(shop=shop)
    assert feed.check() == []
    products, customers, orders = feed.streams
    base = "https://acme.myshopify.com/admin/api/2026-07"
    assert feed.address(products) == f"{base}/products.json"
    assert feed.address(orders) == f"{base}/orders.json"
    assert feed.address(customers) == f"{base}/customers.json"


def test_the_version_of_the_api_is_an_option():
    feed = Shopify(shop="acme", api_version="2026-10")
    assert feed.base_url == "https://acme.myshopify.com/admin/api/2026-10/"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shop": "https://acme.example/"}, "'https://acme.example/' is no shop at Shopify"),
        ({"shop": "acme.myshopify.com.evil.example"}, "is no shop at Shopify"),
        ({"source": "rst"}, "no source 'rst'; did you mean 'rest'?"),
        ({"shop": "acme", "streams": ["product"]}, "no stream 'product'; did you mean 'products'?"),
        ({"own_sku": False, "blank_sku": ""}, "needs a blank_sku"),
        ({"source": "bulk", "files": {"product": "/x"}}, "did you mean 'products'?"),
        ({"source": "csv", "files": {"orders": "/x"}, "streams": ["products"]}, "for 'products'"),
        ({"token": "x"}, "no option 'token'; did you mean 'token_env'?"),
    ],
)
def test_wrong_options_are_told(options, complaint):
    with pytest.raises(ConfigurationError, match=complaint.replace("?", r"\?")):
        Shopify(**options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "Shopify has no shop; give it shop='acme'."),
        ({"source": "bulk"}, "Shopify needs files: the path or address of each stream's file."),
        (
            {"shop": "acme", "files": {"products": "/x"}},
            "Shopify has files; they are for source='bulk' or source='csv'.",
        ),
    ],
)
def test_what_is_missing_is_told_by_the_system_check(options, complaint):
    assert Shopify(**options).check() == [complaint]


def test_streams_can_be_ones_own():
    mine = Stream("products", path="products.json", fields={"sku": "id"})
    feed = Shopify(shop="acme", streams=[mine, "orders"])
    assert [stream.name for stream in feed.streams] == ["products", "orders"]
    assert feed.stream("products") is mine

    class Mine(Shopify):
        streams = [mine]

    assert list(Mine(shop="acme").streams) == [mine]


def test_every_option_has_an_attribute():
    own = set(Shopify.option_names) - set(FeedSource.option_names)
    assert [name for name in sorted(own) if not hasattr(Shopify, name)] == []
