"""Real shops' data, end to end: each row in the database against a plain reading of the source.

The data lies outside the repository, in the folder ECS_FEEDS or ../shared/feeds; where it is
missing these tests are skipped, but not in CI.
"""

import csv
import json
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command

from django_ecommerce_sync.feeds import (
    Archive,
    Attributes,
    Const,
    CSVFeed,
    Cursor,
    First,
    HTTPFeed,
    JSONFeed,
    JSONLinesFeed,
    Lines,
    Money,
    Number,
    PageNumber,
    Ref,
    Stream,
    Text,
)
from django_ecommerce_sync.feeds.vendors import DummyJSON, GoogleMerchant
from django_ecommerce_sync.models import (
    OUTCOMES,
    Customer,
    Order,
    OrderLine,
    Product,
    SyncIssue,
    SyncLink,
    SyncRun,
)
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


def money(value, places=2):
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")


@pytest.fixture
def sync(settings):
    """Configure a feed, run it, and check that its counts add up."""

    def sync(backend, alias="real", allow_shrink=False, **options):
        feed = {"BACKEND": backend, "OPTIONS": options}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {alias: feed}}
        run, _ = request_run(alias, allow_shrink=allow_shrink)
        run = execute(run.pk)
        assert not run.error_code, run.error
        for counts in run.counts.values():
            assert counts["read"] == sum(counts[name] for name in OUTCOMES)
        return run

    return sync


def counts(run, stream="products"):
    return {name: n for name, n in run.counts_of(stream).items() if n}


def state():
    """Every synced row as it is, with the time it was last touched."""
    models = (Product, Customer, Order, OrderLine)
    return [list(model.objects.order_by("pk").values()) for model in models]


def assert_second_pass_is_still(sync, *args, **options):
    before = state()
    run = sync(*args, **options)
    for stream in run.counts:
        c = run.counts_of(stream)
        assert (c["created"], c["updated"]) == (0, 0)
    assert state() == before
    return run


# -- dummyjson -------------------------------------------------------------------------------


def dummyjson(server):
    tables = {f"/{name}": read(f"dummyjson/{name}.json") for name in ("products", "users", "carts")}

    def answer(request):
        rows = tables[request.path]
        skip, limit = int(request.query.get("skip", 0)), int(request.query.get("limit", 30))
        page = {request.path[1:]: rows[skip : skip + limit], "total": len(rows), "skip": skip}
        return 200, {"Content-Type": "application/json"}, json.dumps(page, default=float).encode()

    server.answer = answer
    return tables


def test_dummyjson(sync, server, caplog):
    tables = dummyjson(server)
    caplog.set_level("DEBUG")
    options = {"base_url": server.url, "allow_private_addresses": True}
    run = sync(DummyJSON, **options)
    assert counts(run) == {"read": 194, "created": 194}
    assert counts(run, "customers") == {"read": 208, "created": 208}
    assert counts(run, "orders") == {"read": 208, "created": 208}

    for row in tables["/products"]:
        stored = Product.objects.get(sku=row["sku"])
        assert (stored.name, stored.price) == (row["title"].strip(), row["price"])
        assert (stored.brand, stored.inventory_count) == (row.get("brand", ""), row["stock"])
    assert Product.objects.filter(brand="").count() == 92
    users = {row["id"]: row["email"] for row in tables["/users"]}
    skus = {row["id"]: row["sku"] for row in tables["/products"]}
    assert set(Customer.objects.values_list("email", flat=True)) == set(users.values())
    twice = 0
    for cart in tables["/carts"]:
        stored = Order.objects.select_related("customer").get(order_id=str(cart["id"]))
        assert stored.customer.email == users[cart["userId"]]
        assert stored.total_amount == money(cart["discountedTotal"])
        lines = [
            (line.product.sku, line.quantity) for line in stored.lines.select_related("product")
        ]
        assert lines == [(skus[line["id"]], line["quantity"]) for line in cart["products"]]
        twice += len({sku for sku, _ in lines}) < len(lines)
    assert twice == 12
    assert_second_pass_is_still(sync, DummyJSON, **options)
    _assert_no_secrets(tables["/users"], caplog.text)


def _assert_no_secrets(users, log):
    """No password, social security number or bank account in any table or log line."""
    models = (Product, Customer, Order, OrderLine, SyncRun, SyncIssue, SyncLink)
    dump = json.dumps([list(model.objects.values()) for model in models], default=str) + log
    for user in users:
        bank = user["bank"]
        for secret in (
            user["ssn"],
            user["password"],
            bank["cardNumber"],
            bank["iban"],
            user["ein"],
        ):
            assert str(secret) not in dump


