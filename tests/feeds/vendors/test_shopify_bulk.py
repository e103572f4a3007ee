"""Shopify's bulk operations: JSON Lines whose parts may stand in any order."""

import json
import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_ecommerce_sync.feeds.vendors import Shopify
from django_ecommerce_sync.models import Customer, Order, Product

from .acme import CANARY


def gid(kind, number):
    return f"gid://shopify/{kind}/{number}"


SOCK, BOARD = gid("Product", 1), gid("Product", 2)
#: Numbers are unique within a type only: there is a product 1 and a variant 1.
PRODUCTS = [
    {
        "id": SOCK,
        "title": "Sock",
        "handle": "sock",
        "descriptionHtml": "<p>Warm</p>",
        "vendor": "Acme",
        "productType": "Things",
        "status": "ACTIVE",
        "tags": ["Wool", "Winter"],
        "onlineStoreUrl": "https://acme.example/products/sock",
        "featuredMedia": {"preview": {"image": {"url": "https://cdn.example/a.jpg"}}},
        "updatedAt": "2026-03-01T14:00:00Z",
        "legacyResourceId": CANARY,
    },
    {
        "id": gid("ProductVariant", 1),
        "__parentId": SOCK,
        "title": "Red",
        "sku": "SOCK-R",
        "barcode": "4006381333931",
        "price": "4.10",
        "compareAtPrice": "5.50",
        "inventoryQuantity": 5,
        "inventoryPolicy": "DENY",
        "inventoryItem": {"tracked": True, "unitCost": {"amount": CANARY}},
        "selectedOptions": [{"name": "Color", "value": "Red"}],
        "image": {"url": "https://cdn.example/b.jpg"},
    },
    {"id": gid("Metafield", 1), "__parentId": gid("ProductVariant", 1), "value": CANARY},
    {
        "id": gid("ProductVariant", 2),
        "__parentId": SOCK,
        "title": "Blue",
        "sku": "",
        "price": {"amount": "4.25", "currencyCode": "CAD"},
        "inventoryQuantity": 0,
        "inventoryPolicy": "CONTINUE",
        "selectedOptions": [{"name": "Color", "value": "Blue"}],
    },
    {"id": gid("MediaImage", 7), "__parentId": SOCK, "alt": CANARY},
    {"id": BOARD, "title": "Board", "handle": "board", "status": "DRAFT", "onlineStoreUrl": None},
    {
        "id": gid("ProductVariant", 3),
        "__parentId": BOARD,
        "title": "Default Title",
        "sku": "BOARD",
        "price": "99",
        "inventoryQuantity": 0,
        "inventoryPolicy": "DENY",
        "inventoryItem": {"tracked": False},
        "selectedOptions": [{"name": "Title", "value": "Default Title"}],
    },
]
PLACE = {
    "name": "Ann Bee",
    "company": "Bee Ltd",
    "address1": "1 High Street",
    "address2": "Flat 2",
    "city": "Louisville",
    "provinceCode": "KY",
    "zip": "40202",
    "countryCodeV2": "US",
    "phone": "555",
    "latitude": CANARY,
}
CUSTOMERS = [
    {
        "id": gid("Customer", 1),
        "defaultEmailAddress": {"emailAddress": "Ann@Example.com", "marketingState": CANARY},
        "firstName": "Ann",
        "lastName": "Bee",
        "defaultPhoneNumber": {"phoneNumber": "+1555"},
        "defaultAddress": PLACE,
        "note": CANARY,
    },
    {
        "id": gid("Customer", 2),
        "email": None,
        "firstName": None,
        "phone": "+1666",
        "tags": [CANARY],
    },
    {"id": gid("Metafield", 9), "__parentId": gid("Customer", 2), "value": CANARY},
]


def money(amount):
    return {
        "shopMoney": {"amount": amount, "currencyCode": "USD"},
        "presentmentMoney": {"amount": CANARY, "currencyCode": "CHF"},
    }


