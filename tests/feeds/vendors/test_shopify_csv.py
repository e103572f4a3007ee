"""Shopify's CSV exports: products with rows for pictures, orders with a row for each line."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_ecommerce_sync.feeds.vendors import Shopify
from django_ecommerce_sync.models import Customer, Order, Product

from .acme import CANARY

PRODUCT_COLUMNS = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,"
    "Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Grams,"
    "Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
    "Variant Fulfillment Service,Variant Price,Variant Compare At Price,Variant Barcode,Image Src,"
    "Image Position,Image Alt Text,SEO Title,Variant Image,Cost per item,Status"
).split(",")
CUSTOMER_COLUMNS = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
    "Default Address Address1,Default Address Address2,Default Address City,"
    "Default Address Province Code,Default Address Country Code,Default Address Zip,"
    "Default Address Phone,Phone,Total Spent,Note,Tags"
).split(",")
ORDER_COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,"
    "Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem sku,Lineitem discount,Billing Name,Billing Street,Billing Address1,Billing Address2,"
    "Billing Company,Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,"
    "Shipping Name,Shipping Address1,Shipping City,Shipping Zip,Shipping Province,Shipping Country,"
    "Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,Id,Tags,Phone"
).split(",")

#: What the first row of a product says for all of them.
SOCK = {
    "Handle": "sock",
    "Title": "Sock, warm",
    "Body (HTML)": "<p>Warm,\nsoft</p>",
    "Vendor": "Acme",
    "Type": "Things",
    "Tags": "Wool, Winter",
    "Option1 Name": "Color",
    "Option2 Name": "Size",
    "SEO Title": CANARY,
    "Status": "active",
}
RED = {
    "Option1 Value": "Red",
    "Option2 Value": "S",
    "Variant SKU": "SOCK-R",
    "Variant Inventory Tracker": "shopify",
    "Variant Inventory Qty": "5",
    "Variant Inventory Policy": "deny",
    "Variant Price": "4.10",
    "Variant Compare At Price": "5.50",
    "Variant Barcode": "'0012345678905",
    "Image Src": "https://cdn.example/a.jpg",
    "Image Alt Text": CANARY,
    "Cost per item": CANARY,
}
BLUE = {
    "Handle": "sock",
    "Option1 Value": "Blue",
    "Option2 Value": "M",
    "Variant Inventory Tracker": "shopify",
    "Variant Inventory Qty": "0",
    "Variant Inventory Policy": "continue",
    "Variant Price": "4.25",
    "Variant Image": "https://cdn.example/b.jpg",
    "Image Src": "https://cdn.example/b.jpg",
}
PICTURE = {"Handle": "sock", "Image Src": "https://cdn.example/c.jpg", "Image Position": "3"}
BOARD = {
    "Handle": "board",
    "Title": "Board",
    "Option1 Name": "Title",
    "Option1 Value": "Default Title",
    "Variant SKU": "BOARD",
    "Variant Price": "99",
    "Status": "draft",
}
PRODUCTS = [{**SOCK, **RED}, BLUE, PICTURE, PICTURE, BOARD, {**PICTURE, "Handle": "board"}]

CUSTOMERS = [
    {
        "Customer ID": "'207119551",
        "First Name": "Ann",
        "Last Name": "Bee",
        "Email": "Ann@Example.com",
        "Default Address Company": "Bee Ltd",
        "Default Address Address1": "'t Hof 1",
        "Default Address Address2": "achter",
        "Default Address City": "'s-Gravenhage",
        "Default Address Country Code": "NL",
        "Default Address Zip": "'2511",
        "Phone": "'+31555",
        "Total Spent": CANARY,
        "Note": CANARY,
        "Tags": CANARY,
    },
    {"Customer ID": "'3", "First Name": "Phone", "Default Address Phone": "'+31666"},
]
ORDERS = [
    {
        "Name": "#1001",
        "Email": "ann@example.com",
        "Financial Status": "paid",
        "Paid at": "2026-03-02 10:00:01 -0500",
        "Fulfillment Status": "fulfilled",
        "Currency": "GBP",
        "Subtotal": "15.05",
        "Shipping": "5.00",
        "Taxes": "2.00",
        "Total": "22.10",
        "Discount Code": CANARY,
        "Discount Amount": "1.20",
        "Created at": "2026-03-02 10:00:00 -0500",
        "Lineitem quantity": "3",
        "Lineitem name": "Sock, warm - Red / S",
        "Lineitem price": "4.00",
        "Lineitem sku": "SOCK-R",
        "Lineitem discount": "1.20",
        "Billing Name": "Ann B. Bee",
        "Billing Street": CANARY,
        "Billing Address1": "1 High Street",
        "Billing Address2": "Flat 2",
        "Billing City": "Louisville",
        "Billing Zip": "'40202",
        "Billing Province": "KY",
        "Billing Country": "US",
        "Shipping Name": "Cee",
        "Shipping City": "Paris",
        "Notes": "Ring twice",
        "Note Attributes": CANARY,
        "Payment Method": CANARY,
        "Payment Reference": CANARY,
        "Id": "450789469",
        "Phone": CANARY,
    },
    {
        "Name": "#1001",
        "Email": "ann@example.com",
        "Lineitem quantity": "1",
        "Lineitem name": "Gone",
        "Lineitem price": "4.25",
        "Lineitem sku": "GONE",
        "Lineitem discount": "0.00",
    },
    {"Name": "#1001", "Email": "ann@example.com", "Payment Reference": CANARY},
]
COLUMNS = {"products": PRODUCT_COLUMNS, "customers": CUSTOMER_COLUMNS, "orders": ORDER_COLUMNS}
FILES = {"products": PRODUCTS, "customers": CUSTOMERS, "orders": ORDERS}


def text(name, rows):
    """The rows as a file of that name has them."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS[name])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.fixture
