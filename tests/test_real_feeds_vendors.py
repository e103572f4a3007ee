"""Vendors' own payloads and files, end to end, against a plain reading of the source.

The data lies outside the repository, in the folder ECS_FEEDS or ../shared/feeds; where it is
missing these tests are skipped, but not in CI.
"""

import csv
import html
import json
import os
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import pytest

from django_ecommerce_sync.feeds import Attributes, CSVFeed
from django_ecommerce_sync.feeds.vendors import DjangoOscar, GoogleMerchant, WooCommerce
from django_ecommerce_sync.models import OUTCOMES, Customer, Order, OrderLine, Product
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


@pytest.fixture
def counts(settings):
    """Configure a feed, run it, and give its counts by stream."""

    def counts(backend, **options):
        feed = {"BACKEND": backend, "OPTIONS": options}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"real": feed}}
        run = execute(request_run("real")[0].pk)
        assert not run.error_code, run.error
        for found in run.counts.values():
            assert found["read"] == sum(found[name] for name in OUTCOMES)
        return {
            stream: {name: n for name, n in run.counts_of(stream).items() if n}
            for stream in run.counts
        }

    return counts


def state():
    """Every synced row as it is, with the time it was last touched."""
    models = (Product, Customer, Order, OrderLine)
    return [list(model.objects.order_by("pk").values()) for model in models]


# -- woocommerce -----------------------------------------------------------------------------

WOO = {
    "products": "woo_docs/products_03.json",
    "variations": "woo_docs/product-variations_02.json",
    "customers": "woo_docs/customers_02.json",
    "orders": "woo_docs/orders_02.json",
}


@pytest.fixture
def woo(counts, server, monkeypatch):
    """The shop of the vendor's documentation."""
    monkeypatch.setenv("WOO_KEY", "ck")
    monkeypatch.setenv("WOO_SECRET", "cs")

    def answer(request):
        body = (FEEDS / WOO[request.path.rpartition("/")[2]]).read_bytes()
        rows = len(json.loads(body))
        return 200, {"X-WP-Total": rows, "X-WP-TotalPages": 1}, body

    server.answer = answer
    options = {"url": server.url, "key_env": "WOO_KEY", "secret_env": "WOO_SECRET"}
    options |= {"currency": "USD", "allow_private_addresses": True}
    return lambda **more: counts(WooCommerce, **options, **more)


def test_woocommerce_as_documented(woo):
    assert woo() == {
        "products": {"read": 2, "created": 1, "rejected": 1},
        "customers": {"read": 2, "created": 2},
        "orders": {"read": 2, "created": 2},
    }
    product = next(row for row in read(WOO["products"]) if row["price"])
    stored = Product.objects.get()
    assert stored.sku == f"WC-{product['id']}"
    assert stored.price == Decimal(product["price"])
    assert stored.description == product["description"].strip()
    assert stored.image_url == product["images"][0]["src"]
    emails = {row["email"] for row in read(WOO["customers"])}
    assert set(Customer.objects.values_list("email", flat=True)) == emails
    for order in read(WOO["orders"]):
        stored = Order.objects.get(order_id=order["number"])
        assert stored.total_amount == Decimal(order["total"])
        parts = stored.shipping_total + stored.tax_total - stored.discount_total
        assert stored.subtotal + parts == stored.total_amount
        assert stored.customer_email == order["billing"]["email"]
        lines = stored.lines.values_list("name", "quantity", "line_total")
        assert list(lines) == [
            (html.unescape(line["name"]), line["quantity"], Decimal(line["total"]))
            for line in order["line_items"]
        ]
    assert {order.customer.email for order in Order.objects.exclude(customer=None)} <= emails
    before = state()
    found = woo()
    assert all(not {"created", "updated"} & set(counted) for counted in found.values())
    assert state() == before