def test_dummyjson_from_the_command_line(sync, server, capsys):
    dummyjson(server)
    sync(DummyJSON, base_url=server.url, allow_private_addresses=True)
    call_command("ecommerce_sync", "run", "real", "--format", "json")
    (result,) = json.loads(capsys.readouterr().out)
    assert result["status"] == "succeeded"
    assert result["streams"]["orders"]["unchanged"] == 208


def test_all_194_skus_renamed_overnight_are_the_same_products(sync, tmp_path):
    rows = read("dummyjson/products.json")
    fields = {"sku": "sku", "name": "title", "price": "price"}
    path = tmp_path / "products.json"
    options = {"url": str(path), "stream": "products", "external_id": "id", "fields": fields}
    path.write_text(json.dumps(rows, default=float))
    sync(JSONFeed, **options)
    path.write_text(json.dumps([{**r, "sku": r["sku"][::-1]} for r in rows], default=float))
    assert counts(sync(JSONFeed, **options)) == {"read": 194, "updated": 194}
    assert Product.objects.count() == 194


# -- bestbuy ---------------------------------------------------------------------------------


def test_bestbuy_cursor_ends_although_its_cursor_never_does(sync, server):
    pages = [read(f"bestbuy_cursor/page{n}.json") for n in (1, 2, 3, 4)]
    by_cursor = {page["request_cursorMark"]: page["response"] for page in pages}

    def answer(request):
        return 200, {}, json.dumps(by_cursor[request.query["cursorMark"]], default=float).encode()

    server.answer = answer
    stream = Stream(
        "products",
        records="products",
        paginator=Cursor("cursorMark", "nextCursorMark", start="*"),
        fields={"sku": "sku", "name": "name", "price": "salePrice"},
    )
    options = {"base_url": server.url, "streams": [stream], "allow_private_addresses": True}
    assert counts(sync(HTTPFeed, **options)) == {"read": 294, "created": 294}
    assert len(server.requests) == 4
    for row in (row for page in pages for row in page["response"]["products"]):
        stored = Product.objects.get(sku=str(row["sku"]))
        assert (stored.name, stored.price) == (row["name"].strip(), row["salePrice"])
    assert_second_pass_is_still(sync, HTTPFeed, **options)


def test_bestbuy_openbox_numbered_pages_with_nested_values(sync, server):
    def answer(request):
        return 200, {}, (FEEDS / f"bestbuy_openbox/page{request.query['page']}.json").read_bytes()

    server.answer = answer
    stream = Stream(
        "products",
        records="results",
        paginator=PageNumber("page", total_pages="metadata.page.total"),
        fields={
            "sku": "sku",
            "name": "names.title",
            "price": "prices.current",
            "compare_at_price": "prices.regular",
        },
    )
    options = {"base_url": server.url, "streams": [stream], "allow_private_addresses": True}
    assert counts(sync(HTTPFeed, **options)) == {"read": 124, "created": 124}
    assert len(server.requests) == 2
    rows = [row for n in (1, 2) for row in read(f"bestbuy_openbox/page{n}.json")["results"]]
    assert sum(Product.objects.values_list("price", flat=True)) == sum(
        row["prices"]["current"] for row in rows
    )


# -- single documents ------------------------------------------------------------------------


def test_typesense_products_by_the_number_in_their_image(sync):
    def number(row):
        return re.search(r"/(\d+)[^/]*$", row["image"])[1]

    fields = {"sku": number, "name": "name", "price": "price", "brand": "brand"}
    options = {
        "url": str(FEEDS / "typesense/ecommerce.json"),
        "stream": "products",
        "fields": fields,
    }
    assert counts(sync(JSONFeed, **options)) == {"read": 3291, "created": 3291}
    expected = {
        (number(row), row["name"].strip(), money(row["price"], 4))
        for row in read("typesense/ecommerce.json")
    }
    assert set(Product.objects.values_list("sku", "name", "price")) == expected
    assert_second_pass_is_still(sync, JSONFeed, **options)


@pytest.mark.parametrize(("casefold", "created"), [(False, 3229), (True, 3227)])
def test_typesense_products_by_their_names(sync, casefold, created):
    options = {
        "url": str(FEEDS / "typesense/ecommerce.json"),
        "stream": "products",
        "casefold": casefold,
        "fields": {"sku": "name", "name": "name", "price": "price"},
    }
    run = sync(JSONFeed, **options)
    assert counts(run) == {"read": 3291, "created": created, "duplicate": 3291 - created}
    assert_second_pass_is_still(sync, JSONFeed, **options)