FIRST = gid("Order", 9001)
ORDERS = [
    {
        "id": FIRST,
        "name": "#1001",
        "email": "gift@example.com",
        "createdAt": "2026-03-02T15:00:00Z",
        "cancelledAt": None,
        "closedAt": None,
        "currencyCode": "CAD",
        "displayFinancialStatus": "PARTIALLY_REFUNDED",
        "displayFulfillmentStatus": "PARTIALLY_FULFILLED",
        "totalPriceSet": money("29.10"),
        "totalDiscountsSet": money("1.20"),
        "totalShippingPriceSet": money("5.0"),
        "totalTaxSet": money("2.00"),
        "customer": {"id": gid("Customer", 1), "firstName": "Ann", "lastName": "Bee"},
        "billingAddress": PLACE,
        "shippingAddress": {**PLACE, "city": "Paris"},
        "note": "Ring twice",
        "clientIp": CANARY,
        "paymentGatewayNames": [CANARY],
    },
    {
        "id": gid("LineItem", 1),
        "__parentId": FIRST,
        "name": "Sock - Red",
        "sku": "SOCK-R",
        "quantity": 3,
        "variant": {"id": gid("ProductVariant", 1)},
        "originalUnitPriceSet": money("4.00"),
        "discountAllocations": [{"allocatedAmountSet": money("1.20")}],
        "taxLines": [{"priceSet": money("1.50"), "title": CANARY}, {"priceSet": money("0.50")}],
        "customAttributes": [{"key": CANARY, "value": CANARY}],
    },
    {
        "id": gid("LineItem", 2),
        "__parentId": FIRST,
        "title": "Gone",
        "sku": "GONE",
        "quantity": 1,
        "variant": None,
        "originalUnitPriceSet": money("11.25"),
        "totalDiscountSet": money("0.0"),
    },
    {"id": gid("ShippingLine", 5), "__parentId": FIRST, "title": CANARY},
]
FILES = {"products": PRODUCTS, "customers": CUSTOMERS, "orders": ORDERS}


def shuffled(rows):
    return random.Random(7).sample(rows, len(rows))


ARRANGEMENTS = [list, lambda rows: rows[::-1], shuffled]


@pytest.fixture
def written(tmp_path):
    """Write the files of some streams; the options that make the feed read them."""

    def written(rows, arranged=list):
        files = {}
        for name in rows:
            path = files[name] = tmp_path / f"{name}.jsonl"
            path.write_text("".join(f"{json.dumps(row)}\n" for row in arranged(rows[name])))
        return {"source": "bulk", "files": files, "currency": "USD"}

    return written


@pytest.mark.parametrize("arranged", ARRANGEMENTS, ids=["in order", "reversed", "shuffled"])
def test_a_shop_in_any_order_of_lines(written, counts, rows, arranged):
    options = written(FILES, arranged)
    assert counts(Shopify, **options) == {
        "products": {"read": 3, "created": 3},
        "customers": {"read": 2, "created": 2},
        "orders": {"read": 1, "created": 1},
    }
    stored = Product.objects.values_list("sku", "name", "price", "currency", "group_key")
    assert set(stored) == {
        ("SOCK-R", "Sock - Red", Decimal("4.1"), "USD", "1"),
        ("SH-2", "Sock - Blue", Decimal("4.25"), "CAD", "1"),
        ("BOARD", "Board", Decimal(99), "USD", "2"),
    }
    assert Order.objects.get().lines.count() == 2
    before = rows()
    assert counts(Shopify, **options)["products"] == {"read": 3, "unchanged": 3}
    assert rows() == before


def test_a_variant_and_its_product(written, counts):
    counts(Shopify, **written({"products": PRODUCTS}))
    red, blue, board = Product.objects.order_by("price")
    assert (red.description, red.brand, red.category) == ("<p>Warm</p>", "Acme", "Things")
    assert (red.gtin, red.compare_at_price) == ("4006381333931", Decimal("5.5"))
    assert (red.url, red.image_url) == (
        "https://acme.example/products/sock",
        "https://cdn.example/b.jpg",
    )
    assert red.attributes == {
        "handle": "sock",
        "tags": ["Wool", "Winter"],
        "options": {"Color": "Red"},
        "barcode": "4006381333931",
    }
    assert [one.inventory_count for one in (red, blue, board)] == [5, 0, 0]
    assert blue.image_url == "https://cdn.example/a.jpg"
    assert [(one.status, one.availability) for one in (red, blue, board)] == [
        ("active", "in_stock"),
        ("active", "backorder"),
        ("draft", "in_stock"),
    ]
    assert (board.url, board.attributes) == ("", {"handle": "board"})


