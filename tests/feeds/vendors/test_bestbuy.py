"""Best Buy's catalogue, against a server that keeps to its rules."""

import json
import re
from datetime import datetime
from decimal import Decimal
from time import monotonic
from urllib.parse import unquote

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds.vendors import BestBuy
from django_ecommerce_sync.models import Product

KEY = "bby0123456789"
CANARY = "canary"


def product(number, **values):
    """A product with attributes nobody asked for, which say so."""
    return {
        "sku": number,
        "name": f"Canon&#174; - Ink {number}",
        "type": CANARY,
        "longDescription": "Black &amp; white",
        "shortDescription": CANARY,
        "salePrice": 19.99,
        "regularPrice": 19.99,
        "onlineAvailability": True,
        "orderable": "Available",
        "active": True,
        "manufacturer": "Canon",
        "modelNumber": "9184B001",
        "upc": "013803242539",
        "categoryPath": [{"id": "cat00000", "name": "Best Buy"}, {"id": "x", "name": "Ink"}],
        "url": f"https://api.bestbuy.com/click/-/{number}/pdp",
        "image": f"https://img.example/{number}.jpg",
        "color": "Black",
        "condition": "New",
        "itemUpdateDate": "2026-03-01T10:00:00",
        "addToCartUrl": f"https://example.com/{CANARY}",
        "accessories": [{"sku": CANARY}],
        **values,
    }


def opened(number, **values):
    """A product that is sold from opened boxes."""
    return {
        "sku": str(number),
        "names": {"title": f"Book {number}"},
        "descriptions": {"short": "Intel&#174; inside"},
        "prices": {"regular": 1499.99, "current": 1249.99},
        "images": {"standard": f"https://img.example/{number}.jpg"},
        "links": {
            "product": f"https://api.bestbuy.com/v1/products/{number}.json?apiKey={KEY}",
            "web": f"https://api.bestbuy.com/click/-/{number}/pdp",
            "addToCart": f"https://example.com/{CANARY}",
        },
        "customerReviews": {"averageScore": CANARY},
        "offers": [
            {
                "condition": "certified",
                "prices": {"current": 999.99, "regular": 1499.99},
                "listingId": CANARY,
                "sellerId": CANARY,
            }
        ],
        **values,
    }