GCP = {
    "stream": "products",
    "external_id": "id",
    "fields": {
        "sku": "id",
        "name": "title",
        "price": Money("priceInfo.price", currency="priceInfo.currencyCode"),
        "availability": "availability",
        "brand": "brands.0",
        "inventory_count": "availableQuantity",
    },
}


def test_gcp_retail(sync):
    run = sync(JSONLinesFeed, url=str(FEEDS / "gcp_retail/products.json"), **GCP)
    assert counts(run) == {"read": 316, "created": 316}
    assert sum(Product.objects.values_list("price", flat=True)) == Decimal("8056.07")
    assert_second_pass_is_still(
        sync, JSONLinesFeed, url=str(FEEDS / "gcp_retail/products.json"), **GCP
    )
    run = sync(JSONLinesFeed, url=str(FEEDS / "gcp_retail/products_some_invalid.json"), **GCP)
    assert counts(run) == {"read": 3, "unchanged": 2, "rejected": 1}
    assert run.issues.get().code == "invalid_choice"


def test_mevlana_two_versions(sync):
    first, second = sorted((FEEDS / "mevlana").glob("*.xml"))
    assert counts(sync(GoogleMerchant, url=str(first))) == {"read": 216, "created": 216}
    run = sync(GoogleMerchant, url=str(second))
    assert counts(run) == {"read": 218, "created": 2, "updated": 216}
    g = "{http://base.google.com/ns/1.0}"
    expected = {}
    for item in ET.parse(second).iter("item"):
        amount, currency = item.find(f"{g}price").text.split()
        expected[item.find(f"{g}id").text] = (Decimal(amount), currency)
    stored = {
        sku: (price, cur)
        for sku, price, cur in Product.objects.values_list("sku", "price", "currency")
    }
    assert {sku: stored[sku] for sku in expected} == expected
    assert_second_pass_is_still(sync, GoogleMerchant, url=str(second))


def test_mevlana_archives_what_went_and_asks_about_most_of_it(sync, tmp_path):
    first, second = sorted((FEEDS / "mevlana").glob("*.xml"))
    archiving = {"missing": Archive(max_ratio=0.1)}
    assert counts(sync(GoogleMerchant, url=str(first), **archiving))["created"] == 216
    run = sync(GoogleMerchant, url=str(second), **archiving)
    assert counts(run) == {"read": 218, "created": 2, "updated": 216}

    run = sync(GoogleMerchant, url=str(first), **archiving)
    assert counts(run) == {"read": 216, "updated": 216, "archived": 2}

    whole = ET.parse(first)
    channel = whole.find("channel")
    kept = channel.findall("item")[::10]
    for item in channel.findall("item"):
        if item not in kept:
            channel.remove(item)
    tenth = tmp_path / "tenth.xml"
    whole.write(tenth)
    run = sync(GoogleMerchant, url=str(tenth), **archiving)
    assert (run.status, run.counts_of("products")["archived"]) == ("partial", 0)
    assert run.issues.get().code == "needs_attention"
    assert Product.objects.filter(archived_at=None).count() == 216
    assert sync(GoogleMerchant, url=str(tenth), **archiving).status == "partial"

    run = sync(GoogleMerchant, url=str(tenth), allow_shrink=True, **archiving)
    assert run.counts_of("products")["archived"] == 216 - len(kept)


# -- orders ----------------------------------------------------------------------------------