def test_woocommerce_with_variations_and_products_without_price(woo):
    found = woo(variations=True, blank_price="0")
    assert found["products"] == {"read": 2, "created": 2}
    assert found["variations"] == {"read": 2, "created": 2}
    expected = {f"WC-{row['id']}": Decimal(row["price"]) for row in read(WOO["variations"])}
    stored = dict(Product.objects.values_list("sku", "price"))
    assert {sku: stored[sku] for sku in expected} == expected


# -- oscar -----------------------------------------------------------------------------------


def oscar_rows(name):
    with (FEEDS / "oscar" / name).open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines, escapechar="\\"))


@pytest.mark.parametrize(
    "name",
    [
        "books-small.csv",
        "books.computers-in-fiction.csv",
        "books.essential.csv",
        "books.hacking.csv",
    ],
)
def test_oscar_files_for_the_importer(counts, name):
    options = {"source": "csv", "url": str(FEEDS / "oscar" / name), "currency": "GBP"}
    rows = oscar_rows(name)
    whole = {
        row[6]: (row[3].strip(), Decimal(row[7]), int(row[8]), row[1])
        for row in rows
        if len(row) == 9
    }
    outcome = {"read": len(rows), "created": len(whole), "rejected": len(rows) - len(whole)}
    found = counts(DjangoOscar, **options)["products"]
    assert found == {name: n for name, n in outcome.items() if n}
    stored = Product.objects.values_list("sku", "name", "price", "inventory_count", "category")
    assert {sku: tuple(rest) for sku, *rest in stored} == whole
    assert not Product.objects.filter(description="NULL").exists()
    before = state()
    counts(DjangoOscar, **options)
    assert state() == before


def test_oscar_file_with_semicolons(counts):
    name = "books-small-semicolon.csv"
    rows = [
        line.split(",", 2)[2].replace('\\"', "”").split('";')
        for line in (FEEDS / "oscar" / name).read_text(encoding="utf-8").splitlines()
    ]
    url = str(FEEDS / "oscar" / name)
    found = counts(DjangoOscar, source="csv", url=url, delimiter=";", currency="GBP")["products"]
    whole = {row[-2].strip('"'): row[-3].strip('"') for row in rows if len(row) > 4}
    assert found == {"read": 10, "created": len(whole), "rejected": 10 - len(whole)}
    stored = Product.objects.values_list("price", "sku")
    assert {str(price.quantize(Decimal("0.01"))): sku for price, sku in stored} == whole


# -- google merchant -------------------------------------------------------------------------


def test_mevlana_every_attribute(counts):
    path = sorted((FEEDS / "mevlana").glob("*.xml"))[0]
    options = {"url": str(path)}
    assert counts(GoogleMerchant, **options)["products"] == {"read": 216, "created": 216}
    g = "{http://base.google.com/ns/1.0}"
    for item in ET.parse(path).iter("item"):
        said = {element.tag.removeprefix(g): element.text or "" for element in item}
        stored = Product.objects.get(sku=said["id"])
        assert (stored.name, stored.brand) == (said["title"].strip(), said["brand"].strip())
        assert (stored.url, stored.image_url) == (said["link"], said["image_link"])
        assert stored.description == said["description"].strip()
        assert stored.availability == said["availability"].replace(" ", "_")
        assert stored.attributes == {"condition": said["condition"]}
    before = state()
    assert counts(GoogleMerchant, **options)["products"] == {"read": 216, "unchanged": 216}
    assert state() == before


# -- spree -----------------------------------------------------------------------------------


def test_spree_customers(counts):
    path = FEEDS / "spree/customers.csv"
    fields = {
        "email": "email",
        "first_name": "first_name",
        "last_name": "last_name",
        "phone": "phone",
        "company": "company",
        "address": Attributes(street="address1", city="city", postal_code="zip"),
    }
    found = counts(CSVFeed, url=str(path), stream="customers", fields=fields)["customers"]
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert found == {"read": len(rows), "created": len(rows)}
    expected = {(row["email"], row["phone"], row["city"]) for row in rows}
    stored = Customer.objects.values_list("email", "phone", "address")
    assert {(email, phone, address["city"]) for email, phone, address in stored} == expected
