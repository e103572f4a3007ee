"""Oscar: its two APIs, paged as REST framework does it, and the importer's file."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds import Basic
from django_ecommerce_sync.feeds.vendors import DjangoOscar
from django_ecommerce_sync.models import Customer, Order, Product

CANARY = "canary"
ADDRESS = {
    "id": 3,
    "title": CANARY,
    "first_name": "Ann",
    "last_name": "Bee",
    "line1": "1 High Street",
    "line2": "",
    "line4": "Leeds",
    "state": "",
    "postcode": "LS1",
    "phone_number": "0113",
    "notes": CANARY,
    "search_text": CANARY,
}


class Shop:
    """The shop's side: staff credentials, pages of ten with ``next``, lists with addresses."""

    def __init__(self, server, monkeypatch):
        monkeypatch.setenv("OSCAR_PASSWORD", "p4ss")
        self.server = server
        self.root = f"{server.url}/api/"
        self.page_size = 10
        self.lists = {"admin/products/": [], "admin/users/": [], "admin/orders/": []}
        self.objects = {}
        server.answer = self.answer

    def answer(self, request):
        path = request.path.removeprefix("/api/")
        staff = "Basic " + base64.b64encode(b"robot:p4ss").decode()
        if path.startswith("admin/") and request.headers.get("Authorization") != staff:
            return 403, {}, b'{"detail": "no"}'
        if path in self.objects:
            return 200, {}, json.dumps(self.objects[path]).encode()
        if path not in self.lists:
            return 404, {}, b'{"detail": "Not found."}'
        return 200, {}, json.dumps(self.page(path, int(request.query.get("page", 1)))).encode()

    def page(self, path, number):
        rows = self.lists[path]
        if not self.page_size:
            return rows
        end = number * self.page_size
        following = f"{self.root}{path}?page={number + 1}" if end < len(rows) else None
        found = rows[end - self.page_size : end]
        return {"count": len(rows), "next": following, "previous": None, "results": found}

    def add_product(self, number, *, records=1, parts=("admin/products/",), **values):
        """A product with stock records 10 × its number + 1, 2, …"""
        row = {
            "url": f"{self.root}{parts[0]}{number}/",
            "id": number,
            "upc": f"978316148{number:04}",
            "title": f"Book {number}",
            "description": "<p>Good</p>",
            "structure": "standalone",
            "is_public": True,
            "parent": None,
            "categories": ["Books > Fiction", "Sale"],
            "product_class": "book",
            "images": [{"original": f"https://cdn.example/{number}.jpg", "caption": CANARY}],
            "attributes": [
                {"name": "Pages", "value": 300, "code": "pages"},
                {"name": "File", "value": {"secret": CANARY}, "code": "file"},
            ],
            "meta_description": CANARY,
            "stockrecords": [stock_record(10 * number + n) for n in range(1, records + 1)],
            **values,
        }
        self.lists.setdefault(parts[0], []).append(row)
        return row

    def add_user(self, number, email):
        self.lists["admin/users/"].append(
            {
                "url": f"{self.root}admin/users/{number}/",
                "username": CANARY,
                "email": email,
                "date_joined": CANARY,
                "password": CANARY,
            }
        )

    def add_order(self, number, lines, **values):
        path = f"admin/orders/{number}/lines/"
        self.lists[path] = lines
        order = {
            "number": str(100000 + number),
            "basket": CANARY,
            "url": f"{self.root}admin/orders/{number}/",
            "lines": f"{self.root}{path}",
            "owner": f"{self.root}users/5/",
            "billing_address": None,
            "shipping_address": {**ADDRESS, "country": f"{self.root}countries/GB/"},
            "currency": "GBP",
            "total_incl_tax": "34.00",
            "total_excl_tax": "29.00",
            "shipping_incl_tax": "6.00",
            "shipping_excl_tax": "5.00",
            "shipping_method": CANARY,
            "status": "Being processed",
            "email": "ann@example.com",
            "date_placed": "2026-02-01T10:00:00.123000Z",
            "payment_url": CANARY,
            "surcharges": [],
            "voucher_discounts": [{"code": CANARY}],
            **values,
        }
        self.lists["admin/orders/"].append(order)

    def line(self, record, **values):
        """Three pieces at 9.00 each, less 3.00, and 4.00 tax."""
        return {
            "url": CANARY,
            "product": f"{self.root}products/{record // 10}/",
            "stockrecord": f"{self.root}products/{record // 10}/stockrecords/{record}/",
            "quantity": 3,
            "price_currency": "GBP",
            "price_excl_tax": "24.00",
            "price_incl_tax": "28.00",
            "price_excl_tax_excl_discounts": "27.00",
            "price_incl_tax_excl_discounts": "31.00",
            "attributes": [{"value": CANARY}],
            **values,
        }