def test_chinook_customers_invoices_and_lines(sync, tmp_path):
    tables = read("chinook/ChinookData.json")
    lines = defaultdict(list)
    for line in tables["InvoiceLine"]:
        lines[line["InvoiceId"]].append(line)
    invoices = [{**row, "lines": lines[row["InvoiceId"]]} for row in tables["Invoice"]]
    nested = tmp_path / "invoices.json"
    nested.write_text(json.dumps(invoices, default=float))
    (tmp_path / "ChinookData.json").symlink_to(FEEDS / "chinook/ChinookData.json")
    streams = [
        Stream(
            "products",
            path="ChinookData.json",
            records="Track",
            fields={"sku": Text("TrackId"), "name": "Name", "price": "UnitPrice"},
        ),
        Stream(
            "customers",
            path="ChinookData.json",
            records="Customer",
            external_id="CustomerId",
            fields={"email": "Email", "first_name": "FirstName", "last_name": "LastName"},
        ),
        Stream(
            "orders",
            path="invoices.json",
            fields={
                "order_id": Text("InvoiceId"),
                "customer": Ref("customers", "CustomerId"),
                "order_date": "InvoiceDate",
                "total_amount": "Total",
                "lines": Lines(
                    "lines",
                    {
                        "product": Ref("products", "TrackId"),
                        "unit_price": "UnitPrice",
                        "quantity": "Quantity",
                    },
                ),
            },
        ),
    ]
    run = sync(JSONFeed, url=str(tmp_path), streams=streams)
    assert counts(run, "customers") == {"read": 59, "created": 59}
    assert counts(run, "orders") == {"read": 412, "created": 412}
    assert OrderLine.objects.count() == 2240
    assert Customer.objects.filter(email="stanisław.wójcik@wp.pl").exists()
    emails = {row["CustomerId"]: row["Email"].lower() for row in tables["Customer"]}
    expected = {
        (str(row["InvoiceId"]), emails[row["CustomerId"]], money(row["Total"], 4))
        for row in tables["Invoice"]
    }
    assert set(Order.objects.values_list("order_id", "customer__email", "total_amount")) == expected
    for order in Order.objects.prefetch_related("lines"):
        assert sum(line.line_total for line in order.lines.all()) == order.subtotal
    assert_second_pass_is_still(sync, JSONFeed, url=str(tmp_path), streams=streams)


def test_northwind_customers_without_email(sync):
    def line_discount(line):
        return money(line["unitPrice"] * line["quantity"] * line["discount"], 4)

    streams = [
        Stream(
            "products",
            path="products.json",
            external_id="productID",
            fields={"sku": Text("productID"), "name": "name", "price": "unitPrice"},
        ),
        Stream(
            "customers",
            path="customers.json",
            external_id="customerID",
            fields={
                "company": "companyName",
                "phone": "address.phone",
                "address": Attributes(city="address.city", code="address.postalCode"),
            },
        ),
        Stream(
            "orders",
            path="orders.json",
            fields={
                "order_id": Text("orderID"),
                "customer": Ref("customers", "customerID"),
                "order_date": "orderDate",
                "shipping_total": "freight",
                "lines": Lines(
                    "details",
                    {
                        "product": Ref("products", "productID"),
                        "unit_price": "unitPrice",
                        "quantity": "quantity",
                        "discount_amount": line_discount,
                    },
                ),
            },
        ),
    ]
    run = sync(JSONFeed, url=str(FEEDS / "northwind_json"), streams=streams)
    assert counts(run, "customers") == {"read": 91, "created": 91}
    assert counts(run, "orders") == {"read": 830, "created": 830}
    assert counts(run) == {"read": 77, "created": 77}
    assert Customer.objects.filter(email=None).count() == 91
    orders = read("northwind_json/orders.json")
    companies = {
        row["customerID"]: row["companyName"] for row in read("northwind_json/customers.json")
    }
    for row in orders:
        stored = Order.objects.select_related("customer").get(order_id=str(row["orderID"]))
        assert stored.customer.company == companies[row["customerID"]].strip()
        net = sum(
            (line["unitPrice"] * line["quantity"] - line_discount(line) for line in row["details"]),
            Decimal(0),
        )
        assert stored.total_amount == net + row["freight"]
    assert_second_pass_is_still(sync, JSONFeed, url=str(FEEDS / "northwind_json"), streams=streams)


def uci_streams(path):
    def customer(row):
        return row["CustomerID"].removesuffix(".0")

    def status(row):
        return "cancelled" if row["InvoiceNo"].startswith("C") else "completed"

    products = {"sku": "StockCode", "name": "Description", "price": "UnitPrice"}
    return [
        Stream("products", path=path, fields=products),
        Stream(
            "customers",
            path=path,
            external_id=customer,
            fields={"address": Attributes(country="Country")},
        ),
        Stream(
            "orders",
            path=path,
            group_by="InvoiceNo",
            currency="GBP",
            fields={
                "order_id": "InvoiceNo",
                "customer": Ref("customers", customer),
                "order_date": "InvoiceDate",
                "status": status,
                "lines": Lines(
                    "rows",
                    {
                        "product": Ref("products", "StockCode"),
                        "quantity": "Quantity",
                        "unit_price": "UnitPrice",
                    },
                ),
            },
        ),
    ]


