"""A record older than the one applied last is never applied, wherever the batches end."""

import datetime as dt
import random
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_ecommerce_sync.feeds import Archive, Moment, Since
from django_ecommerce_sync.models import Product, RunStatus, SyncLink
from tests.sync.conftest import PRODUCTS, product

pytestmark = pytest.mark.django_db

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 2, 1000])


def at(hours):
    """A time of change, in hours after the day began."""
    return (DAY + dt.timedelta(hours=hours)).isoformat()


def copy(number, hours, price, **values):
    return product(number, price=price, updated_at=at(hours), **values)


def timed(number, hours, price):
    """A copy whose time is missing where ``hours`` is None."""
    return product(number, price=price) if hours is None else copy(number, hours, price)


@pytest.fixture
def shop(shop):
    shop.streams = [replace(PRODUCTS, since=Since("updated_at"), max_shrink=1)]
    return shop


def prices():
    return {
        sku: str(price.normalize()) for sku, price in Product.objects.values_list("sku", "price")
    }


def known_time(number=1):
    return SyncLink.objects.get(external_id=str(number)).source_updated_at


def test_an_older_record_is_skipped_and_changes_nothing(shop):
    shop.rows = {"products": [copy(1, 5, "5"), copy(2, 5, "5")]}
    shop.sync()
    before = Product.objects.values().get(sku="SKU-1")
    shop.rows = {"products": [copy(1, 4, "4"), copy(2, 6, "6")]}
    assert shop.counts() == {"read": 2, "updated": 1, "skipped": 1}
    assert Product.objects.values().get(sku="SKU-1") == before
    assert prices()["SKU-2"] == "6"
    assert (known_time(1), known_time(2)) == (
        DAY + dt.timedelta(hours=5),
        DAY + dt.timedelta(hours=6),
    )


def test_a_skipped_record_was_seen_all_the_same(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [copy(1, 4, "4")]}
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert SyncLink.objects.get().missing_since is None