def test_customers_by_either_spelling(written, counts):
    counts(Shopify, **written({"customers": CUSTOMERS}))
    ann = Customer.objects.get(email="ann@example.com")
    assert (ann.first_name, ann.last_name, ann.phone, ann.company) == (
        "Ann",
        "Bee",
        "+1555",
        "Bee Ltd",
    )
    assert ann.address == {
        "street": "1 High Street",
        "street2": "Flat 2",
        "city": "Louisville",
        "state": "KY",
        "postal_code": "40202",
        "country": "US",
    }
    assert Customer.objects.get(email=None).phone == "+1666"


def test_an_order_and_its_lines(written, counts):
    counts(Shopify, **written(FILES))
    stored = Order.objects.get()
    assert (stored.order_id, stored.customer.email) == ("#1001", "ann@example.com")
    assert (stored.customer_name, stored.note, stored.currency) == ("Ann Bee", "Ring twice", "CAD")
    assert (stored.status, stored.payment_status, stored.fulfillment_status) == (
        "processing",
        "partially_refunded",
        "partial",
    )
    # 3 × 4.00 + 1 × 11.25; the total is the shop's own, which may have been rounded.
    assert (stored.subtotal, stored.total_amount) == (Decimal("23.25"), Decimal("29.1"))
    assert (stored.discount_total, stored.shipping_total, stored.tax_total) == (
        Decimal("1.2"),
        5,
        2,
    )
    assert stored.billing_address["name"] == "Ann Bee"
    assert stored.shipping_address["city"] == "Paris"
    assert stored.customer_email == "gift@example.com"
    assert stored.order_date == datetime(2026, 3, 2, 15, tzinfo=UTC)
    lines = {
        one.name: (one.product and one.product.sku, one.sku, one.unit_price, one.tax_amount)
        for one in stored.lines.all()
    }
    assert lines == {
        "Sock - Red": ("SOCK-R", "SOCK-R", Decimal(4), Decimal(2)),
        "Gone": (None, "GONE", Decimal("11.25"), Decimal(0)),
    }
    assert {one.name: one.line_total for one in stored.lines.all()} == {
        "Sock - Red": Decimal("10.8"),
        "Gone": Decimal("11.25"),
    }


def test_nothing_is_kept_that_nobody_named(written, counts, traces):
    counts(Shopify, **written(FILES))
    assert CANARY not in traces()


def test_a_part_without_its_whole_is_rejected(written, sync):
    lost = {**PRODUCTS[1], "id": gid("ProductVariant", 8), "__parentId": gid("Product", 404)}
    run = sync(Shopify, **written({"products": [*PRODUCTS, lost]}))
    assert run.status == "partial"
    assert run.issues.get().code == "parent_missing"
    assert Product.objects.count() == 3


def test_a_line_that_is_no_json_costs_itself(written, sync):
    options = written({"customers": CUSTOMERS})
    with options["files"]["customers"].open("a") as file:
        file.write('{"id": "gid://shopify/Customer/3", "email": \n')
    run = sync(Shopify, **options)
    assert run.issues.get().code == "json_syntax"
    assert Customer.objects.count() == 2


def test_the_address_of_a_result_is_asked_without_the_token(written, counts, server, monkeypatch):
    """A result lies elsewhere, at an address whose query is its key."""
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_secret")
    body = "".join(f"{json.dumps(row)}\n" for row in PRODUCTS).encode()
    server.answer = lambda request: (200, {}, body)
    files = {"products": f"{server.url}/bulk/1?signature=abc"}
    assert counts(Shopify, source="bulk", files=files)["products"]["created"] == 3
    (request,) = server.requests
    assert request.query == {"signature": "abc"}
    assert "shpat_secret" not in str(request.headers)


def test_the_api_and_its_bulk_files_speak_of_the_same_records(written, counts, server, monkeypatch):
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "x")
    counts(Shopify, **written({"products": PRODUCTS}))
    page = {
        "products": [
            {"id": 2, "title": "Board", "variants": [{"id": 3, "title": "Default Title",
                                                      "sku": "BOARD-2", "price": "89"}]}
        ]
    }  # fmt: skip
    server.answer = lambda request: (200, {}, json.dumps(page).encode())
    got = counts(Shopify, base_url=server.url, streams=["products"])
    assert got["products"] == {"read": 1, "updated": 1}
    assert Product.objects.get(sku="BOARD-2").price == 89
