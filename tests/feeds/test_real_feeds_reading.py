"""Feeds as they are published; what they must give stands in the README beside them."""

import json
import os
from pathlib import Path

import pytest

from django_ecommerce_sync.feeds import (
    BadRow,
    CSVFeed,
    Cursor,
    HTTPFeed,
    JSONFeed,
    JSONLinesFeed,
    PageNumber,
    Stream,
)
from django_ecommerce_sync.feeds.vendors import DummyJSON, GoogleMerchant

from .reading import codes, rows

FEEDS = Path(os.environ.get("ECS_FEEDS", Path(__file__).resolve().parents[3] / "shared" / "feeds"))


@pytest.fixture(autouse=True)
def _feeds_are_here():
    if not FEEDS.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"The published feeds are missing from {FEEDS}.")
        pytest.skip(f"no published feeds at {FEEDS}")


def test_a_recorded_cursor_api(server):
    pages = {None: "page1"}
    for n in (1, 2, 3, 4):
        document = json.loads((FEEDS / f"bestbuy_cursor/page{n}.json").read_bytes())
        pages[document["request_cursorMark"]] = json.dumps(document["response"]).encode()
    server.answer = lambda request: (200, {}, pages[request.query["cursorMark"]])
    feed = HTTPFeed(
        base_url=server.url,
        paginator=Cursor(param="cursorMark", path="nextCursorMark", start="*", total="total"),
        streams=[Stream("products", records="products", fields={"sku": "sku"})],
    )
    assert len({row["sku"] for row in rows(feed)}) == 294
    assert len(server.requests) == 4


def test_numbered_pages(server):
    server.answer = lambda request: (
        200, {}, (FEEDS / f"bestbuy_openbox/page{request.query['page']}.json").read_bytes()
    )  # fmt: skip
    feed = HTTPFeed(
        base_url=server.url,
        paginator=PageNumber(total_pages="metadata.page.total"),
        streams=[Stream("products", records="results", fields={"sku": "sku"})],
    )
    assert len(rows(feed)) == 124
    assert len(server.requests) == 2


def test_a_test_shop(server):
    def answer(request):
        name = request.path.strip("/")
        every = json.loads((FEEDS / f"dummyjson/{name}.json").read_bytes())
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        page = {name: every[skip : skip + limit], "total": len(every)}
        return 200, {}, json.dumps(page).encode()

    server.answer = answer
    feed = DummyJSON(base_url=server.url)
    found = {stream.name: rows(feed, stream.name) for stream in feed.streams}
    assert {name: len(rows) for name, rows in found.items()} == {
        "products": 194, "customers": 208, "orders": 208,
    }  # fmt: skip
    orders = [feed.stream("orders").map(row) for row in found["orders"]]
    assert all(
        order["total_amount"] == order["subtotal"] - order["discount_total"] for order in orders
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [("01_2025-09-24_590d138c26.xml", 216), ("02_2025-10-04_fd4349fd28.xml", 218)],
)
def test_a_merchant_feed(name, count):
    feed = GoogleMerchant(url=FEEDS / "mevlana" / name)
    values = [feed.streams[0].map(row) for row in rows(feed)]
    assert len(values) == count
    assert {value["currency"] for value in values} == {"TRY"}


def test_json_lines_under_another_name():
    feed = JSONLinesFeed(
        url=FEEDS / "gcp_retail/products.json", stream="products", fields={"sku": "id"}
    )
    assert len(rows(feed)) == 316


@pytest.mark.parametrize(
    "path", sorted((FEEDS / "oscar").glob("books[.-]*[!n].csv")), ids=lambda path: path.name
)
def test_a_csv_file_without_header_whose_rows_are_ragged(path):
    columns = ["kind", "category", "upc", "title", "text", "partner", "sku", "price", "stock"]
    feed = CSVFeed(
        url=path,
        stream="products",
        columns=columns,
        fields={"sku": "sku"},
        escapechar="\\",
    )
    found = codes(rows(feed))
    ragged = 1 if path.name == "books-small.csv" else 0
    assert [row for row in found if isinstance(row, str)] == ["column_count"] * ragged


def test_order_lines_become_orders():
    feed = CSVFeed(
        url=FEEDS / "uci_retail/2010-12-01.csv",
        stream="orders",
        fields={"order_id": "InvoiceNo"},
        group_by="InvoiceNo",
    )
    orders = rows(feed)
    assert len(orders) == 143
    assert {order["InvoiceNo"]: len(order["rows"]) for order in orders}["536365"] == 7


@pytest.mark.parametrize(
    ("path", "records", "count"),
    [
        ("chinook/ChinookData.json", "Customer", 59),
        ("chinook/ChinookData.json", "Invoice", 412),
        ("chinook/ChinookData.json", "InvoiceLine", 2240),
        ("typesense/ecommerce.json", "", 3291),
        ("bestbuy/stores.json", "", 1565),
        ("bestbuy/categories.json", "", 4584),
        ("northwind_json/orders.json", "", 830),
        ("northwind_json/customers.json", "", 91),
        ("northwind_json/products.json", "", 77),
    ],
)
def test_json_documents(path, records, count):
    feed = JSONFeed(url=FEEDS / path, stream="products", fields={"sku": "x"}, records=records)
    found = rows(feed)
    assert len(found) == count
    assert not any(isinstance(row, BadRow) for row in found)


def test_a_csv_export_with_many_columns():
    feed = CSVFeed(url=FEEDS / "spree/products.csv", stream="products", fields={"sku": "sku"})
    found = rows(feed)
    assert len(found) == 211
    assert len({row["sku"] for row in found}) == 123