def written(tmp_path):
    """Write the files of some streams; the options that make the feed read them."""

    def written(**rows):
        files = {}
        for name, found in rows.items():
            path = files[name] = tmp_path / f"{name}_export.csv"
            path.write_text(text(name, found), newline="", encoding="utf-8")
        return {"source": "csv", "files": files, "currency": "EUR", "shop": "acme"}

    return written


def test_a_whole_export(written, counts, rows):
    options = written(**FILES)
    assert counts(Shopify, **options) == {
        "products": {"read": 3, "created": 3},
        "customers": {"read": 2, "created": 2},
        "orders": {"read": 1, "created": 1},
    }
    before = rows()
    assert counts(Shopify, **options) == {
        "products": {"read": 3, "unchanged": 3},
        "customers": {"read": 2, "unchanged": 2},
        "orders": {"read": 1, "unchanged": 1},
    }
    assert rows() == before


def test_variants_have_what_the_first_row_says(written, counts):
    counts(Shopify, **written(products=PRODUCTS))
    red, blue, board = Product.objects.order_by("price")
    assert (red.sku, red.name) == ("SOCK-R", "Sock, warm - Red / S")
    assert (red.description, red.brand, red.category) == ("<p>Warm,\nsoft</p>", "Acme", "Things")
    assert (red.price, red.compare_at_price, red.currency) == (
        Decimal("4.1"),
        Decimal("5.5"),
        "EUR",
    )
    assert (red.gtin, red.group_key, red.image_url) == (
        "0012345678905",
        "sock",
        "https://cdn.example/a.jpg",
    )
    assert red.url == "https://acme.myshopify.com/products/sock"
    assert red.attributes == {
        "handle": "sock",
        "tags": ["Wool", "Winter"],
        "options": {"Color": "Red", "Size": "S"},
        "barcode": "0012345678905",
    }
    assert (blue.sku, blue.name, blue.brand) == ("SH-sock/Blue/M", "Sock, warm - Blue / M", "Acme")
    assert (blue.availability, blue.image_url) == ("backorder", "https://cdn.example/b.jpg")
    assert (board.sku, board.name, board.status) == ("BOARD", "Board", "draft")
    assert [one.inventory_count for one in (red, blue)] == [5, 0]
    # What the shop does not count is there.
    assert (board.availability, board.attributes) == ("in_stock", {"handle": "board"})


@pytest.mark.parametrize("pictures", [0, 1, 500])
def test_rows_that_only_add_a_picture_are_no_records(written, counts, pictures):
    got = counts(Shopify, **written(products=[{**SOCK, **RED}, *[PICTURE] * pictures, BLUE]))
    assert got == {"products": {"read": 2, "created": 2}}


def test_variants_stay_themselves_when_their_sku_changes(written, counts):
    counts(Shopify, **written(products=PRODUCTS))
    renamed = {**SOCK, **RED, "Variant SKU": "SOCK-RED"}
    got = counts(Shopify, **written(products=[renamed, BLUE, PICTURE, BOARD]))
    assert got["products"] == {"read": 3, "unchanged": 2, "updated": 1}
    assert Product.objects.count() == 3


def test_variants_whose_first_row_was_lost_are_rejected(written, sync):
    """They would lose title, vendor and description."""
    torn = written(products=PRODUCTS)
    path = torn["files"]["products"]
    path.write_text(path.read_text().replace("Acme,,Things", "Acme,,,,Things", 1))
    run = sync(Shopify, **torn)
    codes = sorted(issue.code for issue in run.issues.all())
    assert (run.status, codes) == ("partial", ["column_count", "required"])
    assert Product.objects.get().sku == "BOARD"


