"""Shopify's and Best Buy's own recorded answers, through the feeds made for them.

The data lies outside the repository, in the folder ECS_FEEDS or ../shared/feeds; where it is
missing these tests are skipped, but not in CI.
"""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pytest

from django_ecommerce_sync.feeds.vendors import BestBuy, Shopify
from django_ecommerce_sync.models import OUTCOMES, Customer, Order, Product
from django_ecommerce_sync.sync import execute, request_run

FEEDS = Path(os.environ.get("ECS_FEEDS", Path(__file__).resolve().parents[2] / "shared" / "feeds"))

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not FEEDS.is_dir() and not os.environ.get("CI"), reason=f"there are no feeds at {FEEDS}"
    ),
]


def read(name):
    return json.loads((FEEDS / name).read_text(encoding="utf-8"), parse_float=Decimal)


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_0123456789")
    monkeypatch.setenv("BESTBUY_API_KEY", "bby0123456789")


@pytest.fixture
def counts(settings, server):
    """Run a feed at the local server; its counts that are not zero, by stream."""

    def counts(backend, **options):
        feed = {"BACKEND": backend, "OPTIONS": {"base_url": server.url, "rate": "", **options}}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"real": feed}}
        run, _ = request_run("real")
        run = execute(run.pk)
        assert not run.error_code, run.error
        for found in run.counts.values():
            assert found["read"] == sum(found[name] for name in OUTCOMES)
        return {s: {n: c for n, c in run.counts_of(s).items() if c} for s in run.counts}

    return counts


def serve(server, **rows):
    """Answer each of Shopify's addresses with one page of these rows."""

    def answer(request):
        name = request.path.strip("/").removesuffix(".json")
        return 200, {}, json.dumps({name: rows.get(name, [])}, default=float).encode()

    server.answer = answer


def unchanged(rows):
    return {"read": rows, "unchanged": rows}


# -- shopify ---------------------------------------------------------------------------------


def test_shopify_product_with_four_variants(server, counts):
    product = read("shopify_json/product.json")["product"]
    serve(server, products=[product])
    assert counts(Shopify, streams=["products"]) == {"products": {"read": 4, "created": 4}}
    for variant in product["variants"]:
        stored = Product.objects.get(sku=variant["sku"])
        assert stored.name == f"{product['title']} - {variant['title']}"
        assert stored.price == Decimal(variant["price"])
        assert stored.inventory_count == variant["inventory_quantity"]
        assert (stored.brand, stored.group_key) == (product["vendor"], str(product["id"]))
        assert stored.image_url == product["images"][0]["src"]
        assert stored.attributes["options"] == {"Title": variant["title"]}
    assert counts(Shopify, streams=["products"])["products"] == unchanged(4)


def test_shopify_products_that_all_have_the_same_variant(server, counts):
    rows = read("shopify_json/products.json")
    ids = [variant["id"] for row in rows for variant in row["variants"]]
    assert (len(ids), len(set(ids))) == (4, 1)
    serve(server, products=rows)
    got = counts(Shopify, streams=["products"])
    assert got["products"] == {"read": 4, "created": 1, "duplicate": 3}
    assert Product.objects.get().group_key == str(rows[-1]["id"])


def test_shopify_listings_without_skus(server, counts):
    rows = read("shopify_json/product_listings.json")
    serve(server, products=rows)
    got = counts(Shopify, streams=["products"])
    assert got["products"] == {"read": 4, "created": 4}
    expected = {
        (
            f"SH-{one['id']}",
            Decimal(one["price"]),
            one["inventory_quantity"],
            str(row["product_id"]),
        )
        for row in rows
        for one in row["variants"]
    }
    stored = Product.objects.values_list("sku", "price", "inventory_count", "group_key")
    assert set(stored) == expected


def test_shopify_product_without_a_sku_that_costs_nothing(server, counts):
    product = read("shopify_gofix/product.json")["product"]
    serve(server, products=[product])
    counts(Shopify, streams=["products"])
    stored = Product.objects.get()
    assert (stored.sku, stored.name) == ("SH-1070325219", product["title"])
    assert (stored.price, stored.availability) == (0, "in_stock")
    assert stored.attributes["tags"] == ['"Big Air"', "Barnes & Noble", "John's Fav"]


