"""Every record read is counted exactly once, as what became of it."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.models import Product, RunStatus, StreamState, SyncIssue, SyncLink
from tests.sync.conftest import product

pytestmark = pytest.mark.django_db


def test_new_records_are_created(shop):
    shop.rows = {"products": [product(1), product(2)]}
    assert shop.counts() == {"read": 2, "created": 2}
    assert set(Product.objects.values_list("sku", flat=True)) == {"SKU-1", "SKU-2"}


def test_the_same_feed_again_changes_nothing(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    before = list(Product.objects.order_by("pk").values())
    assert shop.counts() == {"read": 2, "unchanged": 2}
    assert list(Product.objects.order_by("pk").values()) == before


def test_a_full_run_compares_values_and_finds_them_equal(shop):
    shop.rows = {"products": [product(1, price="290.00")]}
    shop.sync()
    shop.rows = {"products": [product(1, price="290")]}
    assert shop.counts(full=True) == {"read": 1, "unchanged": 1}


def test_another_spelling_of_the_same_values_is_unchanged_and_then_known(
    shop, django_assert_max_num_queries
):
    shop.rows = {"products": [product(1, price="290.00", color="red", size="L")]}
    shop.sync()
    stored = Product.objects.values().get()
    row = product(1, price="290", size="L", color="red")
    shop.rows = {"products": [dict(reversed(row.items()))]}
    assert shop.counts() == {"read": 1, "unchanged": 1}
    assert Product.objects.values().get() == stored


def test_a_changed_record_is_updated_and_its_version_counted_up(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    old = Product.objects.get(sku="SKU-1")
    shop.rows = {"products": [product(1, price="12.00"), product(2)]}
    assert shop.counts() == {"read": 2, "updated": 1, "unchanged": 1}
    new = Product.objects.get(sku="SKU-1")
    assert (new.pk, str(new.price), new.version) == (old.pk, "12.0000", old.version + 1)
    assert new.updated_at > old.updated_at
    assert new.created_at == old.created_at


def test_what_the_feed_does_not_carry_is_left_alone(shop):
    shop.rows = {"products": [product(1, brand="Acme")]}
    shop.sync()
    Product.objects.update(description="written here")
    shop.rows = {"products": [product(1, price="11.00")]}
    assert shop.counts() == {"read": 1, "updated": 1}
    row = Product.objects.get()
    assert (row.brand, row.description) == ("Acme", "written here")


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_the_last_copy_of_a_record_wins_wherever_batches_end(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(1), product(2), product(1, price="5"), product(1, price="6")]}
    assert shop.counts() == {"read": 4, "created": 2, "duplicate": 2}
    assert str(Product.objects.get(sku="SKU-1").price) == "6.0000"
    assert shop.counts()["duplicate"] == 2


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_a_repeat_that_changes_an_unchanged_row_makes_it_updated(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(1)]}
    shop.sync()
    shop.rows = {"products": [product(1), product(1, price="5")]}
    assert shop.counts() == {"read": 2, "updated": 1, "duplicate": 1}


def test_a_broken_last_copy_leaves_the_one_before_it_in_force(shop):
    shop.rows = {"products": [product(1, price="5"), product(1, price="no")]}
    assert shop.counts() == {"read": 2, "created": 1, "rejected": 1}
    assert str(Product.objects.get().price) == "5.0000"


def test_rejected_records_make_a_run_partial_and_are_kept_with_their_reason(shop):
    shop.rows = {"products": [product(1), product(2, price="12,50"), product(3)]}
    run = shop.sync()
    assert run.status == RunStatus.PARTIAL
    issue = run.issues.get()
    assert (issue.position, issue.external_id, issue.key) == (2, "2", "SKU-2")
    assert (issue.field, issue.code, issue.excerpt) == ("price", "invalid_decimal", "'12,50'")
    assert Product.objects.count() == 2


def test_a_stream_without_rows_fails_unless_it_may_be_empty(shop):
    shop.rows = {"products": []}
    run = shop.sync()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "feed_empty")


def test_a_row_changed_here_is_brought_back_in_step(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    row = Product.objects.get()
    row.name = "renamed by a person"
    row.save()
    assert shop.counts() == {"read": 1, "updated": 1}
    assert Product.objects.get().name == "Thing 1"


def test_a_row_deleted_here_comes_back(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    Product.objects.all().delete()
    assert SyncLink.objects.count() == 0
    assert shop.counts() == {"read": 1, "created": 1}


def test_a_changed_mapping_reaches_rows_whose_record_did_not_change(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    from dataclasses import replace

    fields = {**shop.streams[0].fields, "description": lambda row: row["title"].upper()}
    shop.streams = [replace(shop.streams[0], fields=fields)]
    assert shop.counts() == {"read": 1, "updated": 1}
    assert Product.objects.get().description == "THING 1"


def test_a_limit_reads_no_more_rows(shop):
    shop.rows = {"products": [product(n) for n in range(1, 8)]}
    assert shop.counts(limit=3) == {"read": 3, "created": 3}


@pytest.mark.parametrize("copies", [0, 1])
def test_statements_do_not_grow_with_the_rows(shop, copies):
    """First load, unchanged, and every row changed: as many statements for 20 rows as for 300."""

    def statements(numbers):
        counted = []
        for price in ("1", "1", "2"):
            shop.rows = {"products": [product(n, price=price) for n in numbers] * (1 + copies)}
            with CaptureQueriesContext(connection) as queries:
                shop.sync()
            counted.append(len(queries))
        return counted

    few = statements(range(1, 21))
    Product.objects.all().delete()
    SyncLink.objects.all().delete()
    StreamState.objects.all().delete()
    assert statements(range(1, 301)) == few


def test_times_are_kept_with_the_row(shop):
    before = dt.datetime.now(dt.UTC)
    shop.rows = {"products": [product(1)]}
    shop.sync()
    row = Product.objects.get()
    assert before <= row.created_at <= dt.datetime.now(dt.UTC)
    assert row.created_at == row.updated_at


COPIES = [
    product(1, price="1"),
    product(2),
    product(1, price="2"),
    product(3),
    product(1, price="3"),
]


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_copies_that_differ_settle_after_the_first_run(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": COPIES}
    assert shop.counts() == {"read": 5, "created": 3, "duplicate": 2}
    before = list(Product.objects.order_by("pk").values())
    links = list(SyncLink.objects.order_by("pk").values("hash", "last_changed_run"))
    for options in ({}, {"dry_run": True}, {"full": True}):
        assert shop.counts(**options) == {"read": 5, "unchanged": 3, "duplicate": 2}
        assert list(Product.objects.order_by("pk").values()) == before
    assert list(SyncLink.objects.order_by("pk").values("hash", "last_changed_run")) == links


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_the_last_of_known_copies_is_applied_at_the_end(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": COPIES}
    shop.sync()
    version = Product.objects.get(sku="SKU-1").version
    shop.rows = {"products": [*COPIES[:4], product(1, price="4")]}
    assert shop.counts(dry_run=True) == {"read": 5, "updated": 1, "unchanged": 2, "duplicate": 2}
    assert shop.counts() == {"read": 5, "updated": 1, "unchanged": 2, "duplicate": 2}
    row = Product.objects.get(sku="SKU-1")
    assert (str(row.price), row.version) == ("4.0000", version + 1)
    shop.rows = {"products": [COPIES[0], COPIES[1], COPIES[3]]}  # only one copy is left
    assert shop.counts() == {"read": 3, "updated": 1, "unchanged": 2}
    assert str(Product.objects.get(sku="SKU-1").price) == "1.0000"


def test_a_broken_last_copy_of_known_ones_is_rejected_once(shop):
    shop.batch_size = 1
    shop.rows = {"products": COPIES}
    shop.sync()
    shop.rows = {"products": [*COPIES[:4], product(1, price="none")]}
    counts = shop.counts()
    assert counts == {"read": 5, "unchanged": 2, "duplicate": 2, "rejected": 1}
    assert str(Product.objects.get(sku="SKU-1").price) == "3.0000"


def test_a_rejected_copy_does_not_come_back_over_a_later_one(shop):
    """It had to wait for its key, which came free at last; but a newer copy had landed by then."""
    shop.batch_size = 1
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    old, new = product(2, sku="SKU-1", price="1"), product(2, price="2")
    shop.rows = {"products": [old, new, product(1, sku="SKU-9")]}
    run = shop.sync()
    assert run.counts_of("products")["rejected"] == run.issues.count() == 1
    assert str(Product.objects.get(sku="SKU-2").price) == "2.0000"


def test_a_copy_that_waits_for_the_last_one_closes_no_issue(shop):
    """A record known to have copies is counted when it is read, and looked at when all is read."""
    shop.rows = {"products": [product(1), product(1, title="New")]}
    shop.sync()
    shop.rows = {"products": [product(1, price="x")]}
    first, second = shop.sync(), shop.sync()
    states = SyncIssue.objects.order_by("run").values_list("run", "state")
    assert list(states) == [(first.pk, "open"), (second.pk, "open")]
    shop.rows = {"products": [product(1, price="7")]}
    shop.sync()
    assert not SyncIssue.objects.filter(state="open").exists()