def test_customers_without_the_apostrophes_of_the_export(written, counts):
    counts(Shopify, **written(customers=CUSTOMERS))
    ann = Customer.objects.get(email="ann@example.com")
    assert (ann.first_name, ann.last_name) == ("Ann", "Bee")
    assert (ann.phone, ann.company) == ("+31555", "Bee Ltd")
    # Zip codes and telephone numbers have one in front; Dutch names are spelled that way.
    assert ann.address == {
        "street": "'t Hof 1",
        "street2": "achter",
        "city": "'s-Gravenhage",
        "postal_code": "2511",
        "country": "NL",
    }
    assert Customer.objects.get(email=None).phone == "+31666"


def test_customers_of_former_exports_are_known_by_email(written, counts, tmp_path):
    path = tmp_path / "old.csv"
    path.write_text(
        "First Name,Last Name,Email,Company,Address1,City,Province Code,Country Code,Zip,Phone\n"
        "Ann,Bee,ann@example.com,Bee Ltd,1 High Street,Leeds,,GB,'LS1,'0113\n"
    )
    options = {"source": "csv", "files": {"customers": path}}
    assert counts(Shopify, **options) == {"customers": {"read": 1, "created": 1}}
    ann = Customer.objects.get(email="ann@example.com")
    assert (ann.company, ann.phone) == ("Bee Ltd", "0113")
    assert ann.address == {
        "street": "1 High Street", "city": "Leeds", "postal_code": "LS1", "country": "GB",
    }  # fmt: skip


def test_an_order_is_made_of_its_rows(written, counts):
    counts(Shopify, **written(**FILES))
    stored = Order.objects.get()
    assert (stored.order_id, stored.currency, stored.status) == ("#1001", "GBP", "shipped")
    assert (stored.customer.email, stored.customer_name) == ("ann@example.com", "Ann B. Bee")
    assert stored.order_date == datetime(2026, 3, 2, 15, tzinfo=UTC)
    # 3 × 4.00 + 1 × 4.25; the export's own subtotal is less the discount.
    assert (stored.subtotal, stored.discount_total) == (Decimal("16.25"), Decimal("1.2"))
    assert (stored.shipping_total, stored.tax_total, stored.total_amount) == (
        5,
        2,
        Decimal("22.1"),
    )
    assert stored.billing_address == {
        "name": "Ann B. Bee",
        "street": "1 High Street",
        "street2": "Flat 2",
        "city": "Louisville",
        "state": "KY",
        "postal_code": "40202",
        "country": "US",
    }
    assert stored.shipping_address == {"name": "Cee", "city": "Paris"}
    assert (stored.payment_status, stored.fulfillment_status) == ("paid", "fulfilled")
    assert stored.note == "Ring twice"
    lines = stored.lines.select_related("product")
    assert [(one.sku, one.name) for one in lines] == [
        ("SOCK-R", "Sock, warm - Red / S"),
        ("GONE", "Gone"),
    ]
    assert [(one.product and one.product.sku, one.unit_price, one.line_total) for one in lines] == [
        ("SOCK-R", Decimal(4), Decimal("10.8")),
        (None, Decimal("4.25"), Decimal("4.25")),
    ]


def test_an_order_of_nobody_we_know_keeps_what_it_says(written, counts):
    counts(Shopify, **written(orders=ORDERS))
    stored = Order.objects.get()
    assert (stored.customer, stored.customer_email) == (None, "ann@example.com")


def test_an_order_whose_first_row_was_lost_is_rejected(written, sync):
    """It would have a line less, and totals made of the rest."""
    torn = written(orders=[*ORDERS, {**ORDERS[0], "Name": "#1002", "Id": "2"}])
    path = torn["files"]["orders"]
    path.write_text(path.read_text().replace("paid,2026", "paid,,2026", 1))
    run = sync(Shopify, **torn)
    issues = {issue.code: issue.field for issue in run.issues.all()}
    assert issues == {"column_count": "", "required": "total_amount"}
    assert Order.objects.get().order_id == "#1002"


def test_nothing_is_kept_that_nobody_named(written, sync, traces):
    torn = {**BOARD, "Handle": "torn", "Variant Price": "x", "Cost per item": CANARY}
    run = sync(Shopify, **written(**{**FILES, "products": [*PRODUCTS, torn]}))
    assert run.issues.get().field == "price"
    assert CANARY not in traces()


def test_an_export_over_http(server, counts):
    body = text("products", PRODUCTS).encode()
    server.answer = lambda request: (200, {"Content-Type": "text/csv"}, body)
    files = {"products": f"{server.url}/products_export.csv"}
    assert counts(Shopify, source="csv", files=files)["products"]["created"] == 3
    assert len(server.requests) == 1
