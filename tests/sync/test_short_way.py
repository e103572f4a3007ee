"""A first load goes a short way of its own: to the very rows that the long way leads to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.forms.models import model_to_dict
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import Money, Stream
from django_ecommerce_sync.models import Customer, Order, Product, SyncChange, SyncIssue, SyncLink
from django_ecommerce_sync.sync.clean import UNSAID, FieldsCleaner
from django_ecommerce_sync.sync.columns import ColumnsCleaner, PlainRecords
from django_ecommerce_sync.sync.match import Matcher
from django_ecommerce_sync.sync.target import Target

from .conftest import CUSTOMERS, PRODUCTS, Shop, customer, product

pytestmark = pytest.mark.django_db

TEXTS = st.sampled_from(
    ["Thing", " Thing ", "", "  ", None, 7, "Té", "a\tb", "x\x1fy", "\x1d", "n\x00", "l" * 300, [1]]
)
AMOUNTS = st.sampled_from(
    ["9.90", "12", 12, "0", "-1", "1.23456", "9" * 16, "NaN", None, "", "1e3", "12,50", True]
)
PLAIN = {"title": "Thing", "price": "9.90", "currency": "EUR", "brand": "Acme", "stock": 3}
ROWS = st.fixed_dictionaries(
    {
        "id": st.one_of(st.integers(1, 6), st.sampled_from(["7", "8 ", "é9", "1E+10", "", None])),
        "sku": st.sampled_from(["A", "B", " C", "ç", "D+", "1.23E+05", "", None, 5]),
    },
    optional={
        "title": TEXTS,
        "price": AMOUNTS,
        "currency": st.sampled_from(["EUR", "eur", "XXX", "", None]),
        "brand": TEXTS,
        "stock": st.sampled_from([0, 3, -2, "4", 2**31, 1.5, None, True, "many"]),
        "availability": st.sampled_from(["in stock", "sold_out", "never", None]),
        "color": st.sampled_from(["red", None, 1.5, {"a": ["b", None]}, "NaN", 10**20, ""]),
    },
).map(lambda row: {**PLAIN, **row})


@pytest.fixture(autouse=True)
def with_log(settings):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "CHANGE_LOG": True}


def everything():
    """All that a sync leaves behind, without what is numbered or timed anew each time."""
    unlike = {"id", "created_at", "updated_at"}
    rows = [
        {name: value for name, value in model_to_dict(row).items() if name not in unlike}
        for model, key in ((Product, "sku"), (Customer, "pk"))
        for row in model.objects.order_by(key)
    ]
    keys = {str(row.pk): row.sku for row in Product.objects.all()}
    keys |= {f"c{row.pk}": row.email for row in Customer.objects.all()}
    links = [
        (x.external_id, x.hash, x.repeats, x.lacks, x.missing_since, keys.get(x.object_id))
        for x in SyncLink.objects.order_by("stream", "external_id")
    ]
    issues = SyncIssue.objects.order_by("position", "code")
    changes = sorted(
        (keys.get(x.object_id, ""), x.action, sorted(x.fields)) for x in SyncChange.objects.all()
    )
    return rows, links, list(issues.values_list("position", "external_id", "code")), changes


def forget_everything():
    for model in (Product, Customer, SyncLink, SyncIssue, SyncChange):
        model.objects.all().delete()


def both_ways(shop, monkeypatch, stream="products"):
    """The counts, and all that is left behind, by the short way and by the long one."""
    found = []
    for is_short in (True, False):
        forget_everything()
        with monkeypatch.context() as patch:
            if not is_short:
                patch.setattr(Matcher, "try_short_way", lambda self: None)
            run = shop.sync()
        assert not run.error_code, run.error
        found.append((run.counts_of(stream), run.warnings, everything()))
    return found


@examples(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@example(rows=[{**PLAIN, "id": 1, "sku": "A", "currency": ""}], size=100)
@given(rows=st.lists(ROWS, max_size=12), size=st.sampled_from([1, 3, 100]))
def test_it_leads_where_the_long_way_leads(settings, monkeypatch, rows, size):
    shop = Shop(settings)
    shop.batch_size = size
    shop.rows = {"products": [*rows, product(99)]}
    short, long = both_ways(shop, monkeypatch)
    assert short == long


@examples(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=12))
def test_many_records_are_cleaned_as_each_is_alone(rows):
    target = Target(PRODUCTS, "shop")
    for row, values in zip(rows, PlainRecords(PRODUCTS, target).values(rows), strict=True):
        try:
            alone = target.values(row)
        except RecordError:
            assert values is None
        else:
            assert values == alone


TIMES = [
    "2026-02-28T08:30:00Z",
    "2026-02-28T08:30:00.123Z",
    "2026-02-28T08:30:00.123456Z",
    "2026-02-28T08:30:00+02:00",
    "2026-02-28T08:30:00",
    "2026-02-28",
    " 2026-02-28T08:30:00Z ",
    "2026-02-30T08:30:00Z",
    "2026-02-28T24:00:00Z",
    "٢٠٢٦-02-28T08:30:00Z",
    datetime(2026, 2, 28, tzinfo=UTC),
    1772267400,
    "",
    None,
]


@examples(max_examples=60, deadline=None)
@example(values=TIMES[:3])
@given(values=st.lists(st.sampled_from(TIMES), min_size=1, max_size=4))
def test_many_times_are_cleaned_as_each_is_alone(values):
    cleaner = FieldsCleaner(Order, {"order_date": None})
    columns = ColumnsCleaner(Order, cleaner, decimal=".", casefold=False)
    rows = [{"when": value} for value in values]
    for row, cleaned in zip(rows, columns.clean(rows, ["when"])[0], strict=True):
        try:
            alone = cleaner.clean({"order_date": row["when"]})
        except RecordError:
            assert cleaned is None
        else:
            assert cleaned == (alone.get("order_date", UNSAID),)


@pytest.mark.parametrize("stock", [3, "3", "many", "-1", "٣", " 3", "1" * 19])
def test_one_odd_value_takes_few_with_it(monkeypatch, stock):
    rows = [{"sku": f"S{n}", "stock": str(n)} for n in range(100)]
    rows[41]["stock"] = stock
    stream = Stream("products", fields={"sku": "sku", "inventory_count": "stock"})
    plain = PlainRecords(stream, Target(stream, "shop"))
    alone = [plain.values([row])[0] for row in rows]
    asked = []
    clean = plain.cleaner.cleaner.clean_one
    monkeypatch.setattr(
        plain.cleaner.cleaner, "clean_one", lambda *args: asked.append(args) or clean(*args)
    )
    assert plain.values(rows) == alone
    assert len(asked) <= 8


def test_plain_rows_take_it(shop, monkeypatch):
    matched = []
    usable = Matcher._usable
    monkeypatch.setattr(Matcher, "_usable", lambda *args: matched.append(1) or usable(*args))
    shop.rows = {"products": [product(n, currency="EUR", brand="Acme") for n in range(1, 6)]}
    monkeypatch.setattr(Matcher, "_items", lambda self, rows, *more: iter(_none_of(rows)))
    assert shop.counts() == {"read": 5, "created": 5}


def _none_of(rows):
    assert list(rows) == []
    return []


@pytest.mark.parametrize(
    "stream",
    [
        Stream("products", fields={"sku": "sku", "name": "title", "price": "price"}),
        Stream("products", fields={"sku": "sku", "price": Money("price")}, currency="GBP"),
        Stream("products", fields={"sku": "sku", "price": "price"}, casefold=True),
        Stream(
            "products",
            fields={"sku": "sku", "name": "title", "price": "price", "brand": "brand"},
            policy={"brand": "never", "name": "create"},
        ),
    ],
)
def test_it_knows_what_a_stream_says(shop, monkeypatch, stream):
    shop.streams = [stream]
    shop.rows = {"products": [product(n, brand="Acme") for n in range(1, 4)]}
    shop.rows["products"] += [product(3, sku="sku-3"), product(4, price="9.90 USD")]
    short, long = both_ways(shop, monkeypatch)
    assert short == long


def test_customers_without_an_address_take_the_long_way(shop, monkeypatch):
    shop.streams = [CUSTOMERS]
    shop.rows = {"customers": [customer(1), customer(2, email=None), customer(3, email=" A@B.c ")]}
    short, long = both_ways(shop, monkeypatch, "customers")
    assert short == long
    assert Customer.objects.filter(email=None).count() == 1


@pytest.mark.parametrize("size", [2, 100])
def test_two_records_with_one_key_are_found_out_by_the_tables(shop, monkeypatch, size):
    shop.batch_size = size
    shop.rows = {"products": [*(product(n) for n in range(1, 6)), product(7, sku="SKU-2")]}
    short, long = both_ways(shop, monkeypatch)
    assert short == long
    assert short[0]["rejected"] == 1


def test_copies_are_counted_as_ever(shop, monkeypatch):
    shop.batch_size = 2
    rows = [product(n) for n in range(1, 8)]
    shop.rows = {"products": [*rows, product(2, title="New"), product(2, title="Newer"), rows[0]]}
    short, long = both_ways(shop, monkeypatch)
    assert short == long
    assert (short[0]["created"], short[0]["duplicate"]) == (7, 3)
    assert Product.objects.get(sku="SKU-2").name == "Newer"


@pytest.mark.parametrize("blank", ["", "  ", "\t", "\u00a0"])
def test_blank_text_is_no_json_value(shop, monkeypatch, blank):
    fields = {"sku": "sku", "name": "title", "price": "price", "attributes": "attrs"}
    shop.streams = [Stream("products", fields=fields)]
    shop.rows = {"products": [product(1, attrs=blank), product(2, attrs={"a": 1})]}
    short, long = both_ways(shop, monkeypatch)
    assert short == long