def test_after_an_older_state_the_known_one_is_unchanged(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    before = Product.objects.values().get()
    shop.rows = {"products": [copy(1, 4, "4")]}
    shop.sync()
    shop.rows = {"products": [copy(1, 5, "5")]}
    assert shop.counts() == {"read": 1, "unchanged": 1}
    assert Product.objects.values().get() == before


def test_an_equal_time_applies(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [copy(1, 5, "4")]}
    assert shop.counts() == {"read": 1, "updated": 1}


@pytest.mark.parametrize(
    "said", [None, "", "yesterday", 1772323200, [], "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_cannot_be_read_guards_nothing_and_forgets_nothing(shop, said):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [product(1, price="4", updated_at=said)]}
    assert shop.counts() == {"read": 1, "updated": 1}
    assert known_time() == DAY + dt.timedelta(hours=5)
    shop.rows = {"products": [copy(1, 3, "3")]}
    assert shop.counts() == {"read": 1, "skipped": 1}


def test_a_record_without_the_field_applies(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [product(1, price="4")]}
    assert shop.counts() == {"read": 1, "updated": 1}


@pytest.mark.parametrize(
    ("known", "older"),
    [
        ("2026-01-01T23:30:00Z", "2026-01-02T01:00:00+02:00"),
        ("2026-01-01T23:30:00", "2026-01-01T23:29:59.999999"),
        ("2026-01-02", "2026-01-01T23:59:59Z"),
    ],
)
def test_times_are_compared_in_utc(shop, known, older):
    shop.rows = {"products": [product(1, price="5", updated_at=known)]}
    shop.sync()
    shop.rows = {"products": [product(1, price="4", updated_at=older)]}
    assert shop.counts() == {"read": 1, "skipped": 1}


def test_a_converter_reads_what_is_no_iso_time(shop):
    since = Since(Moment("changed.ms", unit="ms"))
    shop.streams = [replace(PRODUCTS, since=since)]
    shop.rows = {"products": [product(1, price="5", changed={"ms": 1772323200000})]}
    shop.sync()
    assert known_time() == dt.datetime.fromtimestamp(1772323200, dt.UTC)
    shop.rows = {"products": [product(1, price="4", changed={"ms": 1772323199999})]}
    assert shop.counts() == {"read": 1, "skipped": 1}


def test_a_time_still_to_come_rejects_the_record(shop):
    now = timezone.now()
    years, hours = now + dt.timedelta(days=5 * 365), now + dt.timedelta(hours=23)
    shop.rows = {
        "products": [
            product(1, updated_at=years.isoformat()),
            product(2, updated_at=hours.isoformat()),
        ]
    }
    run = shop.sync()
    assert run.status == RunStatus.PARTIAL
    issue = run.issues.get()
    assert (issue.position, issue.external_id, issue.key) == (1, "1", "SKU-1")
    assert (issue.code, issue.field) == ("future_timestamp", "source_updated_at")
    assert years.isoformat() in issue.excerpt
    assert list(prices()) == ["SKU-2"]


@BATCH_SIZES
@pytest.mark.parametrize("hours", [(5, 4), (4, 5), (4, 5, 3), (5, 3, 4), (3, 5, 5)])
def test_of_several_copies_the_newest_counts(shop, hours, batch_size):
    shop.batch_size = batch_size
    rows = [copy(1, hour, f"{hour}.{place}") for place, hour in enumerate(hours, 1)]
    shop.rows = {"products": [*rows, copy(2, 1, "1")]}
    newest = max(zip(hours, range(1, 9), strict=False))
    copies = len(hours) - 1
    assert shop.counts() == {"read": copies + 2, "created": 2, "duplicate": copies}
    assert prices()["SKU-1"] == "{}.{}".format(*newest)
    before = list(Product.objects.order_by("pk").values())
    for _ in range(3):
        assert shop.counts() == {"read": copies + 2, "unchanged": 2, "duplicate": copies}
        assert list(Product.objects.order_by("pk").values()) == before


@BATCH_SIZES
@pytest.mark.parametrize("hours", [(4, 6), (6, 4), (3, 4, 6), (4, 6, 5), (6, 3, 4)])
def test_a_newer_copy_among_older_ones_makes_the_record_updated(shop, hours, batch_size):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.batch_size = batch_size
    shop.rows = {"products": [copy(1, hour, str(hour)) for hour in hours]}
    assert shop.counts() == {"read": len(hours), "updated": 1, "duplicate": len(hours) - 1}
    assert prices() == {"SKU-1": "6"}
    assert known_time() == DAY + dt.timedelta(hours=6)


@BATCH_SIZES
def test_copies_that_are_all_older_are_one_skipped_record(shop, batch_size):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.batch_size = batch_size
    shop.rows = {"products": [copy(1, 3, "3"), copy(1, 4, "4"), copy(1, 2, "2")]}
    assert shop.counts() == {"read": 3, "skipped": 1, "duplicate": 2}
    assert prices() == {"SKU-1": "5"}


@BATCH_SIZES
def test_a_broken_newest_copy_leaves_the_one_before_it_in_force(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [copy(1, 6, "none"), copy(1, 4, "4"), copy(1, 3, "3")]}
    assert shop.counts() == {"read": 3, "created": 1, "duplicate": 1, "rejected": 1}
    assert prices() == {"SKU-1": "4"}


@BATCH_SIZES
@pytest.mark.parametrize("seed", range(8))
def test_any_deliveries_come_to_what_a_plain_replay_gives(shop, seed, batch_size):
    """Copies in any order, some without a time: the last that is not older than what was known."""
    chance = random.Random(seed)
    known = {}
    for _ in range(4):
        rows, fates = [], {}
        for _ in range(chance.randint(1, 9)):
            number, hour = chance.randint(1, 3), chance.choice([None, 1, 2, 3, 4])
            price = str(chance.randint(1, 5))
            rows.append(timed(number, hour, price))
            newest, _ = known.get(number, (None, None))
            if None in (hour, newest) or hour >= newest:
                known[number] = (newest if hour is None else hour, price)
                fates[number] = "applied"
            else:
                fates.setdefault(number, "skipped")
        shop.batch_size = batch_size
        shop.rows = {"products": rows}
        dry = shop.counts(dry_run=True)
        counts = shop.counts()
        assert prices() == {f"SKU-{number}": price for number, (_, price) in known.items()}
        assert all(count > 0 for count in dry.values())
        assert dry.get("skipped") == counts.get("skipped")
        assert all(count > 0 for count in counts.values())
        assert counts.get("skipped", 0) == list(fates.values()).count("skipped")
        assert counts.get("duplicate", 0) == len(rows) - len(fates)


@BATCH_SIZES
@pytest.mark.parametrize("known", [None, 2])
@pytest.mark.parametrize(("hours", "last"), [((None, 3), 1), ((3, None), 1), ((4, 1), 0)])
def test_of_known_copies_some_without_a_time_the_last_new_one_counts(
    shop, known, hours, last, batch_size
):
    """Known copies wait for the end of the stream; what was applied at once must outlast it."""
    shop.batch_size = batch_size
    shop.rows = {"products": [timed(1, known, "1"), timed(1, known, "2")]}
    shop.sync()
    shop.rows = {"products": [timed(1, hour, str(place)) for place, hour in enumerate(hours, 7)]}
    assert shop.counts() == {"read": 2, "updated": 1, "duplicate": 1}
    assert prices() == {"SKU-1": str(last + 7)}


def test_an_issue_stays_open_while_only_older_states_come(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [copy(1, 6, "none")]}
    issue = shop.sync().issues.get()
    shop.rows = {"products": [copy(1, 4, "4")]}
    shop.sync()
    issue.refresh_from_db()
    assert issue.state == "open"
    shop.rows = {"products": [copy(1, 7, "7")]}
    shop.sync()
    issue.refresh_from_db()
    assert issue.state == "resolved"


def test_a_stream_that_begins_to_tell_times_learns_them_from_unchanged_records(shop):
    timed = shop.streams
    shop.streams = [PRODUCTS]
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    assert known_time() is None
    shop.streams = timed
    assert shop.counts() == {"read": 1, "unchanged": 1}
    assert known_time() == DAY + dt.timedelta(hours=5)
    shop.rows = {"products": [copy(1, 4, "4")]}
    assert shop.counts() == {"read": 1, "skipped": 1}


def test_a_stream_that_stops_telling_times_applies_everything_and_keeps_what_it_knew(shop):
    shop.rows = {"products": [copy(1, 5, "5")]}
    shop.sync()
    shop.streams = [PRODUCTS]
    shop.rows = {"products": [copy(1, 4, "4")]}
    assert shop.counts() == {"read": 1, "updated": 1}
    assert known_time() == DAY + dt.timedelta(hours=5)


@pytest.mark.parametrize(
    ("rows", "newest"),
    [
        ([copy(1, 5, "5"), copy(2, 7, "7"), copy(3, 6, "6")], 7),
        ([copy(1, 5, "5"), copy(2, 7, "none")], 5),
        ([copy(1, 5, "5"), product(2)], 5),
        ([product(1), product(2)], None),
    ],
)
def test_the_newest_time_among_usable_records_is_told(shop, rows, newest):
    shop.rows = {"products": rows}
    for options in ({}, {}, {"full": True}, {"dry_run": True}):  # unchanged ones count, too
        told = shop.sync(**options).observed["products"]["newest"]
        assert told == (at(newest).replace("+00:00", "Z") if newest else None)


def looks_for_times(shop, streams, price):
    shop.streams = streams
    shop.rows = {"products": [copy(number, 1, price) for number in range(1, 41)]}
    with CaptureQueriesContext(connection) as queries:
        shop.sync()
    wanted = ("SELECT", "source_updated_at")
    return sum(all(word in query["sql"] for word in wanted) for query in queries)


@pytest.mark.parametrize("next_price", ["1", "2"])
def test_the_guard_costs_one_look_for_each_batch_and_others_nothing(shop, next_price):
    shop.batch_size = 10
    guarded, plain = shop.streams, [PRODUCTS]
    for streams, looks in ((plain, 0), (guarded, 4)):
        looks_for_times(shop, streams, "1")
        assert looks_for_times(shop, streams, next_price) == looks


def test_a_newer_state_that_had_to_wait_lands_over_the_older_one(shop):
    """The key it takes comes free only after an older copy of the record has landed."""
    shop.batch_size = 1
    shop.rows = {"products": [copy(1, 1, "1"), copy(2, 1, "1")]}
    shop.sync()
    newest, older = copy(2, 3, "3", sku="SKU-1"), copy(2, 2, "2")
    shop.rows = {"products": [newest, older, copy(1, 2, "1", sku="SKU-9")]}
    assert shop.counts() == {"read": 3, "updated": 2, "duplicate": 1}
    assert prices() == {"SKU-1": "3", "SKU-9": "1"}


def test_a_state_that_had_to_wait_lands_though_an_older_one_was_skipped(shop):
    shop.batch_size = 1
    shop.rows = {"products": [copy(1, 1, "1"), copy(2, 2, "2")]}
    shop.sync()
    waiting, stale = copy(2, 3, "3", sku="SKU-1"), copy(2, 1, "1")
    shop.rows = {"products": [waiting, stale, copy(1, 2, "1", sku="SKU-9")]}
    assert shop.counts() == {"read": 3, "updated": 2, "duplicate": 1}
    assert prices() == {"SKU-1": "3", "SKU-9": "1"}


def test_what_was_gone_and_comes_again_is_what_the_source_has_however_old(shop):
    shop.streams = [replace(shop.streams[0], missing=Archive(max_ratio=1))]
    shop.rows = {"products": [copy(1, 5, "5"), copy(2, 5, "5")]}
    shop.sync()
    shop.rows = {"products": [copy(2, 5, "5")]}
    shop.sync(full=True)
    assert Product.objects.get(sku="SKU-1").archived_at is not None
    shop.rows = {"products": [copy(1, 4, "4"), copy(2, 5, "5")]}
    assert shop.counts(full=True) == {"read": 2, "updated": 1, "unchanged": 1}
    assert (Product.objects.get(sku="SKU-1").archived_at, prices()["SKU-1"]) == (None, "4")
    assert known_time(1).isoformat() == at(4)