def stock_record(number, **values):
    return {
        "id": number,
        "product": number // 10,
        "partner": 1,
        "partner_sku": f"SKU-{number}",
        "price_currency": "GBP",
        "price": "9.99",
        "num_in_stock": 7,
        "num_allocated": 2,
        "low_stock_threshold": CANARY,
        **values,
    }


@pytest.fixture
def shop(server, monkeypatch):
    return Shop(server, monkeypatch)


@pytest.fixture
def options(shop):
    auth = Basic("robot", env="OSCAR_PASSWORD")
    return {"url": shop.root, "auth": auth, "allow_private_addresses": True}


# -- the admin API ---------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", [10, 0])
def test_a_whole_shop_with_and_without_pages(counts, shop, options, rows, page_size):
    shop.page_size = page_size
    for number in range(1, 24):
        shop.add_product(number, records=2)
        shop.add_user(number, f"c{number}@example.com")
    for number in range(1, 13):
        shop.add_order(number, [shop.line(10 * number + 1)])
    assert counts(DjangoOscar, **options) == {
        "products": {"read": 46, "created": 46},
        "customers": {"read": 23, "created": 23},
        "orders": {"read": 12, "created": 12},
    }
    assert Order.objects.get(order_id="100012").lines.get().product.sku == "SKU-121"
    before = rows()
    assert counts(DjangoOscar, **options) == {
        "products": {"read": 46, "unchanged": 46},
        "customers": {"read": 23, "unchanged": 23},
        "orders": {"read": 12, "unchanged": 12},
    }
    assert rows() == before


def test_a_stock_record(counts, shop, options):
    shop.add_product(4, parent=f"{shop.root}admin/products/2/", structure="child")
    counts(DjangoOscar, **options)
    stored = Product.objects.get()
    assert (stored.sku, stored.name, stored.description) == ("SKU-41", "Book 4", "<p>Good</p>")
    assert (stored.price, stored.currency) == (Decimal("9.99"), "GBP")
    assert (stored.inventory_count, stored.reserved_count) == (7, 2)
    assert (stored.availability, stored.status) == ("in_stock", "active")
    assert (stored.gtin, stored.group_key) == ("9783161480004", "2")
    assert stored.category == "Books > Fiction"
    assert stored.image_url == "https://cdn.example/4.jpg"
    assert stored.attributes == {
        "upc": "9783161480004",
        "product_class": "book",
        "categories": ["Books > Fiction", "Sale"],
        "options": {"Pages": 300},
    }


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"num_in_stock": 2}, "availability", "out_of_stock"),
        ({"num_in_stock": None, "num_allocated": None}, "availability", "in_stock"),
        ({"price_excl_tax": "5.00", "price": None}, "price", Decimal("5")),
    ],
)
def test_what_stock_records_may_say(counts, shop, options, values, field, expected):
    shop.add_product(1, stockrecords=[stock_record(11, **values)])
    counts(DjangoOscar, **options)
    assert getattr(Product.objects.get(), field) == expected


def test_any_text_may_be_a_upc(counts, shop, options):
    shop.add_product(1, upc="the-longest-code-of-the-shop", is_public=False)
    counts(DjangoOscar, **options)
    stored = Product.objects.get()
    assert (stored.gtin, stored.status) == ("", "draft")
    assert stored.attributes["upc"] == "the-longest-code-of-the-shop"


def test_parents_are_nothing_to_buy(counts, shop, options):
    shop.add_product(1, structure="parent", stockrecords=[])
    shop.add_product(2, structure="child")
    assert counts(DjangoOscar, **options)["products"] == {"read": 1, "created": 1}


