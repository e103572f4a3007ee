"""The key of a merged row leads to the row that has taken it in, whoever brings it."""

from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import PageRanges, Ref
from django_ecommerce_sync.models import Customer, Merge, Order, Product, SyncIssue, SyncLink
from django_ecommerce_sync.sync import execute, request_run, upsert
from django_ecommerce_sync.sync.merging import expire, merge, undo
from tests.merging.conftest import customer, product
from tests.sync.conftest import ORDERS
from tests.sync.conftest import product as record_of
from tests.sync.test_ownership import stream, thing

pytestmark = pytest.mark.django_db

GOODS = stream("name", "price", "currency")


@pytest.fixture
def merged():
    """A product that another one was merged into: A-1 has taken in A-2."""
    record = merge(product("A-1", name="Lamp"), product("A-2", name="Lamp, too"))
    return Product.objects.get(pk=record.survivor_id), record


def brings(feeds, *rows, feed="second", **options):
    feeds.add(feed, {"products": list(rows)}, GOODS)
    return feeds.counts(feed, **options)


def links(feed="second"):
    found = SyncLink.objects.filter(feed=feed).order_by("external_id")
    return list(found.values_list("external_id", "object_id", "merged_row"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_another_feed_makes_no_duplicate_anew(feeds, merged, dry_run):
    survivor, record = merged
    counts = brings(feeds, thing(sku="A-2", name="Lamp", price="12.00"), dry_run=dry_run)
    assert counts == {"read": 1, "updated": 1}
    assert list(Product.objects.values_list("sku", flat=True)) == ["A-1"]
    if not dry_run:
        assert Product.objects.get().price == 12
        assert links() == [("A-2", str(survivor.pk), record.other_id)]


def test_it_is_no_reason_to_rename_the_row(feeds, merged):
    for price in ("12.00", "13.00"):
        brings(feeds, thing(sku="A-2", price=price))
        assert list(Product.objects.values_list("sku", "price")) == [("A-1", int(float(price)))]


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("first", [1, 2])
def test_of_two_records_of_a_stream_the_row_s_own_writes_it(
    feeds, settings, merged, batch_size, first
):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "BATCH_SIZE": batch_size}
    rows = [thing(sku="A-1", name="Own"), thing(sku="A-2", name="Other")]
    brings(feeds, *(rows if first == 1 else reversed(rows)))
    assert list(Product.objects.values_list("sku", "name")) == [("A-1", "Own")]
    assert [merged_row for *_, merged_row in links()] == [None, merged[1].other_id]
    for _ in range(2):
        assert brings(feeds, *rows, full=True) == {"read": 2, "unchanged": 2}


def test_a_row_that_has_the_key_again_has_it(feeds, merged):
    product("A-2")
    brings(feeds, thing(sku="A-2", name="New"))
    assert sorted(Product.objects.values_list("sku", "name")) == [("A-1", "Lamp"), ("A-2", "New")]


def test_a_key_that_the_survivor_gave_away_leads_to_it_too(feeds):
    record = merge(product("A-1"), product("A-2"), choices={"sku": "other"})
    brings(feeds, thing(sku="A-1", name="Lamp"), thing(sku="A-2", name="Own"))
    assert list(Product.objects.values_list("sku", "name")) == [("A-2", "Own")]
    undo(record)
    brings(feeds, thing(sku="A-1", name="One"), thing(sku="A-2", name="Two"))
    assert sorted(Product.objects.values_list("sku", "name")) == [("A-1", "One"), ("A-2", "Two")]


@pytest.mark.parametrize("expired", [True, False])
def test_it_leads_along_a_chain_of_merges(feeds, merged, expired):
    survivor, _ = merged
    merge(product("A-3"), survivor)
    if expired:
        expire(Merge.objects.latest("pk").merged_at)
    brings(feeds, thing(sku="A-1", price="1.00"), thing(sku="A-2", price="1.00"))
    assert list(Product.objects.values_list("sku", flat=True)) == ["A-3"]


def test_an_undoing_gives_such_records_to_the_row_that_returns(feeds, merged):
    _, record = merged
    brings(feeds, thing(sku="A-2", price="12.00"))
    restored = undo(record)
    assert links() == [("A-2", str(restored.pk), None)]
    brings(feeds, thing(sku="A-2", price="14.00"))
    restored.refresh_from_db()
    assert restored.price == 14


def test_orders_find_the_customer_by_the_address_that_was_merged(feeds):
    merge(customer("ann@example.com"), customer("anna@example.com"))
    orders = [{"id": 1, "customer_id": None, "email": "anna@example.com", "date": "2026-01-01"}]
    by_key = {**ORDERS.fields, "customer": Ref("customers", key="email")}
    feeds.add("second", {"orders": orders}, replace(ORDERS, fields=by_key))
    feeds.run("second")
    assert not SyncIssue.objects.exists()
    assert Order.objects.get().customer.email == "ann@example.com"
    assert Customer.objects.count() == 1


def test_who_sends_rows_by_hand_means_these_keys(merged):
    upsert(GOODS, [(0, thing(sku="A-2"))], atomic=True, dry_run=False)
    assert sorted(Product.objects.values_list("sku", flat=True)) == ["A-1", "A-2"]


def test_no_key_is_kept_but_as_a_digest():
    record = merge(customer("ann@example.com"), customer("anna@example.com"))
    expire(record.merged_at.max.replace(tzinfo=record.merged_at.tzinfo))
    record.refresh_from_db()
    assert record.former_key
    assert "anna" not in str(vars(record))


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_a_key_is_one_record_s_of_a_stream(feeds, settings, merged, batch_size):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "BATCH_SIZE": batch_size}
    by_id = replace(GOODS, external_id="id")
    feeds.add("second", {"products": [thing(id=1, sku="A-2"), thing(id=2, sku="A-2")]}, by_id)
    assert feeds.counts("second") == {"read": 2, "updated": 1, "rejected": 1}
    assert SyncIssue.objects.get().code == "identity_conflict"
    assert [external_id for external_id, *_ in links()] == ["1"]


