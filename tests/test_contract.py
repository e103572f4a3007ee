"""``FeedContract``: good feeds keep it, each bad one breaks the one check that is about it."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds import (
    Bearer,
    CSVFeed,
    Cursor,
    HTTPFeed,
    JSONLinesFeed,
    Keyset,
    Lines,
    LinkHeader,
    MemoryFeed,
    NextURL,
    Offset,
    PageNumber,
    Query,
    Ref,
    Since,
    Stream,
    XMLFeed,
)
from django_ecommerce_sync.feeds.vendors import DummyJSON
from django_ecommerce_sync.testing import FeedContract, Response
from django_ecommerce_sync.testing.answers import RecordedSource
from django_ecommerce_sync.testing.server import Request
from tests import broken_feeds

ROOT = Path(__file__).resolve().parent.parent
BROKEN = {name: kind for name, kind in vars(broken_feeds).items() if hasattr(kind, "breaks")}
PRODUCT = {"sku": "code", "name": "title", "price": "price"}
ROWS = [
    {"id": n, "code": f"TEA-{n}", "title": f"Tea {n}", "price": Decimal(f"{n}.10")}
    for n in range(1, 8)
]


def products(**options):
    return Stream("products", fields=PRODUCT, external_id="id", currency="EUR", **options)


class TestMemory(FeedContract):
    feed = MemoryFeed
    options = {"streams": [products()], "rows": {"products": ROWS}, "page_size": 3}


class TestPageNumbers(FeedContract):
    class feed(HTTPFeed):
        base_url = "https://acme.example/api/"
        auth = Bearer(env="ACME_TOKEN")
        paginator = PageNumber(total_pages="meta.pages", total="header:X-Total")
        streams = [
            products(
                path="items",
                records="data.items",
                since=Since("changed", param="since", overlap="15m"),
            )
        ]

    samples = {"products": [{**row, "changed": "2026-01-02T03:04:05Z"} for row in ROWS]}


@pytest.mark.parametrize(
    "paginator",
    [
        Offset(size=2),
        Offset(total="meta.total"),
        Cursor("after", "meta.next"),
        Cursor("after", "header:X-Next", start="*"),
        NextURL("next"),
        LinkHeader(),
        Keyset("since_id", "id"),
    ],
)
class TestPaginators(FeedContract):
    class feed(HTTPFeed):
        base_url = "https://acme.example/api"
        auth = Query("key", env="ACME_KEY")
        streams = [products(path="items", records="items")]

    samples = {"products": ROWS}

    @pytest.fixture(autouse=True)
    def paged_so(self, paginator, monkeypatch):
        monkeypatch.setattr(self.feed, "paginator", paginator)


class TestCSVRows(FeedContract):
    feed = CSVFeed
    options = {
        "url": "https://acme.example/stock.csv",
        "streams": [products(decimal=",")],
        "delimiter": ";",
    }
    samples = {"products": [{**row, "price": f"{row['id']},10"} for row in ROWS]}


class TestCSVDocument(FeedContract):
    feed = CSVFeed
    options = {"url": "https://acme.example/stock.csv", "streams": [products()]}
    samples = {"products": b"id,code,title,price\n1,T-1,Tea,1.10\n2,T-2,Jug,2.00\n"}


class TestJSONLines(FeedContract):
    feed = JSONLinesFeed
    options = {"url": "https://acme.example/stock.jsonl", "streams": [products()]}
    samples = {"products": ROWS}


class TestXMLDocument(FeedContract):
    feed = XMLFeed
    options = {
        "url": "https://acme.example/stock.xml",
        "streams": [products(records="product")],
    }
    samples = {
        "products": b"<shop><products>"
        b"<product><id>1</id><code>T-1</code><title>Tea</title><price>1.10</price></product>"
        b"<product><id>2</id><code>T-2</code><title>Jug</title><price>2.00</price></product>"
        b"</products></shop>"
    }


class TestOneDocumentOfSeveralStreams(FeedContract):
    class feed(HTTPFeed):
        base_url = "https://acme.example/all.json"
        streams = [
            products(records="products"),
            Stream("customers", records="people", fields={"email": "mail"}),
            Stream(
                "orders",
                records="orders",
                currency="EUR",
                fields={
                    "order_id": "no",
                    "customer": Ref("customers", key="who"),
                    "lines": Lines(
                        "lines",
                        {
                            "product": Ref("products", "product"),
                            "quantity": "n",
                            "unit_price": "price",
                        },
                    ),
                },
            ),
        ]

    samples = {
        "products": ROWS,
        "customers": [{"mail": "ann@example.com"}, {"mail": "bob@example.com"}],
        "orders": [
            {"no": "O-1", "who": "ann@example.com", "lines": [{"product": 1, "n": 2, "price": 1}]}
        ],
    }


class TestRecorded(FeedContract):
    class feed(HTTPFeed):
        base_url = "https://acme.example/api/"
        paginator = LinkHeader()
        streams = [products(path="items", records="items", params={"limit": 2})]

    responses = {
        "items?limit=2": Response(
            b'{"items": [{"id": 1, "code": "A", "title": "Tea", "price": 1.10}]}',
            {"Link": '<https://acme.example/api/items?limit=2&page=2>; rel="next"'},
        ),
        "items?limit=2&page=2": {
            "items": [{"id": 2, "code": "B", "title": "Jug", "price": "2.00"}]
        },
    }


class TestDummyJSON(FeedContract):
    feed = DummyJSON
    samples = {
        "products": [
            {"id": n, "sku": f"S-{n}", "title": "Tea", "price": 9.99, "stock": n} for n in (1, 2, 3)
        ],
        "customers": [
            {
                "id": n,
                "email": f"ann{n}@example.com",
                "firstName": "Ann",
                "password": "secret",
                "address": {"city": "Oslo", "coordinates": {"lat": 1.5}},
            }
            for n in (1, 2)
        ],
        "orders": [
            {
                "id": n,
                "userId": 1,
                "total": 19.98,
                "discountedTotal": 17.980000000000004,
                "products": [
                    {
                        "id": 1,
                        "title": "Tea",
                        "price": 9.99,
                        "quantity": 2,
                        "total": 19.98,
                        "discountedTotal": 17.98,
                    }
                ],
            }
            for n in (1, 2)
        ],
    }


class RecordedFeed(HTTPFeed):
    """Where the answers below were recorded."""

    base_url = "https://acme.example/api/"
    streams = [products(path="items", records="items")]


@pytest.fixture
def recorded(tmp_path):
    """What a source answers that was recorded into a folder, by address."""
    (tmp_path / "items.json").write_text(
        '{"next": "https:\\/\\/acme.example\\/api\\/items?page=2"}'
    )
    (tmp_path / "items@page=2").write_text("second")
    (tmp_path / "items@page=2&size=1.json").write_text("small")
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "all.csv").write_text("people")
    source = RecordedSource(RecordedFeed(), tmp_path, RecordedFeed.base_url)
    source.url = "http://127.0.0.1:1"
    return lambda target: source(Request(target, {}))


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/api/items", b'{"next": "http:\\/\\/127.0.0.1:1\\/api\\/items?page=2"}'),
        ("/api/items?since=2026", b'{"next": "http:\\/\\/127.0.0.1:1\\/api\\/items?page=2"}'),
        ("/api/items?page=2", b"second"),
        ("/api/items?key=x&page=2", b"second"),
        ("/api/items?size=1&page=2", b"small"),
        ("/api/people/all", b"people"),
        ("/api/people/all.csv", b"people"),
    ],
)
def test_a_folder_answers_with_what_fits_best(recorded, target, body):
    assert recorded(target).body == body


def test_what_was_not_recorded_is_not_found(recorded):
    assert recorded("/api/orders").status == 404


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="no recorded answers"):
        RecordedSource(RecordedFeed(), tmp_path, RecordedFeed.base_url)


def snippet(containing):
    """The Python of the how-to with that text in it."""
    page = (ROOT / "docs" / "how-to" / "custom-feed.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if containing in block)
    return found


#: The feeds of the how-to, and the test it shows of the first of them.
DOCUMENTED = {}
exec(snippet("class AcmeFeed"), DOCUMENTED)
exec(snippet("class LegacyFeed"), DOCUMENTED)
exec(snippet("class TestAcme").replace("from shop.feeds import AcmeFeed\n", ""), DOCUMENTED)
TestDocumented = DOCUMENTED["TestAcme"]


class TestDocumentedByHand(FeedContract):
    feed = DOCUMENTED["LegacyFeed"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What the contract says of each broken feed: class → check → sentence."""
    report = tmp_path_factory.mktemp("contract") / "report.xml"
    module = Path(broken_feeds.__file__)
    options = ["-q", "-p", "no:cacheprovider", "-o", f"python_files={module.name}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", str(module)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:"},
        capture_output=True,
        check=False,
    )
    found = defaultdict(dict)
    for case in ET.parse(report).iter("testcase"):
        for complaint in (*case.iter("failure"), *case.iter("error")):
            kind = case.get("classname").rpartition(".")[2]
            found[kind][case.get("name")] = complaint.text
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_feed_fails_the_checks_that_are_about_it_and_no_other(verdicts, name):
    assert sorted(verdicts[name]) == sorted(BROKEN[name].breaks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "check"), [(name, check) for name, kind in BROKEN.items() for check in kind.breaks]
)
def test_the_sentence_says_what_is_wrong_without_a_traceback(verdicts, name, check):
    said = verdicts[name][check]
    assert BROKEN[name].breaks[check] in said
    assert "Traceback" not in said
    assert ".py:" not in said
    assert not said[0].islower()
    assert said.rstrip()[-1] in ".?"


def test_every_check_has_a_feed_that_fails_it():
    checks = {name for name in dir(FeedContract) if name.startswith("test_")}
    broken = {check.partition("[")[0] for kind in BROKEN.values() for check in kind.breaks}
    assert sorted(checks - broken) == []
    assert len(checks) >= 12


def test_every_check_is_described():
    page = (ROOT / "docs" / "reference" / "testing.md").read_text()
    described = re.findall(r"^\| `(test_\w+)` \|", page, re.MULTILINE)
    assert sorted(described) == [name for name in dir(FeedContract) if name.startswith("test_")]


def test_the_contract_is_for_pytest_and_the_rest_is_not():
    """Where pytest is not installed, only ``FeedContract`` asks for it."""
    code = """
import sys
sys.modules["pytest"] = None
import django
django.setup()
from django_ecommerce_sync.testing import MemoryFeed
try:
    from django_ecommerce_sync.testing import FeedContract
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (
        done.stdout == "FeedContract is for pytest: install pytest and pytest-django to use it.\n"
    )


def test_an_unknown_name_is_no_part_of_the_module():
    with pytest.raises(ImportError):
        from django_ecommerce_sync.testing import FeedContrct  # noqa: F401