def test_an_order(counts, shop, options):
    shop.add_product(1)
    shop.add_user(5, "c5@example.com")
    wrap = {"name": "Wrapping", "code": CANARY, "excl_tax": "0.00", "incl_tax": "0.00"}
    shop.add_order(1, [shop.line(11)], surcharges=[wrap])
    counts(DjangoOscar, **options)
    stored = Order.objects.get()
    assert (stored.order_id, stored.status) == ("100001", "processing")
    assert stored.customer.email == "c5@example.com"
    assert (stored.customer_email, stored.customer_name) == ("ann@example.com", "Ann Bee")
    assert stored.order_date == datetime(2026, 2, 1, 10, 0, 0, 123000, tzinfo=UTC)
    assert (stored.subtotal, stored.discount_total) == (Decimal("27"), Decimal("3"))
    assert (stored.shipping_total, stored.tax_total) == (Decimal("5"), Decimal("5"))
    assert stored.total_amount == Decimal("34")
    parts = stored.shipping_total + stored.tax_total - stored.discount_total
    assert stored.subtotal + parts == stored.total_amount
    assert stored.billing_address == {}
    assert stored.shipping_address == {
        "first_name": "Ann",
        "last_name": "Bee",
        "line1": "1 High Street",
        "city": "Leeds",
        "postal_code": "LS1",
        "phone_number": "0113",
        "country": "GB",
    }
    sold, wrapping = stored.lines.all()
    assert (sold.product.sku, sold.sku, sold.name) == ("SKU-11", "SKU-11", "Book 1")
    assert (sold.quantity, sold.unit_price) == (3, Decimal("9"))
    assert (sold.discount_amount, sold.tax_amount) == (Decimal("3"), Decimal("4"))
    assert sold.line_total == Decimal("24")
    assert (wrapping.name, wrapping.product) == ("Wrapping", None)


def test_the_lines_of_an_order_may_have_pages(counts, shop, options):
    shop.add_product(1)
    shop.add_order(1, [shop.line(11, url=f"{n}") for n in range(25)])
    counts(DjangoOscar, **options)
    assert Order.objects.get().lines.count() == 25


def test_guests_and_products_that_are_gone(counts, shop, options):
    shop.add_product(1)
    shop.add_user(5, "ann@example.com")
    gone = shop.line(991, stockrecord=None)
    shop.add_order(1, [gone], owner=None)
    shop.add_order(2, [shop.line(991)], owner=None, email="", guest_email="eve@example.com")
    assert counts(DjangoOscar, **options)["orders"] == {"read": 2, "created": 2}
    found = Order.objects.order_by("order_id").values_list("customer__email", "customer_email")
    assert list(found) == [
        ("ann@example.com", "ann@example.com"),
        (None, "eve@example.com"),
    ]


def test_the_shops_own_statuses_are_named_or_rejected(counts, shop, options):
    shop.add_product(1)
    shop.add_order(1, [shop.line(11)], status="Packed")
    assert counts(DjangoOscar, **options)["orders"] == {"read": 1, "rejected": 1}
    found = counts(DjangoOscar, order_statuses={"Packed": "processing"}, **options)
    assert found["orders"] == {"read": 1, "created": 1}


def test_nothing_is_kept_that_the_mapping_does_not_name(sync, shop, options, traces):
    shop.add_product(1)
    shop.add_product(2, stockrecords=[stock_record(21, price="abc")])
    shop.add_user(5, "ann@example.com")
    shop.add_user(6, "no address")
    shop.add_order(1, [shop.line(11)])
    shop.add_order(2, [shop.line(11, quantity="many")])
    run = sync(DjangoOscar, **options)
    assert run.issues.count() == 3
    assert Customer.objects.count() == Order.objects.count() == 1
    found = traces()
    assert CANARY not in found
    assert "p4ss" not in found


@pytest.mark.parametrize("in_a_list", [False, True])
def test_addresses_of_another_host_are_not_followed(sync, shop, options, other_server, in_a_list):
    elsewhere = f"{other_server.url}/stockrecords/1/"
    shop.add_product(1, stockrecords=[elsewhere] if in_a_list else elsewhere)
    assert sync(DjangoOscar, **options).error_code == "foreign_next_url"
    assert other_server.requests == []


# -- the public API --------------------------------------------------------------------------