def test_shopify_customers_and_orders(server, counts):
    customers = [
        read("shopify_json/customer.json")["customer"],
        read("shopify_gofix/customer.json")["customer"],
    ]
    orders = [
        *read("shopify_json/orders.json")["orders"],
        *read("shopify_gofix/orders.json")["orders"],
    ]
    product = read("shopify_json/product.json")["product"]
    serve(server, products=[product], customers=customers, orders=orders)
    assert counts(Shopify) == {
        "products": {"read": 4, "created": 4},
        "customers": {"read": 2, "created": 2},
        "orders": {"read": 2, "created": 2},
    }
    for row in customers:
        stored = Customer.objects.get(email=row["email"])
        address = row["default_address"]
        assert (stored.first_name, stored.last_name) == (row["first_name"], row["last_name"])
        assert stored.phone == (row.get("phone") or address["phone"])
        assert stored.address["street"] == address["address1"]
        assert stored.address["postal_code"] == address["zip"]
    for row in orders:
        stored = Order.objects.get(order_id=row["name"])
        assert stored.order_date == datetime.fromisoformat(row["created_at"]).astimezone(UTC)
        assert stored.total_amount == Decimal(row["total_price"])
        assert stored.subtotal == Decimal(row["total_line_items_price"])
        assert stored.discount_total == Decimal(row["total_discounts"])
        assert stored.payment_status == row["financial_status"]
        assert stored.customer_email == row["email"]
        assert stored.billing_address["name"] == row["billing_address"]["name"]
        lines = [(one.name, one.quantity, one.unit_price) for one in stored.lines.all()]
        assert lines == [
            (one["name"], one["quantity"], Decimal(one["price"]))
            for one in row.get("line_items", ())
        ]
    linked = Order.objects.filter(customer__email="bob.norman@hostmail.com")
    assert [order.order_id for order in linked] == ["#1001"]
    assert Order.objects.get(order_id="#9999").status == "cancelled"
    assert counts(Shopify) == {
        "products": unchanged(4),
        "customers": unchanged(2),
        "orders": unchanged(2),
    }


def test_shopify_order_lines_find_their_variants(server, counts):
    product = read("shopify_json/product.json")["product"]
    order = read("shopify_json/order.json")["order"]
    serve(server, products=[product], orders=[order])
    counts(Shopify)
    skus = {variant["id"]: variant["sku"] for variant in product["variants"]}
    stored = Order.objects.get()
    lines = [(one.product.sku, one.sku) for one in stored.lines.select_related("product")]
    expected = [skus[one["variant_id"]] for one in order["line_items"]]
    assert lines == [(sku, sku) for sku in expected]
    assert len(lines) == 3


# -- best buy --------------------------------------------------------------------------------


def test_bestbuy_recorded_pages(server, counts):
    pages = [read(f"bestbuy_cursor/page{n}.json") for n in (1, 2, 3, 4)]
    by_cursor = {page["request_cursorMark"]: page["response"] for page in pages}

    def answer(request):
        assert request.query["apiKey"] == "bby0123456789"
        return 200, {}, json.dumps(by_cursor[request.query["cursorMark"]], default=float).encode()

    server.answer = answer
    assert counts(BestBuy) == {"products": {"read": 294, "created": 294}}
    assert [unquote(request.path) for request in server.requests] == ["/v1/products"] * 4
    rows = [row for page in pages for row in page["response"]["products"]]
    expected = {(str(row["sku"]), row["name"].strip(), row["salePrice"]) for row in rows}
    assert set(Product.objects.values_list("sku", "name", "price")) == expected
    assert counts(BestBuy) == {"products": unchanged(294)}


def test_bestbuy_recorded_openbox(server, counts):
    def answer(request):
        return 200, {}, (FEEDS / f"bestbuy_openbox/page{request.query['page']}.json").read_bytes()

    server.answer = answer
    assert counts(BestBuy, source="openbox") == {"products": {"read": 124, "created": 124}}
    assert len(server.requests) == 2
    rows = [row for n in (1, 2) for row in read(f"bestbuy_openbox/page{n}.json")["results"]]
    for row in rows:
        stored = Product.objects.get(sku=row["sku"])
        assert (stored.price, stored.compare_at_price) == (
            row["prices"]["current"],
            row["prices"]["regular"],
        )
        assert [offer["condition"] for offer in stored.attributes["offers"]] == [
            offer["condition"] for offer in row["offers"]
        ]
        assert "apiKey" not in stored.url
    assert counts(BestBuy, source="openbox") == {"products": unchanged(124)}