def uci_rows(*names):
    rows = []
    for name in names:
        with (FEEDS / "uci_retail" / name).open(newline="", encoding="utf-8") as lines:
            rows += csv.DictReader(lines)
    return rows


def test_uci_retail_first_day(sync):
    name = "2010-12-01.csv"
    run = sync(CSVFeed, url=str(FEEDS / "uci_retail"), streams=uci_streams(name))
    rows = uci_rows(name)
    nobody = sum(not row["CustomerID"] for row in rows)
    assert counts(run) == {"read": 3108, "created": 1351, "duplicate": 3108 - 1351}
    assert run.counts_of("customers")["created"] == 98
    assert run.counts_of("customers")["rejected"] == nobody
    assert counts(run, "orders") == {"read": 143, "created": 143}
    order = Order.objects.get(order_id="536365")
    assert (order.lines.count(), order.total_amount) == (7, Decimal("139.12"))
    assert order.status == "completed"


def test_uci_retail_december(sync):
    names = sorted(path.name for path in (FEEDS / "uci_retail").glob("*.csv"))
    assert len(names) == 20
    for name in names:
        sync(CSVFeed, url=str(FEEDS / "uci_retail"), streams=uci_streams(name))
    rows = uci_rows(*names)
    amounts, lines = defaultdict(Decimal), Counter()
    for row in rows:
        amounts[row["InvoiceNo"]] += Decimal(row["UnitPrice"]) * Decimal(row["Quantity"])
        lines[row["InvoiceNo"]] += 1
    assert Product.objects.count() == len({row["StockCode"] for row in rows})
    assert Customer.objects.count() == len({row["CustomerID"] for row in rows} - {""})
    assert dict(Order.objects.values_list("order_id", "total_amount")) == amounts
    stored = Counter(OrderLine.objects.values_list("order__order_id", flat=True))
    assert stored == lines
    cancelled = Order.objects.filter(status="cancelled")
    assert cancelled.count() == sum(number.startswith("C") for number in amounts)
    assert not OrderLine.objects.filter(order__in=cancelled, quantity__gt=0).exists()


# -- exports with peculiarities --------------------------------------------------------------


def test_spree_has_a_row_for_each_currency(sync):
    fields = {"sku": "sku", "name": "name", "price": Money("price", currency="currency")}
    options = {"url": str(FEEDS / "spree/products.csv"), "stream": "products", "fields": fields}
    run = sync(CSVFeed, **options)
    assert counts(run) == {"read": 211, "created": 123, "duplicate": 88}


def test_oscar_has_no_header_and_blank_keys(sync):
    columns = [
        "class",
        "category",
        "upc",
        "title",
        "description",
        "partner",
        "sku",
        "price",
        "stock",
    ]
    fields = {"sku": "sku", "name": "title", "price": "price", "inventory_count": "stock"}
    name = "oscar/books.essential.csv"
    options = {"url": str(FEEDS / name), "columns": columns, "stream": "products", "fields": fields}
    with (FEEDS / name).open(newline="", encoding="utf-8") as lines:
        rows = [dict(zip(columns, row, strict=True)) for row in csv.reader(lines)]
    blank = sum(not row["sku"].strip() for row in rows)
    run = sync(CSVFeed, **options)
    c = run.counts_of("products")
    assert (c["read"], c["rejected"]) == (len(rows), blank)
    assert c["created"] == len({row["sku"].strip() for row in rows} - {""})


def test_bestbuy_stores_fill_a_model_of_the_host(sync):
    from tests.shop.models import Gadget

    fields = {
        "serial": "id",
        "name": First("name", Const("")),
        "notes": lambda row: json.dumps(row["subCategories"]),
        "specs": Attributes(path="path"),
    }
    stream = Stream("categories", model="shop.Gadget", key="serial", fields=fields)
    options = {"url": str(FEEDS / "bestbuy/categories.json"), "streams": [stream]}
    assert counts(sync(JSONFeed, **options), "categories") == {"read": 4584, "created": 4584}
    assert Gadget.objects.get(serial="pcmcat748300293073").name == ""
    expected = {(row["id"], (row["name"] or "").strip()) for row in read("bestbuy/categories.json")}
    assert set(Gadget.objects.values_list("serial", "name")) == expected
    assert counts(sync(JSONFeed, **options), "categories") == {"read": 4584, "unchanged": 4584}


def test_a_number_with_declared_places_is_rounded():
    assert str(Number("n", places=2).extract({"n": Decimal("99.94999999999999")})) == "99.95"
