"""A stream read in partitions comes to what it comes to when it is read as one."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from django_ecommerce_sync.exceptions import FeedError, LeaseLost, RecordError
from django_ecommerce_sync.feeds import Archive, BadRow, MemoryFeed, PageRanges
from django_ecommerce_sync.models import (
    ACTIVE,
    Customer,
    MetInPartition,
    MetLinks,
    Order,
    OrderLine,
    Product,
    RunStatus,
    SyncLink,
    SyncPartition,
    SyncRun,
)
from django_ecommerce_sync.signals import batch_synced
from django_ecommerce_sync.sync import cancel, execute, request_run
from django_ecommerce_sync.sync.execution import StreamExecution
from django_ecommerce_sync.sync.lease import acquire
from django_ecommerce_sync.sync.partitions import work
from tests.sync.conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product, seeds

pytestmark = pytest.mark.django_db


@pytest.fixture
def parted(shop):
    shop.streams = [replace(stream, partitions=PageRanges(4)) for stream in shop.streams]
    shop.page_size = 5
    shop.batch_size = 7
    return shop


def test_all_rows_land_and_are_counted(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    assert parted.counts() == {"read": 47, "created": 47}
    assert SyncPartition.objects.count() == 4
    assert parted.counts() == {"read": 47, "unchanged": 47}


def begun(shop):
    """A run whose partitions are laid out, and read by nobody."""
    shop.configure()
    run, _ = request_run("shop")
    run = execute(run.pk, seconds=0)
    assert run.status == RunStatus.RUNNING
    assert run.owner == ""
    return run


def test_the_run_waits_for_all_of_its_partitions(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    run = begun(parted)
    first, *others = run.partitions.all()
    SyncPartition.objects.filter(pk=first.pk).update(status=RunStatus.SUCCEEDED)
    acquire(others[0].pk, "another", SyncPartition)
    reaper = timezone.now() - timedelta(hours=1)
    SyncRun.objects.filter(pk=run.pk).update(status=RunStatus.QUEUED)  # somebody has looked
    run = execute(run.pk)  # it reads what is free, and leaves
    assert run.status == RunStatus.RUNNING
    assert [p.status for p in run.partitions.all()] == [
        "succeeded", "running", "succeeded", "succeeded",
    ]  # fmt: skip
    SyncPartition.objects.filter(pk=others[0].pk).update(lease_until=reaper)
    run = execute(run.pk)
    assert run.status == RunStatus.SUCCEEDED
    assert run.counts["products"]["read"] == 47 - 10  # as if they had been none


def test_copies_in_several_partitions_are_one_record(parted):
    rows = [product(n) for n in range(1, 41)]
    rows[3] = product(40, title="An early copy")
    rows[22] = product(40, title="A later one")
    parted.rows = {"products": rows}
    assert parted.counts() == {"read": 40, "created": 38, "duplicate": 2}
    assert Product.objects.get(sku="SKU-40").name == "Thing 40"
    assert parted.counts() == {"read": 40, "unchanged": 38, "duplicate": 2}


def test_a_partition_that_fails_ends_the_run_and_the_others(parted, monkeypatch):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    fetch = MemoryFeed.fetch_pages

    def broken(feed, stream, start, stop):
        if start >= 15:
            raise FeedError("feed_truncated", "The third part is broken.")
        yield from fetch(feed, stream, start, stop)

    monkeypatch.setattr(MemoryFeed, "fetch_pages", broken)
    parted.rows["products"][9] = product(10, price="cheap")
    run = parted.sync()
    assert (run.status, run.error_code) == ("failed", "feed_truncated")
    assert {p.status for p in run.partitions.all()} == {"succeeded", "failed", "cancelled"}
    assert run.counts["products"]["read"] == Product.objects.count() + 1
    assert run.issues.count() == 1
    monkeypatch.undo()
    assert parted.counts()["read"] == 47


def test_a_cancelled_run_stops_its_partitions(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    run = begun(parted)
    cancel(run)
    run = execute(run.pk)
    assert run.status == RunStatus.CANCELLED
    assert {p.status for p in run.partitions.all()} == {"cancelled"}
    assert not Product.objects.exists()


def test_who_was_overtaken_writes_nothing(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    run = begun(parted)
    first = run.partitions.first()
    _, old = acquire(first.pk, "one", SyncPartition)
    SyncPartition.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assert acquire(first.pk, "another", SyncPartition)
    with pytest.raises(LeaseLost, match="Partition"), transaction.atomic():
        old.hold()
    assert not old.mine.update(batch_number=9)


@pytest.mark.parametrize("wish", [{"dry_run": True}, {"limit": 20}, {"plan": True}])
def test_what_is_no_whole_run_reads_the_stream_as_one(parted, wish):
    parted.rows = {"products": [product(n) for n in range(1, 31)]}
    assert parted.counts(**wish)["created"] in (20, 30)
    assert not SyncPartition.objects.exists()


def test_rejected_rows_are_told_by_their_place_in_the_stream(parted):
    rows = [product(n) for n in range(1, 48)]
    for place in (2, 17, 44):
        rows[place] = product(place + 1, price="cheap")
    parted.rows = {"products": rows}
    run = parted.sync()
    assert list(run.issues.values_list("position", flat=True)) == [3, 18, 45]
    assert run.status == RunStatus.PARTIAL


def test_archiving_waits_for_all(parted):
    parted.streams = [replace(s, missing=Archive(0.5)) for s in parted.streams]
    rows = [product(n) for n in range(1, 41)]
    parted.rows = {"products": rows}
    parted.sync()
    parted.rows = {"products": [row for row in rows if row["id"] % 4]}
    assert parted.counts() == {"read": 30, "unchanged": 30, "archived": 10}
    gone = Product.objects.exclude(archived_at=None).values_list("sku", flat=True)
    assert set(gone) == {f"SKU-{n}" for n in range(4, 41, 4)}


def test_progress_only_goes_forward(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    parted.configure()
    run, _ = request_run("shop")
    seen = []
    execute(run.pk, progress=lambda run, stream: seen.append(run.counts[stream]["read"]))
    assert seen == sorted(seen)
    assert seen[-1] == 47


# -- any interleaving ------------------------------------------------------------------------


class Killed(BaseException):
    """The worker is gone."""


class Hands:
    """Workers that take whichever partition comes, leave when they like, and die."""

    def __init__(self, monkeypatch, chance):
        self.chance = chance
        self.deaths = 0
        monkeypatch.setattr(work, "next_free", self.any_free)
        account = StreamExecution._account

        def dying(execution, *args, **more):
            account(execution, *args, **more)
            self.perhaps_die()

        monkeypatch.setattr(StreamExecution, "_account", dying)

    def any_free(self, run_id):
        free = list(SyncPartition.objects.filter(run=run_id, status=RunStatus.QUEUED))
        return self.chance.choice(free).pk if free else None

    def perhaps_die(self, *args):
        if self.chance.random() < 0.08:
            self.deaths += 1
            raise Killed

    def carry_out(self, run):
        while run.is_active:
            with suppress(Killed):
                execute(run.pk, progress=self.perhaps_die, pause=lambda: self.chance.random() < 0.6)
            long_ago = timezone.now() - timedelta(hours=1)
            SyncRun.objects.filter(status__in=ACTIVE).update(lease_until=long_ago)
            lost = SyncPartition.objects.filter(status=RunStatus.RUNNING)
            lost.update(status=RunStatus.QUEUED, stalled_attempts=0)
            SyncRun.objects.update(stalled_attempts=0)
            run.refresh_from_db()
        return run


def state(run):
    """All that a run leaves behind, without what names the run or the moment."""
    products = Product.objects.values_list("sku", "name", "price", "brand", "inventory_count")
    links = [
        (link.stream, link.external_id, *owner(link), link.hash, link.repeats, link.lacks)
        for link in SyncLink.objects.order_by("stream", "external_id")
    ]
    issues = run.issues.order_by("stream", "position", "field")
    orders = Order.objects.order_by("order_id").values_list("order_id", "customer__email", "status")
    lines = OrderLine.objects.order_by("order__order_id", "position")
    return {
        "status": run.status,
        "counts": run.counts,
        "products": sorted(products),
        "customers": sorted(Customer.objects.values_list("email", "first_name")),
        "orders": list(orders),
        "lines": list(lines.values_list("order__order_id", "product__sku", "quantity")),
        "links": links,
        "issues": list(issues.values_list("stream", "position", "external_id", "code", "state")),
        "archived": sorted(Product.objects.exclude(archived_at=None).values_list("sku", flat=True)),
        "leftovers": [MetLinks.objects.count(), MetInPartition.objects.count()],
    }


def owner(link):
    models = {"products": (Product, "sku"), "customers": (Customer, "email")}
    model, key = models.get(link.stream, (Order, "order_id"))
    row = model.objects.get(pk=link.object_id)
    return getattr(row, key), link.missing_since is not None


def differences(one, other):
    """What one has and the other has not, by name."""
    found = {}
    for name in one:
        mine, its = map(str, (one[name], other[name]))
        if mine != its and not isinstance(one[name], list):
            found[name] = mine, its
        elif mine != its:
            found[name] = (
                [item for item in one[name] if item not in other[name]],
                [item for item in other[name] if item not in one[name]],
            )
    return found


def rows_of(chance, number):
    """Products with everything that can go wrong between partitions."""
    rows = [product(n, brand=chance.choice(["A", "B"])) for n in range(1, number)]
    for row in list(rows):
        if chance.random() < 0.15:  # another copy, anywhere
            rows.insert(chance.randrange(len(rows)), {**row, "title": f"Copy {chance.random()}"})
        if chance.random() < 0.05:
            rows.insert(chance.randrange(len(rows)), dict(row))
    for place in chance.sample(range(len(rows)), number // 12):
        rows[place] = {**rows[place], "price": "cheap"}
    rows.insert(chance.randrange(len(rows)), BadRow(RecordError("json_syntax", "No.")))
    return rows


def changed(chance, rows):
    later = [
        row
        if isinstance(row, BadRow) or chance.random() < 0.6
        else {**row, "stock": chance.randrange(9)}
        for row in rows
        if chance.random() < 0.95
    ]
    return later + [product(n) for n in range(500, 505)]


def brought_in(shop, deliveries, partitions, hands=None):
    """What each delivery comes to, one after the other; nothing of it stays."""
    shop.streams = [
        replace(stream, partitions=partitions, missing=Archive(1.0))
        for stream in (PRODUCTS, CUSTOMERS, ORDERS)
    ]
    states = []
    with transaction.atomic():
        for rows in deliveries:
            shop.rows = rows
            shop.configure()
            run, _ = request_run("shop")
            run = execute(run.pk) if hands is None else hands.carry_out(run)
            assert run.status in ("succeeded", "partial"), run.error
            states.append(state(run))
        transaction.set_rollback(True)
    return states


@pytest.mark.parametrize("seed", seeds(8, everywhere=2))
@pytest.mark.parametrize("whole", [True, False], ids=["as one", "in order"])
def test_any_interleaving_comes_to_the_same(shop, monkeypatch, seed, whole):
    """Beside the stream read as one, row by row, and beside its partitions read in order.

    Copies within one batch are weighed together, so that where batches begin makes a difference.
    """
    chance = random.Random(seed)
    shop.page_size, shop.batch_size = chance.choice([(3, 4), (5, 100), (4, 3)])
    if whole:
        shop.batch_size = 1
    first = rows_of(chance, 24)
    deliveries = [{"products": rows} for rows in (first, changed(chance, first), first)]
    rule = PageRanges(chance.choice([2, 5, 9]))
    expected = brought_in(shop, deliveries, None if whole else rule)
    found = brought_in(shop, deliveries, rule, Hands(monkeypatch, chance))
    for one, other in zip(expected, found, strict=True):
        assert differences(one, other) == {}


def orders_of(chance, number):
    """Orders, some of customers or products that are not there."""
    return [
        {
            "id": 1000 + n,
            "customer_id": chance.randrange(1, 16),
            "date": "2026-11-01T10:00:00Z",
            "lines": [{"product_id": chance.randrange(1, 16), "quantity": 1, "price": "2.00"}],
        }
        for n in range(number)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_records_that_refer_to_others(shop, monkeypatch, seed):
    """Orders wait for customers that a later delivery brings, and land when it has."""
    chance = random.Random(seed)
    shop.page_size, shop.batch_size = 3, 4
    orders = orders_of(chance, 20)
    few = {"customers": [customer(n) for n in range(1, 12)], "orders": orders}
    few["products"] = [product(n) for n in range(1, 12)]
    all_of_it = {**few, "customers": [customer(n) for n in range(16, 0, -1)]}
    all_of_it["products"] = [product(n) for n in range(1, 16)]
    deliveries = [few, all_of_it]
    rule = PageRanges(3)
    expected = brought_in(shop, deliveries, None)
    assert expected[0]["counts"]["orders"]["rejected"] > 0
    assert expected[1]["counts"]["orders"]["rejected"] == 0
    found = brought_in(shop, deliveries, rule, Hands(monkeypatch, chance))
    for one, other in zip(expected, found, strict=True):
        assert differences(one, other) == {}


@pytest.mark.parametrize("seed", range(3))
def test_records_that_swap_their_keys(shop, monkeypatch, seed):
    """No partition can do it alone: each waits until the other has let go of its key."""
    chance = random.Random(seed)
    shop.page_size, shop.batch_size = 3, 4
    rows = [product(n) for n in range(1, 21)]
    swapped = [dict(row) for row in rows]
    for one, other in ((0, 19), (4, 12), (5, 6)):
        swapped[one]["sku"], swapped[other]["sku"] = rows[other]["sku"], rows[one]["sku"]
    swapped[9]["sku"] = "SKU-new"
    deliveries = [{"products": rows}, {"products": swapped}]
    expected = brought_in(shop, deliveries, None)
    assert expected[1]["counts"]["products"]["updated"] == 7
    found = brought_in(shop, deliveries, PageRanges(4), Hands(monkeypatch, chance))
    for one, other in zip(expected, found, strict=True):
        assert differences(one, other) == {}


def test_of_two_new_records_with_one_key_the_first_has_it(shop, monkeypatch):
    shop.page_size, shop.batch_size = 2, 3
    rows = [product(n) for n in range(1, 17)]
    rows[13]["sku"] = rows[2]["sku"]
    expected = brought_in(shop, [{"products": rows}], None)
    for seed in range(3):
        with monkeypatch.context() as patch:
            hands = Hands(patch, random.Random(seed))
            found = brought_in(shop, [{"products": rows}], PageRanges(4), hands)
        assert differences(expected[0], found[0]) == {}


def test_a_row_that_changes_hands_is_told(shop, monkeypatch):
    """Of two new records with one key the first has it: after the other one's row was told."""
    shop.streams = [replace(PRODUCTS, partitions=PageRanges(4))]
    shop.page_size, shop.batch_size = 2, 3
    shop.rows = {"products": [product(n) for n in range(1, 17)]}
    shop.rows["products"][13]["sku"] = "SKU-3"
    heard = {}

    def listen(sender, created, updated, **more):
        rows = Product.objects.filter(pk__in=[*created, *updated])
        heard.update(rows.values_list("pk", "name"))

    batch_synced.connect(listen)
    shop.configure()
    Hands(monkeypatch, random.Random(0)).carry_out(request_run("shop")[0])
    batch_synced.disconnect(listen)
    assert heard == dict(Product.objects.values_list("pk", "name"))