class Catalogue:
    """Answers as Best Buy does: key, attributes, a cursor that ends by pointing to itself."""

    def __init__(self, server):
        self.products = []
        self.opened = []
        self.partial = False
        self.busy = 0
        self.knows_show = True
        server.answer = self.answer

    def answer(self, request):
        """What it answers; a page has as many products as it was asked for."""
        query = request.query
        if query.get("apiKey") != KEY:
            return (
                403,
                {},
                b'{"errorCode": "403", "errorMessage": "The provided API Key is invalid"}',
            )
        if self.busy:
            self.busy -= 1
            return 503, {"Retry-After": "1"}, b""
        path, _, search = unquote(request.path).partition("(")
        size = int(query["pageSize"])
        assert size <= 100
        if path == "/beta/products/openBox":
            return self._numbered(int(query["page"]), size)
        assert (path, query["format"]) == ("/v1/products", "json")
        return self._by_cursor(query, size, search.removesuffix(")"))

    def _by_cursor(self, query, size, search):
        since = re.search(r"itemUpdateDate>=([-0-9T:]+)", search)
        start = datetime.fromisoformat(since[1]) if since else datetime.min
        rows = [
            row for row in self.products if datetime.fromisoformat(row["itemUpdateDate"]) >= start
        ]
        mark = query["cursorMark"]
        at = 0 if mark == "*" else int(mark.removeprefix("AoII"))
        page = rows[at : at + size]
        if self.knows_show:
            page = [{name: row[name] for name in query["show"].split(",")} for row in page]
        following = f"AoII{at + len(page)}" if page else mark
        found = {
            "nextCursorMark": following,
            "total": len(rows),
            "partial": self.partial,
            "canonicalUrl": f"/v1/products?apiKey={KEY}",
            "products": page,
        }
        return 200, {}, json.dumps(found).encode()

    def _numbered(self, page, size):
        pages = -(-len(self.opened) // size)
        metadata = {
            "resultSet": {"count": len(self.opened)},
            "page": {"current": page, "size": size, "total": pages},
        }
        rows = self.opened[(page - 1) * size : page * size]
        return 200, {}, json.dumps({"metadata": metadata, "results": rows}).encode()


@pytest.fixture
def catalogue(server, monkeypatch):
    monkeypatch.setenv("BESTBUY_API_KEY", KEY)
    return Catalogue(server)


@pytest.fixture
def options(server):
    return {"base_url": server.url, "rate": ""}


def test_a_product(catalogue, options, counts, settings):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "DEFAULT_CURRENCY": "EUR"}
    catalogue.products = [product(1134008, salePrice=14.99)]
    assert counts(BestBuy, **options) == {"products": {"read": 1, "created": 1}}
    stored = Product.objects.get()
    assert (stored.sku, stored.name) == ("1134008", "Canon® - Ink 1134008")
    assert stored.description == "Black & white"
    assert (stored.price, stored.compare_at_price) == (Decimal("14.99"), Decimal("19.99"))
    assert (stored.currency, stored.availability, stored.status) == ("USD", "in_stock", "active")
    assert (stored.brand, stored.mpn, stored.gtin) == ("Canon", "9184B001", "013803242539")
    assert stored.category == "Best Buy > Ink"
    assert stored.url == "https://api.bestbuy.com/click/-/1134008/pdp"
    assert stored.image_url == "https://img.example/1134008.jpg"
    assert stored.attributes == {"color": "Black", "condition": "New"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"compare_at_price": None}),
        ({"regularPrice": None}, {"compare_at_price": None}),
        ({"onlineAvailability": False}, {"availability": "out_of_stock"}),
        ({"orderable": "SoldOut", "onlineAvailability": False}, {"availability": "out_of_stock"}),
        ({"orderable": "PreOrder", "onlineAvailability": False}, {"availability": "preorder"}),
        ({"active": False}, {"status": "archived"}),
        ({"categoryPath": []}, {"category": ""}),
        ({"color": None, "condition": ""}, {"attributes": {}}),
        ({"upc": None, "modelNumber": None}, {"gtin": "", "mpn": ""}),
    ],
)
def test_what_products_say(catalogue, options, counts, values, expected):
    catalogue.products = [product(1, **values)]
    counts(BestBuy, **options)
    stored = Product.objects.get()
    assert {name: getattr(stored, name) for name in expected} == expected


