"""Issues of rejected rows: which row that lands closes which of them."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.feeds import JSONLinesFeed, Stream
from django_ecommerce_sync.models import Product, SyncIssue
from django_ecommerce_sync.sync import execute, request_run, retry

from .conftest import product

pytestmark = pytest.mark.django_db

NAMELESS = {"sku": "", "title": "Thing without", "price": "3.00"}


def open_issues():
    issues = SyncIssue.objects.filter(state="open").order_by("pk")
    return list(issues.values_list("external_id", "position"))


def again(shop, first):
    """Retry what a run rejected."""
    shop.configure()
    run = execute(retry(first)[0].pk)
    assert not run.error_code, run.error
    return run


def stream(**fields):
    names = {"sku": "sku", "name": "title", "price": "price", **fields}
    return Stream("products", fields=names)


# -- records with an id --------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_an_earlier_copy_closes_no_issue_of_a_later_one(shop, batch_size):
    shop.batch_size = batch_size
    for other in (product(9, price="none"), product(2)):
        shop.rows = {"products": [product(1), other, product(1, price="none")]}
        run = shop.sync()
    assert open_issues() == [("9", 2), ("1", 3)]
    assert run.issues.get().state == "open"


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_a_later_copy_closes_the_issue_of_an_earlier_one(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(1, price="none"), product(2), product(1)]}
    shop.sync()
    assert open_issues() == []


def test_what_lands_in_a_later_run_closes_all_issues(shop):
    shop.rows = {"products": [product(1), product(1, price="none")]}
    shop.sync()
    shop.rows = {"products": [product(1)]}
    shop.sync(full=True)
    assert open_issues() == []


def issue_statements(captured):
    statements = [one["sql"].replace("`", "").replace('"', "") for one in captured]
    return [sql for sql in statements if "syncissue.external_id IN" in sql]


def test_issues_are_looked_up_only_for_records_that_have_some(shop):
    shop.batch_size = 2
    shop.rows = {"products": [product(1), product(2), product(3, price="none"), product(4)]}
    shop.sync()
    shop.rows["products"][0]["price"] = "7.00"
    with CaptureQueriesContext(connection) as captured:
        shop.sync()
    assert issue_statements(captured) == []
    shop.rows["products"][2] = product(3)
    with CaptureQueriesContext(connection) as captured:
        shop.sync()
    assert len(issue_statements(captured)) == 2  # older runs' are closed, this run's looked at
    assert open_issues() == []


@pytest.mark.parametrize("most", [0, 1])
def test_more_open_issues_than_can_be_kept_in_mind(shop, monkeypatch, most):
    monkeypatch.setattr("django_ecommerce_sync.sync.rejected._MOST_KNOWN", most)
    bad = [product(number, price="none") for number in (1, 2, 3)]
    shop.rows = {"products": [*bad, product(4)]}
    shop.sync()
    shop.rows = {"products": [*map(product, (1, 2, 3, 4))]}
    shop.sync()
    assert open_issues() == []


# -- rows without one ----------------------------------------------------------------------------


@pytest.fixture
def nameless(shop):
    """A run that has rejected the second of three rows, which has no SKU."""
    shop.streams = [stream()]
    shop.rows = {"products": [product(1), NAMELESS, product(2)]}
    shop.first = shop.sync()
    assert open_issues() == [("", 2)]
    return shop


def test_a_row_that_moved_is_found_again(nameless):
    nameless.streams = [stream(sku=lambda payload: payload["sku"] or "FOUND")]
    nameless.rows["products"] = [product(3), product(1), product(2), NAMELESS]
    run = again(nameless, nameless.first)
    assert Product.objects.get(sku="FOUND").price == 3
    assert (run.counts_of("products")["created"], open_issues()) == (1, [])


def test_another_row_in_its_place_closes_nothing(nameless):
    nameless.rows["products"] = [NAMELESS, product(1), product(2)]
    again(nameless, nameless.first)
    assert ("", 2) in open_issues()
    assert nameless.first.issues.get().state == "open"


def test_a_mended_row_in_its_place_closes_it(nameless):
    nameless.rows["products"] = [product(1), {**NAMELESS, "sku": "NEW"}, product(2)]
    again(nameless, nameless.first)
    assert Product.objects.filter(sku="NEW").exists()
    assert open_issues() == []


def test_it_is_closed_by_any_run_in_which_it_lands(nameless):
    nameless.streams = [stream(sku=lambda payload: payload["sku"] or "FOUND")]
    nameless.rows["products"].reverse()
    nameless.sync()
    assert open_issues() == []


def test_rows_of_several_runs_may_have_stood_in_one_place(nameless):
    nameless.rows["products"][1] = {**NAMELESS, "price": "4.00"}
    nameless.sync()
    nameless.streams = [stream(sku=lambda payload: payload["sku"] or f"FOUND-{payload['price']}")]
    nameless.rows["products"] = [product(1), product(2), NAMELESS, {**NAMELESS, "price": "4.00"}]
    nameless.sync()
    assert open_issues() == []


def test_a_dry_run_closes_nothing(nameless):
    nameless.streams = [stream(sku=lambda payload: payload["sku"] or "FOUND")]
    nameless.sync(dry_run=True)
    assert nameless.first.issues.get().state == "open"


def test_rows_of_a_file_are_found_again(settings, tmp_path):
    file = tmp_path / "feed.jsonl"

    def sync(rows, **fields):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        options = {"url": str(file), "streams": [stream(**fields)]}
        feed = {"BACKEND": JSONLinesFeed, "OPTIONS": options}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": feed}}
        run = execute(request_run("shop")[0].pk)
        assert not run.error_code, run.error

    sync([product(1), NAMELESS])
    assert open_issues() == [("", 2)]
    sync([product(2), product(1), NAMELESS], sku=lambda payload: payload["sku"] or "FOUND")
    assert open_issues() == []


# -- in an ordinary run ------------------------------------------------------------------------


def test_a_mended_row_without_an_id_closes_it_in_an_ordinary_run(shop):
    shop.streams = [stream()]
    shop.rows = {"products": [product(1), product(2, sku=""), product(3)]}
    shop.sync()
    shop.rows["products"][1] = product(2)
    assert shop.sync().status == "succeeded"
    assert Product.objects.count() == 3
    assert SyncIssue.objects.get().state == "resolved"


def test_a_mended_line_closes_it_in_an_ordinary_run(settings, tmp_path):
    file = tmp_path / "feed.jsonl"
    feed = {"BACKEND": JSONLinesFeed, "OPTIONS": {"url": str(file), "streams": [stream()]}}
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": feed}}
    lines = [json.dumps(product(n)) + "\n" for n in (1, 2, 3)]
    for text in (f"{lines[0]}{lines[1][:-4]}\n{lines[2]}", "".join(lines)):
        file.write_text(text)
        run = execute(request_run("shop")[0].pk)
    assert run.status == "succeeded"
    assert Product.objects.count() == 3
    assert SyncIssue.objects.get().state == "resolved"
