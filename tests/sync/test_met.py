"""Which records a run has met, without a write to the link of each."""

from dataclasses import replace

import pytest
from django.db import connection

from django_ecommerce_sync.feeds import Archive
from django_ecommerce_sync.models import MetLinks, Product, SyncLink, SyncRun
from django_ecommerce_sync.sync import execute, request_run
from django_ecommerce_sync.sync.met import Met

from .conftest import PRODUCTS, product
from .test_runs import crash

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(shop):
    shop.batch_size = 2
    shop.rows = {"products": [product(n) for n in range(1, 8)]}
    shop.sync()
    return shop


def missing():
    found = SyncLink.objects.exclude(missing_since=None).order_by("external_id")
    return dict(found.values_list("external_id", "missing_since"))


def test_a_record_that_goes_is_missing_since_the_run_that_did_not_meet_it(shop):
    del shop.rows["products"][2]
    run = shop.sync()
    assert missing() == {"3": run.pk}

    shop.sync(full=True)
    assert missing() == {"3": run.pk}


def test_one_that_comes_again_is_missing_no_more(shop):
    everything = list(shop.rows["products"])
    del shop.rows["products"][2]
    shop.sync()
    shop.rows["products"] = everything

    assert shop.counts() == {"read": 7, "unchanged": 7}
    assert missing() == {}


@pytest.mark.parametrize("options", [{"limit": 3}, {"dry_run": True}])
def test_a_run_that_proves_nothing_misses_nothing(shop, options):
    del shop.rows["products"][2]
    shop.sync(**options)

    assert missing() == {}


def test_a_question_to_a_person_misses_nothing_yet(shop):
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=0.1))]
    del shop.rows["products"][2:]
    shop.sync()
    assert missing() == {}

    run = shop.sync(allow_shrink=True)
    assert set(missing().values()) == {run.pk}
    assert len(missing()) == 5


def test_an_unchanged_feed_writes_to_no_link(shop, django_assert_num_queries):
    before = list(SyncLink.objects.order_by("pk").values())

    assert shop.counts() == {"read": 7, "unchanged": 7}

    assert list(SyncLink.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("at_batch", [1, 2, 3])
def test_whoever_goes_on_with_a_run_knows_what_was_met(shop, monkeypatch, at_batch):
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=0.5))]
    rows = shop.rows["products"]
    del rows[3]
    rows += [product(1), product(5)]
    shop.configure()
    run, _ = request_run("shop")
    crash(run.pk, at_batch, monkeypatch)
    SyncRun.objects.update(lease_until="2000-01-01T00:00Z")

    run = execute(run.pk)

    counts = {name: n for name, n in run.counts_of("products").items() if n}
    assert counts == {"read": 8, "unchanged": 6, "duplicate": 2, "archived": 1}
    assert Product.objects.get(archived_at__isnull=False).sku == "SKU-4"
    assert not MetLinks.objects.exists()


def test_links_far_apart_are_told_from_one_another(shop):
    SyncLink.objects.filter(external_id="7").update(id=10_000_000)
    del shop.rows["products"][0]
    run = shop.sync()

    assert missing() == {"1": run.pk}


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [1024],
        list(range(1000, 3100)),
        [5, 1023, 1024, 7, 2**40, 2**40 + 2],
        [3, 3, 2047, 2046],
    ],
)
def test_links_met_are_told_from_others(ids):
    met = Met(1, "s", connection)
    met.write(ids)
    met.keep()
    near = {one + step for one in ids for step in (-1, 0, 1)} - {-1}
    for known in (met, Met(1, "s", connection)):  # as the run has it, and as it is stored
        assert known.without(sorted(near)) == sorted(near - set(ids))
        assert [one for one in near if known.has_id(one)] == [one for one in near if one in ids]
        assert known.has_any(near) == bool(ids)