@pytest.mark.parametrize("number", [1, 99, 100, 101, 250])
def test_the_cursor_leads_through_all_pages(server, catalogue, options, counts, number):
    catalogue.products = [product(n) for n in range(1, number + 1)]
    assert counts(BestBuy, **options)["products"] == {"read": number, "created": number}
    marks = [request.query["cursorMark"] for request in server.requests]
    assert (marks[0], len(marks)) == ("*", -(-number // 100) + 1)


def test_a_cursor_that_points_to_itself_is_the_last(server, catalogue, options, counts):
    """Also where the page that says so still has products."""

    def answer(request):
        mark = request.query["cursorMark"]
        products = [product(1)] if mark == "*" else [product(2)]
        body = {"nextCursorMark": "A", "total": 2, "partial": False, "products": products}
        return 200, {}, json.dumps(body).encode()

    server.answer = answer
    assert counts(BestBuy, **options)["products"] == {"read": 2, "created": 2}
    assert len(server.requests) == 2


def test_a_whole_catalogue_twice(server, catalogue, options, counts, rows, no_waiting):
    catalogue.products, catalogue.busy = [product(n) for n in range(1, 251)], 1
    assert counts(BestBuy, **options)["products"] == {"read": 250, "created": 250}
    assert len(no_waiting) == 1
    before = rows()
    assert counts(BestBuy, **options)["products"] == {"read": 250, "unchanged": 250}
    assert rows() == before


def test_requests_keep_to_five_a_second(server, catalogue, counts):
    catalogue.products = [product(n) for n in range(1, 301)]
    times = []
    server.answer = lambda request: times.append(monotonic()) or catalogue.answer(request)
    assert counts(BestBuy, base_url=server.url)["products"]["created"] == 300
    # Two fifths of a second at least: the first's turn may have begun before it.
    assert times[3] - times[0] > 0.35


def test_only_what_changed_is_asked_for(server, catalogue, options, counts):
    catalogue.products = [product(n) for n in range(1, 31)]
    counts(BestBuy, **options, search="type=HardGood")
    assert unquote(server.requests[0].path) == "/v1/products(type=HardGood)"
    catalogue.products += [product(31, itemUpdateDate="2026-03-09T08:00:00")]
    for row in catalogue.products[:20]:
        row["itemUpdateDate"] = "2026-02-01T00:00:00"
    server.requests.clear()
    got = counts(BestBuy, **options, search="type=HardGood")
    assert unquote(server.requests[0].path) == (
        "/v1/products(type=HardGood&itemUpdateDate>=2026-02-28T10:00:00)"
    )
    assert got["products"] == {"read": 11, "created": 1, "unchanged": 10}
    server.requests.clear()
    counts(BestBuy, **options, search="type=HardGood")
    assert unquote(server.requests[0].path).endswith(">=2026-03-08T08:00:00)")


def test_a_page_that_leaves_something_out_moves_no_watermark(server, catalogue, options, counts):
    catalogue.products, catalogue.partial = [product(n) for n in range(1, 31)], True
    assert counts(BestBuy, **options)["products"] == {"read": 30, "created": 30}
    catalogue.partial = False
    server.requests.clear()
    counts(BestBuy, **options)
    assert server.requests[0].path == "/v1/products"


def test_openbox(server, catalogue, options, counts, rows):
    catalogue.opened = [opened(n) for n in range(1, 125)]
    openbox = {**options, "source": "openbox", "search": "categoryId=abcat0501000"}
    assert counts(BestBuy, **openbox)["products"] == {"read": 124, "created": 124}
    assert [unquote(request.path) for request in server.requests] == [
        "/beta/products/openBox(categoryId=abcat0501000)"
    ] * 2
    stored = Product.objects.get(sku="7")
    assert (stored.name, stored.description) == ("Book 7", "Intel® inside")
    assert (stored.price, stored.compare_at_price) == (Decimal("1249.99"), Decimal("1499.99"))
    assert stored.url == "https://api.bestbuy.com/click/-/7/pdp"
    assert stored.attributes == {
        "condition": "open box",
        "offers": [{"condition": "certified", "price": 999.99}],
    }
    before = rows()
    assert counts(BestBuy, **openbox)["products"] == {"read": 124, "unchanged": 124}
    assert rows() == before


@pytest.mark.parametrize("source", ["catalogue", "openbox"])
def test_nothing_is_kept_that_nobody_named(catalogue, options, sync, traces, source):
    catalogue.knows_show = False
    catalogue.products = [product(1), product(2, salePrice=None)]
    catalogue.opened = [opened(1), opened(2, prices={"current": None})]
    run = sync(BestBuy, **options, source=source)
    assert run.counts_of("products")["rejected"] == 1
    left = traces()
    assert CANARY not in left
    assert KEY not in left


def test_a_wrong_key_fails_the_run_and_is_told_nowhere(
    catalogue, options, sync, monkeypatch, traces
):
    monkeypatch.setenv("BESTBUY_API_KEY", "bby-wrong")
    run = sync(BestBuy, **options)
    assert (run.status, run.error_code) == ("failed", "unauthorized")
    assert "bby-wrong" not in traces()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"source": "open_box"}, "BestBuy has no source 'open_box'; did you mean 'openbox'?"),
        ({"search": "sku=1?apiKey=x"}, "it can have no ? or #"),
        ({"key": "x"}, "no option 'key'"),
    ],
)
def test_wrong_options_are_told(options, complaint):
    with pytest.raises(ConfigurationError, match=complaint.replace("?", r"\?")):
        BestBuy(**options)


def test_everything_that_is_mapped_is_asked_for():
    feed = BestBuy()
    (stream,) = feed.streams
    asked = stream.params["show"].split(",")
    assert {path.split(".")[0] for path in stream.paths} <= set(asked)
    assert feed.check() == []