def test_the_survivor_s_own_record_may_be_renamed_to_the_former_key(shop):
    """The shop has merged the two itself: it kept id 1, and the SKU of id 2."""
    shop.rows = {"products": [record_of(1), record_of(2)]}
    shop.sync()
    merge(*Product.objects.order_by("sku"))
    shop.rows = {"products": [record_of(1, sku="SKU-2")]}
    assert shop.counts() == {"read": 1, "updated": 1}
    assert Product.objects.get().sku == "SKU-2"


def test_the_first_merge_counts_for_a_run_that_has_begun(feeds, settings):
    rows = [thing(sku="A-1"), thing(sku="A-2")]
    feeds.add("first", {"products": rows}, GOODS)
    feeds.run("first")
    feeds.add("second", {"products": rows}, GOODS)
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "BATCH_SIZE": 1}

    def merge_once(run, name):
        if not Merge.objects.exists():
            merge(*Product.objects.order_by("sku"))

    run, _ = request_run("second")
    execute(run.pk, progress=merge_once)
    assert list(Product.objects.values_list("sku", flat=True)) == ["A-1"]


def test_it_is_found_when_all_partitions_have_ended(feeds, merged):
    survivor, record = merged
    parted = replace(GOODS, partitions=PageRanges(3))
    rows = [thing(sku=f"B-{n}") for n in range(200)]
    feeds.add("second", {"products": [*rows, thing(sku="A-2", price="12.00")]}, parted)
    assert feeds.counts("second") == {"read": 201, "created": 200, "updated": 1}
    assert SyncLink.objects.get(external_id="A-2").merged_row == record.other_id
    survivor.refresh_from_db()
    assert survivor.price == 12
    assert not SyncIssue.objects.exists()