def test_the_public_api_has_a_list_of_addresses(counts, shop):
    for number in range(1, 13):
        detail = shop.add_product(number, parts=("details/",))
        path = f"products/{number}/"
        shop.lists[f"{path}stockrecords/"] = detail["stockrecords"]
        shop.objects[path] = {**detail, "stockrecords": f"{shop.root}{path}stockrecords/"}
        brief = {"url": f"{shop.root}{path}", "id": number, "title": detail["title"]}
        shop.lists.setdefault("products/", []).append(brief)
    options = {"url": shop.root, "source": "api", "allow_private_addresses": True}
    assert counts(DjangoOscar, **options) == {"products": {"read": 12, "created": 12}}
    assert Product.objects.get(sku="SKU-121").name == "Book 12"
    asked = [request.path for request in shop.server.requests]
    assert len(asked) == 2 + 12 + 12
    assert counts(DjangoOscar, **options) == {"products": {"read": 12, "unchanged": 12}}


def test_a_list_that_has_everything_needs_no_more_requests(counts, shop):
    shop.add_product(1, parts=("products/",))
    options = {"url": shop.root, "source": "api", "allow_private_addresses": True}
    assert counts(DjangoOscar, **options) == {"products": {"read": 1, "created": 1}}
    assert [request.path for request in shop.server.requests] == ["/api/products/"]


def test_a_product_whose_details_are_no_object_is_rejected_alone(counts, shop):
    shop.lists["products/"] = [{"url": f"{shop.root}products/1/", "id": 1}]
    shop.objects["products/1/"] = ["no object"]
    shop.add_product(2, parts=("products/",))
    options = {"url": shop.root, "source": "api", "allow_private_addresses": True}
    assert counts(DjangoOscar, **options)["products"] == {"read": 2, "created": 1, "rejected": 1}


# -- the importer's file ---------------------------------------------------------------------

BOOK = ["Book", "Books > Fiction", "9780115531446", 'A \\"test\\"', "NULL", "Us", "S-1", "10.32"]


def line(cells, separator=","):
    return separator.join(f'"{cell}"' for cell in cells)


@pytest.fixture
def imported(counts, tmp_path):
    """What a file comes to."""

    def imported(text, **options):
        path = tmp_path / "books.csv"
        path.write_text(text)
        return counts(DjangoOscar, source="csv", url=str(path), **options)["products"]

    return imported


def assert_is_the_book():
    stored = Product.objects.get()
    assert (stored.sku, stored.name, stored.description) == ("S-1", 'A "test"', "")
    assert (stored.price, stored.currency) == (Decimal("10.32"), "GBP")
    assert (stored.inventory_count, stored.gtin) == (6, "9780115531446")
    assert stored.category == "Books > Fiction"
    assert stored.attributes == {
        "upc": "9780115531446",
        "partner": "Us",
        "product_class": "Book",
    }


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_file(imported, separator):
    text = f"{line([*BOOK, '6'], separator)}\n"
    options = {} if separator == "," else {"delimiter": ";"}
    assert imported(text, currency="GBP", **options) == {"read": 1, "created": 1}
    assert_is_the_book()
    assert imported(text, currency="GBP", **options) == {"read": 1, "unchanged": 1}


def test_a_file_with_semicolons_after_its_third_column(imported):
    first = f'Book,Books > Fiction,"9780115531446";{line([*BOOK[3:], "6"], ";")}\n'
    second = 'Book,9780115531446;"T";NULL;"Us";"S-2";"1.00";"6"\n'
    found = imported(first + second, currency="GBP", delimiter=";")
    assert found == {"read": 2, "created": 1, "rejected": 1}
    assert_is_the_book()


def test_stock_that_is_not_counted_says_nothing(imported):
    imported(f"{line([*BOOK, '6'])}\n")
    imported(f"{line([*BOOK, 'NULL'])}\n")
    assert Product.objects.get().inventory_count == 6


def test_rows_without_stock_or_key_are_rejected_alone(imported):
    short = line(BOOK[:5])
    keyless = line([*BOOK[:6], "", "1.00", "1"])
    text = f"{short}\n{keyless}\n{line([*BOOK, '6'])}\n"
    assert imported(text) == {"read": 3, "created": 1, "rejected": 2}


# -- configuration ---------------------------------------------------------------------------


def test_an_unknown_source_is_refused():
    with pytest.raises(ConfigurationError, match="none of: admin, api, csv"):
        DjangoOscar(url="x", source="xml")


def test_a_feed_without_address_is_told():
    assert DjangoOscar().check() == ["DjangoOscar has no url."]
    assert DjangoOscar(url="https://shop.example/api/").check() == []
