"""Two records of one stream that are one row: one of them writes it, whatever the run."""

from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import Since
from django_ecommerce_sync.models import Customer, Product, StreamState, SyncLink, SyncRun
from django_ecommerce_sync.sync.merging import merge, undo
from tests.merging.conftest import customer, picture
from tests.sync.conftest import CUSTOMERS
from tests.sync.conftest import customer as record
from tests.sync.test_ownership import Feeds, stream, thing

pytestmark = pytest.mark.django_db

GOODS = stream("name", "price", "currency", "brand")
STILL = {"read": 2, "unchanged": 2}
SKIPPED = {"read": 2, "unchanged": 1, "skipped": 1}
UPDATED = {"read": 2, "updated": 1, "unchanged": 1}


@pytest.fixture
def shop(shop):
    shop.rows = {
        "customers": [record(1, phone="1"), record(2, first="Anna", phone="2", company="Bee")]
    }
    shop.sync()
    return shop


def rows():
    return list(Customer.objects.order_by("pk"))


def counts(shop, **options):
    return shop.counts("customers", **options)


def told():
    """What the only row says, and whether it was written."""
    row = Customer.objects.get()
    return row.email, row.first_name, row.phone, row.version


def without_runs():
    """Every byte of the tables but what is kept of the runs themselves."""
    tables = picture()
    del tables[StreamState], tables[SyncRun]
    return tables


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("survivor", [0, 1])
def test_full_runs_are_still_and_an_undoing_brings_both_back(shop, batch_size, survivor):
    shop.batch_size = batch_size
    before = without_runs()
    ours, theirs = rows() if survivor == 0 else reversed(rows())
    made = merge(ours, theirs)
    merged = told()
    for _ in range(3):
        assert counts(shop, full=True) == STILL
        assert told() == merged
    undo(made)
    assert without_runs() == before
    assert counts(shop, full=True) == STILL


def test_the_survivors_own_record_has_the_say_once(shop):
    merge(*rows(), choices={"phone": "other"})
    assert counts(shop) == STILL
    assert told()[2] == "2"
    assert counts(shop, full=True) == UPDATED
    assert told()[2] == "1"
    assert counts(shop, full=True) == STILL
    assert counts(shop, full=True) == STILL


def test_what_is_pinned_outlasts_it(shop):
    merge(*rows(), choices={"phone": "other"})
    Customer.objects.update(pinned=["phone"])
    for _ in range(3):
        assert counts(shop, full=True) == {"read": 2, "unchanged": 1, "skipped": 1}
        assert told()[2] == "2"


def test_another_mapping_reaches_the_row_by_one_record(shop):
    merge(*rows())
    fields = {**CUSTOMERS.fields, "company": "company"}
    shop.streams = [replace(CUSTOMERS, fields=fields)]
    shop.rows["customers"][0]["company"] = "Ann Ltd"
    assert counts(shop) == {"read": 2, "updated": 1, "skipped": 1}
    assert Customer.objects.get().company == "Ann Ltd"
    assert counts(shop) == counts(shop, full=True) == STILL


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_merged_record_that_changes_is_skipped_once(shop, dry_run):
    merge(*rows())
    before = told()
    shop.rows["customers"][1] |= {"phone": "6", "email": "new@example.com"}
    assert counts(shop, dry_run=dry_run) == SKIPPED
    assert told() == before
    assert counts(shop, full=True) == (SKIPPED if dry_run else STILL)
    assert told() == before


def test_what_it_said_meanwhile_counts_after_an_undoing(shop):
    made = merge(*rows())
    shop.rows["customers"][1]["phone"] = "6"
    assert counts(shop) == SKIPPED
    undo(made)
    assert [row.phone for row in rows()] == ["1", "2"]
    assert counts(shop) == UPDATED
    assert [row.phone for row in rows()] == ["1", "6"]
    assert counts(shop, full=True) == STILL


def test_the_survivors_own_record_goes_on_writing(shop):
    merge(*rows())
    shop.rows["customers"][0]["phone"] = "9"
    assert counts(shop) == UPDATED
    assert told()[2] == "9"
    assert counts(shop, full=True) == STILL


def test_a_persons_edit_is_compared_with_one_record_only(shop):
    merge(*rows())
    row = Customer.objects.get()
    row.phone = "110"
    row.save()
    assert counts(shop) == UPDATED
    assert told()[2] == "1"
    assert counts(shop) == STILL


def test_several_copies_of_a_merged_record_settle(shop):
    shop.batch_size = 1
    shop.rows["customers"].append(record(2, first="Anna", phone="3"))
    counts(shop)
    merge(*rows())
    before = told()
    expected = {"read": 3, "unchanged": 2, "duplicate": 1}
    assert counts(shop) == counts(shop, full=True) == expected
    shop.rows["customers"][2]["phone"] = "4"
    assert counts(shop) == {"read": 3, "unchanged": 1, "skipped": 1, "duplicate": 1}
    assert counts(shop) == counts(shop, full=True) == expected
    assert told() == before


def test_a_record_writes_on_where_the_survivor_has_none(shop):
    own = customer("own@example.com")
    one, two, _ = rows()
    first = merge(own, one)
    shop.rows["customers"][0]["phone"] = "9"
    assert counts(shop) == UPDATED
    second = merge(own, two)
    assert counts(shop, full=True) == STILL
    shop.rows["customers"][1]["phone"] = "6"
    assert counts(shop) == SKIPPED
    assert told()[1:3] == ("Ann", "9")
    undo(second)
    undo(first)
    counts(shop)
    assert [row.phone for row in rows()[:2]] == ["9", "6"]
    assert set(SyncLink.objects.values_list("merged_row", flat=True)) == {None}


