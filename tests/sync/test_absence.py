"""Rows the feed no longer has."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from django_ecommerce_sync import signals
from django_ecommerce_sync.feeds import Archive, MemoryFeed
from django_ecommerce_sync.models import Customer, Order, Product, RunStatus, SyncIssue, SyncRun
from django_ecommerce_sync.sync import execute, request_run
from django_ecommerce_sync.sync.execution import StreamExecution

from .conftest import CUSTOMERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db

MAY_LOSE_HALF = Archive(max_ratio=0.5)


@pytest.fixture
def shop(shop):
    shop.streams = [replace(PRODUCTS, missing=MAY_LOSE_HALF), CUSTOMERS]
    shop.rows = {"products": [product(n) for n in range(1, 7)]}
    shop.sync()
    return shop


def archived(model=Product, field="sku"):
    return sorted(model.objects.exclude(archived_at=None).values_list(field, flat=True))


def without(shop, *numbers):
    shop.rows = {"products": [p for p in shop.rows["products"] if p["id"] not in numbers]}


def test_what_is_gone_is_archived_and_counted_beside_the_rest(shop):
    before = Product.objects.get(sku="SKU-6")
    without(shop, 5, 6)
    assert shop.counts() == {"read": 4, "unchanged": 4, "archived": 2}
    assert archived() == ["SKU-5", "SKU-6"]
    after = Product.objects.get(sku="SKU-6")
    assert (after.status, after.version) == (before.status, before.version + 1)
    assert after.updated_at > before.updated_at


def test_it_is_archived_once(shop):
    without(shop, 5, 6)
    shop.sync()
    version = Product.objects.get(sku="SKU-6").version
    assert shop.counts() == {"read": 4, "unchanged": 4}
    assert Product.objects.get(sku="SKU-6").version == version


@pytest.mark.parametrize("price", ["9.90", "11"])
def test_what_comes_again_is_the_same_row(shop, price):
    pk = Product.objects.get(sku="SKU-6").pk
    everything = shop.rows["products"]
    without(shop, 6)
    shop.sync()
    shop.rows = {"products": [*everything[:5], {**everything[5], "price": price}]}
    assert shop.counts() == {"read": 6, "unchanged": 5, "updated": 1}
    assert archived() == []
    assert Product.objects.get(sku="SKU-6").pk == pk
    assert shop.counts() == {"read": 6, "unchanged": 6}


def test_batches(shop):
    shop.batch_size = 2
    without(shop, 1, 3, 5)
    assert shop.counts()["archived"] == 3


def test_without_a_wish_nothing_is_archived(shop):
    shop.streams = [PRODUCTS]
    without(shop, 5, 6)
    assert "archived" not in shop.counts()
    assert archived() == []


@pytest.mark.parametrize(
    "options", [{"limit": 3}, {"since": "2026-01-01T00:00:00Z"}], ids=["limited", "backfill"]
)
def test_a_run_that_did_not_read_all_archives_nothing(shop, options):
    without(shop, 6)
    shop.sync(**options)
    assert archived() == []


def test_a_run_with_rejected_rows_archives_nothing(shop):
    without(shop, 6)
    shop.rows["products"][0]["price"] = "cheap"
    assert shop.sync().counts_of("products")["archived"] == 0
    assert archived() == []


def test_a_dry_run_only_counts(shop):
    without(shop, 5, 6)
    assert shop.counts(dry_run=True) == {"read": 4, "unchanged": 4, "archived": 2}
    assert archived() == []
    assert shop.counts() == {"read": 4, "unchanged": 4, "archived": 2}


def test_too_many_are_a_question(shop):
    without(shop, 2, 3, 4, 5)
    run = shop.sync()
    assert (run.status, archived()) == (RunStatus.PARTIAL, [])
    issue = SyncIssue.objects.get()
    assert (issue.code, issue.position) == ("needs_attention", None)
    assert "4 rows are gone from the feed, 67% of all" in issue.message
    assert "SKU-2, SKU-3, SKU-4, SKU-5" in issue.message


def test_the_question_is_answered_in_one_step(shop):
    without(shop, 2, 3, 4, 5)
    shop.sync()
    assert shop.counts(allow_shrink=True) == {"read": 2, "unchanged": 2, "archived": 4}
    assert SyncIssue.objects.get().state == "resolved"


def test_a_question_that_answered_itself(shop):
    everything = shop.rows["products"]
    without(shop, 2, 3, 4, 5)
    shop.sync()
    shop.rows = {"products": everything}
    assert shop.sync().status == RunStatus.SUCCEEDED
    assert SyncIssue.objects.get().state == "resolved"


def test_an_empty_feed_archives_nothing_unasked(shop):
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=1), allow_empty=True)]
    shop.rows = {"products": []}
    assert shop.sync().status == RunStatus.PARTIAL
    assert archived() == []
    assert SyncIssue.objects.get().code == "needs_attention"
    assert shop.counts(allow_shrink=True) == {"archived": 6}
    assert shop.sync().status == RunStatus.SUCCEEDED


def test_a_feed_cut_to_a_tenth_archives_nothing_unasked(shop):
    shop.streams = [replace(PRODUCTS, missing=Archive())]
    shop.rows = {"products": [product(n) for n in range(1, 101)]}
    shop.sync()
    shop.rows = {"products": [product(n) for n in range(1, 11)]}
    run = shop.sync()
    assert (run.status, archived()) == (RunStatus.PARTIAL, [])
    assert run.counts_of("products")["unchanged"] == 10
    assert shop.counts(allow_shrink=True)["archived"] == 90


def test_rows_that_went_long_ago_do_not_make_a_loss_any_smaller(shop):
    for left in (3, 2):  # half of them go, then a third, each time what may go unasked
        shop.rows = {"products": [product(n) for n in range(1, left + 1)]}
        shop.sync()
    assert archived() == ["SKU-3", "SKU-4", "SKU-5", "SKU-6"]
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=0.4))]
    without(shop, 2)
    assert (shop.sync().status, len(archived())) == (RunStatus.PARTIAL, 4)
    assert "1 rows are gone from the feed, 50% of all" in SyncIssue.objects.get().message


@pytest.mark.parametrize("dry_run", [False, True])
def test_rows_that_are_new_do_not_make_a_loss_any_smaller(shop, dry_run):
    shop.rows = {"products": [product(n) for n in (1, 2, *range(7, 17))]}
    run = shop.sync(dry_run=dry_run)
    assert (run.status, archived()) == (RunStatus.PARTIAL, [])
    assert "4 rows are gone from the feed, 67% of all" in SyncIssue.objects.get().message


def test_a_worker_that_dies_after_the_question_leaves_one_question(shop, monkeypatch):
    def die(self):
        raise SystemExit

    without(shop, 2, 3, 4, 5)
    shop.configure()
    run, _ = request_run("shop")
    with monkeypatch.context() as patched:
        patched.setattr(StreamExecution, "_end", die)
        with pytest.raises(SystemExit):
            execute(run.pk)
    assert SyncIssue.objects.get().code == "needs_attention"
    SyncRun.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assert execute(run.pk).status == RunStatus.PARTIAL
    assert SyncIssue.objects.get().code == "needs_attention"


def test_listeners_hear_of_it(shop):
    heard = []

    def listen(sender, run, stream, created, updated, **kwargs):
        heard.append((sender, stream, created, updated))

    signals.batch_synced.connect(listen)
    try:
        without(shop, 6)
        shop.sync()
    finally:
        signals.batch_synced.disconnect(listen)
    pk = Product.objects.get(sku="SKU-6").pk
    assert heard == [(Product, "products", [], {pk: ("archived_at",)})]


def test_customers_go_and_their_orders_stay(shop):
    shop.streams = [replace(CUSTOMERS, missing=MAY_LOSE_HALF)]
    shop.rows = {"customers": [customer(1), customer(2)]}
    shop.sync()
    gone = Customer.objects.get(email="c2@example.com")
    order = Order.objects.create(order_id="1", customer=gone)
    shop.rows = {"customers": [customer(1)]}
    assert shop.counts("customers")["archived"] == 1
    assert archived(Customer, "email") == ["c2@example.com"]
    order.refresh_from_db()
    assert (order.customer, order.archived_at) == (gone, None)


class TestTwoFeeds:
    """A row two feeds stand for goes when neither has it any more."""

    @pytest.fixture
    def sync(self, settings):
        rows = {"a": [product(n) for n in (1, 2, 3)], "b": [product(n) for n in (2, 3, 4)]}
        stream = replace(PRODUCTS, missing=MAY_LOSE_HALF)

        def sync(feed, *numbers):
            rows[feed] = [product(n) for n in numbers]
            settings.ECOMMERCE_SYNC = {
                **settings.ECOMMERCE_SYNC,
                "FEEDS": {
                    alias: {
                        "BACKEND": MemoryFeed,
                        "OPTIONS": {"streams": [stream], "rows": {"products": listed}},
                    }
                    for alias, listed in rows.items()
                },
            }
            run = execute(request_run(feed)[0].pk)
            assert run.status == RunStatus.SUCCEEDED, run.error
            return run.counts_of("products")["archived"]

        sync("a", 1, 2, 3)
        sync("b", 2, 3, 4)
        return sync

    def test_it_stays_while_the_other_has_it(self, sync):
        assert sync("a", 1, 2) == 0
        assert archived() == []

    def test_the_last_one_takes_it_away(self, sync):
        sync("a", 1, 2)
        assert sync("b", 2, 4) == 1
        assert archived() == ["SKU-3"]

    def test_either_brings_it_back(self, sync):
        sync("a", 1, 2)
        sync("b", 2, 4)
        sync("a", 1, 2, 3)
        assert archived() == []
        assert sync("b", 2, 4) == 0


def test_a_row_that_was_deleted_meanwhile_hides_no_other(shop, monkeypatch):
    """A row gone and a row missing are not one met: numbers may agree where rows do not."""
    settle = StreamExecution._settle

    def settle_and_delete(self, place):
        settle(self, place)
        Product.objects.get(sku="SKU-1").delete()

    monkeypatch.setattr(StreamExecution, "_settle", settle_and_delete)
    without(shop, 6)
    shop.sync()
    assert archived() == ["SKU-6"]


def test_a_record_made_and_met_again_in_one_run_hides_no_other(shop):
    shop.batch_size = 1
    without(shop, 6)
    shop.rows["products"] += [product(7), product(7)]
    shop.sync()
    assert archived() == ["SKU-6"]


def test_consent_is_to_the_rows_that_were_asked_about(shop):
    without(shop, 2, 3, 4, 5)
    shop.sync()
    without(shop, 6)
    run = shop.sync(allow_shrink=True)
    assert (run.status, archived()) == (RunStatus.PARTIAL, [])
    assert "SKU-6" in run.issues.get(code="needs_attention").message
    assert shop.counts(allow_shrink=True)["archived"] == 5
    assert not SyncIssue.objects.filter(state="open").exists()


def test_a_feed_that_is_configured_no_more_holds_no_row(shop):
    shop.alias = "second"
    shop.sync()
    shop.alias = "shop"
    without(shop, 6)
    shop.sync()
    assert archived() == ["SKU-6"]