def test_of_three_records_one_writes_and_each_undoing_frees_one(shop):
    shop.rows["customers"].append(record(3, phone="3"))
    shop.sync()
    before = without_runs()
    one, two, three = rows()
    first, second = merge(two, three), merge(one, two)
    assert counts(shop, full=True) == {"read": 3, "unchanged": 3}
    assert told()[2] == "1"
    undo(second)
    assert counts(shop, full=True) == {"read": 3, "unchanged": 3}
    assert [row.phone for row in rows()] == ["1", "2"]
    undo(first)
    assert without_runs() == before


def test_another_feeds_record_of_the_merged_row_is_no_second_one(shop):
    one, two = rows()
    link = SyncLink.objects.get(object_id=str(two.pk))
    SyncLink.objects.filter(pk=link.pk).update(feed="market")
    merge(one, two)
    assert set(SyncLink.objects.values_list("merged_row", flat=True)) == {None}


def test_a_merged_record_speaks_for_no_field(settings):
    feeds = Feeds(settings)
    goods = [thing(sku="A"), thing(sku="B", brand="X")]
    feeds.add("market", {"products": goods}, GOODS, PRIORITY=5)
    feeds.add("shop", {"products": [thing(sku="A", brand="Y")]}, GOODS)
    feeds.run("market")
    feeds.run("shop")
    one, two = Product.objects.order_by("sku")
    merge(one, two)
    feeds.rows("shop")[0]["brand"] = "Z"
    assert feeds.counts("shop") == {"read": 1, "updated": 1}
    assert Product.objects.get().brand == "Z"


def test_a_merged_record_that_stands_in_speaks_for_its_fields(settings):
    feeds = Feeds(settings)
    goods = [thing(sku="A", name="One"), thing(sku="B", name="Two")]
    feeds.add("market", {"products": goods}, GOODS, PRIORITY=5)
    feeds.add("shop", {"products": [thing(sku="A", name="Ours")]}, GOODS)
    feeds.run("market")
    feeds.run("shop")
    merge(*Product.objects.order_by("sku"))
    del goods[0]
    feeds.run("market")
    feeds.run("market")
    assert feeds.counts("shop", full=True) == {"read": 1, "unchanged": 1}
    assert Product.objects.get().name == "Two"


def test_a_merged_record_keeps_what_it_lacks(settings):
    feeds = Feeds(settings)
    feeds.add("market", {"products": [thing(sku="A"), thing(sku="B")]}, GOODS)
    feeds.run("market")
    merge(*Product.objects.order_by("sku"))
    feeds.rows("market")[1]["price"] = "11.00"
    assert feeds.counts("market") == {"read": 2, "unchanged": 1, "skipped": 1}
    assert set(SyncLink.objects.values_list("lacks", flat=True)) == {"brand"}


def test_a_merged_record_stands_in_where_the_survivors_own_is_gone(shop):
    merge(*rows())
    own = shop.rows["customers"].pop(0)
    shop.rows["customers"][0]["phone"] = "6"
    assert counts(shop) == {"read": 1, "skipped": 1}  # until its end the other may still come
    assert counts(shop) == {"read": 1, "updated": 1}
    assert told()[:3] == ("c2@example.com", "Anna", "6")
    assert counts(shop) == counts(shop, full=True) == {"read": 1, "unchanged": 1}
    shop.rows["customers"].insert(0, own)
    shop.rows["customers"][1]["phone"] = "7"
    assert counts(shop) == {"read": 2, "updated": 1, "skipped": 1}
    assert told()[:3] == ("c1@example.com", "Ann", "1")
    assert counts(shop) == counts(shop, full=True) == STILL


def test_where_records_tell_their_time_the_older_are_skipped_as_ever(shop):
    shop.streams = [replace(CUSTOMERS, since=Since("changed"), max_shrink=1)]
    ours, theirs = shop.rows["customers"]
    ours["changed"] = theirs["changed"] = "2026-05-02T00:00:00Z"
    assert counts(shop) == STILL
    merge(*rows())
    before = told()
    theirs |= {"phone": "6", "changed": "2026-05-03T00:00:00Z"}
    assert counts(shop, full=True) == SKIPPED
    assert counts(shop, full=True) == STILL
    theirs |= {"phone": "5", "changed": "2026-05-01T00:00:00Z"}
    assert counts(shop, full=True) == SKIPPED
    assert told() == before
    theirs |= {"phone": "6", "changed": "2026-05-03T00:00:00Z"}
    ours |= {"phone": "9", "changed": "2026-05-03T00:00:00Z"}
    run = shop.sync(full=True).counts_of("customers")
    assert (run["updated"], run["rejected"]) == (1, 0)
    assert told()[2] == "9"
    assert counts(shop, full=True) == STILL


def test_what_a_limited_run_has_not_met_is_not_gone(shop):
    merge(*rows())
    shop.rows["customers"].reverse()
    shop.rows["customers"][0]["phone"] = "6"
    assert counts(shop, limit=1) == {"read": 1, "skipped": 1}
    shop.rows["customers"][0]["phone"] = "7"
    assert counts(shop, limit=1) == {"read": 1, "skipped": 1}
    assert told()[2] == "1"
