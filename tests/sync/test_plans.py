"""Plans: a dry run that is kept, and a run that does exactly what it says."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F
from django.db.models.signals import pre_save

from django_ecommerce_sync.exceptions import AlreadyRunning, FeedError, PlanRefused
from django_ecommerce_sync.feeds import Archive, FeedSource, Page, Since
from django_ecommerce_sync.models import (
    Customer,
    Order,
    OrderLine,
    PlannedChange,
    Product,
    StreamState,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)
from django_ecommerce_sync.signals import batch_synced, sync_finished, sync_started
from django_ecommerce_sync.sync import apply_plan, execute, request_run
from django_ecommerce_sync.sync.merging import merge
from django_ecommerce_sync.sync.plans import csv_rows, in_words

from .conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product, seeds
from .test_imagination import World
from .test_runs import crash, expire

pytestmark = pytest.mark.django_db

WRITING = ("create", "update", "archive")
MODELS = (Product, Customer, Order, OrderLine, SyncLink, StreamState, SyncSchedule)


def tables(*models):
    return [list(model.objects.order_by("pk").values()) for model in models or MODELS]


def plan(shop, **options):
    run = shop.sync(plan=True, **options)
    assert run.status in ("succeeded", "partial"), run.error
    return run


def apply(plan):
    run, new = apply_plan(plan)
    assert new
    return execute(run.pk)


def said(run):
    """What the plan says, in short: stream, record, action, fields."""
    return [
        (change.stream, change.key or change.external_id, change.action, in_words(change))
        for change in run.planned_changes.all()
    ]


def refused(run, *parts):
    assert (run.status, run.error_code) == ("failed", "plan_outdated"), run.error
    assert [part for part in parts if part not in run.error] == []


@pytest.fixture
def shop(shop):
    """A shop with three products; the feed renames one, changes one, adds one, loses one."""
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=0.5)), CUSTOMERS, ORDERS]
    shop.rows = {"products": [product(1), product(2), product(3), product(4)]}
    shop.sync()
    shop.rows = {
        "products": [
            product(1),
            product(2, sku="NEW-2"),
            product(3, price="12.50", title="Better"),
            product(9, color="red"),
        ],
    }
    return shop


# -- what is stored ------------------------------------------------------------------------------


def test_a_plan_says_what_becomes_of_each_row(shop):
    run = plan(shop)
    assert said(run) == [
        ("products", "SKU-2", "update", "sku SKU-2 → NEW-2"),
        ("products", "SKU-3", "update", "name Thing 3 → Better, price 9.9000 → 12.5000"),
        (
            "products",
            "SKU-9",
            "create",
            'sku SKU-9, name Thing 9, price 9.9000, attributes {"color": "red"}, currency USD',
        ),
        ("products", "SKU-4", "archive", ""),
    ]
    assert run.plan_counts == {"products": {"create": 1, "update": 2, "archive": 1}}
    update, _, create, archive = run.planned_changes.all()
    sku2, sku4 = Product.objects.get(sku="SKU-2"), Product.objects.get(sku="SKU-4")
    assert (update.position, update.external_id, update.object_id) == (2, "2", str(sku2.pk))
    assert (create.object_id, create.changes["price"]) == ("", [None, "9.9000"])
    assert (archive.object_id, archive.position) == (str(sku4.pk), None)
    assert {change.model for change in run.planned_changes.all()} == {"ecommerce_sync.product"}


def test_a_dry_run_without_a_wish_keeps_no_plan(shop):
    run = shop.sync(dry_run=True)
    assert (run.planned, run.plan_counts, run.planned_changes.count()) == (False, {}, 0)


def test_a_plan_has_no_side_effects(shop):
    shop.rows["products"].append(product(10, price="x"))
    SyncIssue.objects.create(run=SyncRun.objects.get(), feed="shop", stream="products", code="x")
    heard = []

    def listen(**arguments):
        heard.append(arguments)

    signals = (sync_started, batch_synced, sync_finished)
    for signal in signals:
        signal.connect(listen)
    before = tables(*MODELS, SyncIssue)
    try:
        run = plan(shop)
    finally:
        for signal in signals:
            signal.disconnect(listen)
    run.issues.all().delete()
    assert tables(*MODELS, SyncIssue) == before
    assert heard == []
    assert run.planned_changes.count() == 4


@pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL burns numbers")
@pytest.mark.django_db(transaction=True)
def test_a_plan_burns_no_numbers(shop):
    def next_numbers():
        with connection.cursor() as cursor:
            numbers = []
            for model in MODELS:
                cursor.execute(f"SHOW TABLE STATUS LIKE '{model._meta.db_table}'")
                row = dict(zip([c[0] for c in cursor.description], cursor.fetchone(), strict=True))
                numbers.append(row["Auto_increment"])
            return numbers

    before = next_numbers()
    run = plan(shop)
    assert run.plan_counts["products"]["create"] == 1
    assert next_numbers() == before


def test_personal_values_are_not_kept_but_count(shop):
    shop.rows = {
        "customers": [customer(1, phone="+49 170 1"), customer(2)],
        "orders": [
            {"id": "1001", "customer_id": "c1@example.com", "total": "5", "lines": [{"total": "5"}]}
        ],
    }
    shop.streams = [replace(CUSTOMERS, external_id=None), ORDERS]
    first = plan(shop)
    kept = json.dumps(list(first.planned_changes.values()), default=str)
    for secret in ("c1@example.com", "170", "Ann", "Bee"):
        assert secret not in kept
    person, _, order = first.planned_changes.all()
    assert (person.key, person.external_id) == ("", "")
    names = ["email", "first_name", "last_name", "phone"]
    assert person.changes == {name: [None, None] for name in names}
    assert order.changes["total_amount"] == [None, "5.0000"]
    assert order.changes["lines"] == [None, {"rows": 1, "added": 1}]
    shop.rows["customers"][0]["phone"] = "+49 170 2"
    shop.configure()
    run = apply(first)
    refused(run, "record 1 of stream 'customers'", "other values", "phone")
    assert "170" not in run.error


def test_lines_are_told_in_numbers(shop):
    lines = [{"product_id": 1, "quantity": 1}, {"product_id": 2, "quantity": 1}]
    order = {"id": "7", "lines": lines}
    shop.rows = {"orders": [order]}
    shop.sync()
    order["lines"] = [{"product_id": 1, "quantity": 3}]
    (change,) = plan(shop).planned_changes.all()
    assert change.changes["lines"] == [{"rows": 2}, {"rows": 1, "changed": 1, "removed": 1}]
    assert "lines 2 rows → 1 rows (1 changed, 1 removed)" in in_words(change)


def test_rejected_conflicting_and_skipped_records_are_planned_with_their_reason(shop):
    since = Since("changed", param="since")
    shop.streams = [replace(PRODUCTS, since=since), ORDERS]
    day = "2026-01-0{}T00:00:00Z".format
    shop.rows = {"products": [product(n, changed=day(2)) for n in (1, 2)]}
    shop.sync()
    shop.rows = {
        "products": [
            product(1, changed=day(1), price="1"),
            product(8, sku="SKU-2", changed=day(3)),
            product(9, price="much", changed=day(3)),
        ]
    }
    run = plan(shop, full=True)
    changes = run.planned_changes.values_list("position", "external_id", "action", "reason")
    assert list(changes) == [
        (1, "1", "skip", "older"),
        (2, "8", "conflict", "identity_conflict"),
        (3, "9", "reject", "invalid_decimal"),
    ]
    assert run.plan_counts == {"products": {"skip": 1, "conflict": 1, "reject": 1}}


def test_long_values_are_shortened_and_compared_in_full(shop):
    shop.streams = [replace(PRODUCTS, fields={**PRODUCTS.fields, "description": "text"})]
    shop.rows = {"products": [product(1, text="a" * 9000)]}
    run = plan(shop)
    (change,) = run.planned_changes.all()
    assert change.changes["description"] == ["", "a" * 499 + "…"]
    shop.rows["products"][0]["text"] = "a" * 8999 + "b"
    shop.configure()
    refused(apply(run), "'SKU-1'", "too long to be told")


def test_a_plan_takes_as_many_statements_for_many_rows_as_for_few(
    shop, django_assert_max_num_queries
):
    shop.rows = {"products": [product(n) for n in range(1, 500)]}
    shop.configure()
    run, _ = request_run("shop", plan=True)
    with django_assert_max_num_queries(50):
        execute(run.pk)
    assert run.planned_changes.count() == 495


def test_a_plan_goes_with_its_run(shop):
    run = plan(shop)
    run.delete()
    assert not PlannedChange.objects.exists()


# -- carrying it out -----------------------------------------------------------------------------


def test_applied_it_does_what_it_says(shop):
    planned = plan(shop)
    run = apply(planned)
    assert (run.status, run.plan, run.dry_run) == ("succeeded", planned, False), run.error
    assert run.counts == planned.counts
    assert run.plan_counts == planned.plan_counts
    rows = Product.objects.order_by("sku").values_list("sku", "price", "archived_at")
    assert [(sku, price, bool(archived)) for sku, price, archived in rows] == [
        ("NEW-2", Decimal("9.9"), False),
        ("SKU-1", Decimal("9.9"), False),
        ("SKU-3", Decimal("12.5"), False),
        ("SKU-4", Decimal("9.9"), True),
        ("SKU-9", Decimal("9.9"), False),
    ]
    assert shop.counts() == {"read": 4, "unchanged": 4}


def test_applied_with_the_wishes_of_its_run(shop):
    planned = plan(shop, streams=["products"], full=True, limit=2)
    run = apply(planned)
    assert (run.streams, run.full, run.limit) == (["products"], True, 2)
    assert run.counts_of("products")["read"] == 2


CHANGED_SINCE = {
    "another value": (
        lambda shop: shop.rows["products"].__setitem__(2, product(3, price="13", title="Better")),
        ["'SKU-3' of stream 'products'", "price 9.9000 → 12.5000", "price 9.9000 → 13.0000"],
    ),
    "one more record": (
        lambda shop: shop.rows["products"].append(product(10)),
        ["'SKU-10' of stream 'products'", "nothing to create"],
    ),
    "one more change": (
        lambda shop: shop.rows["products"].__setitem__(0, product(1, price="1")),
        ["'SKU-1' of stream 'products'", "nothing to update"],
    ),
    "one record less": (
        lambda shop: shop.rows["products"].pop(),
        ["'SKU-9' of stream 'products'", "nothing to create"],
    ),
    "one row to archive less": (
        lambda shop: shop.rows["products"].append(product(4)),
        ["'SKU-4' of stream 'products'", "nothing to archive"],
    ),
    "one rejected record more": (
        lambda shop: (
            shop.rows["products"].append(product(4, price="x")),
            shop.streams.__setitem__(0, PRODUCTS),
        ),
        ["nothing to archive"],
    ),
    "a stored value": (
        lambda shop: Product.objects.filter(sku="SKU-3").update(price=11),
        ["'SKU-3' of stream 'products'", "price 9.9000 → 12.5000", "price 11.0000 → 12.5000"],
    ),
    "a value that is as the feed's now": (
        lambda shop: Product.objects.filter(sku="SKU-3").update(price="12.5"),
        ["'SKU-3' of stream 'products'", "no change of price"],
    ),
    "a row to archive that somebody has worked on": (
        lambda shop: Product.objects.get(sku="SKU-4").save(),
        ["'SKU-4' of stream 'products'", "changed since"],
    ),
    "a row that is there already": (
        lambda shop: Product.objects.create(sku="SKU-9", price=1),
        ["'SKU-9' of stream 'products'", "it says create, now it would be update"],
    ),
    "a row that is gone": (
        lambda shop: Product.objects.get(sku="SKU-3").delete(),
        ["'SKU-3' of stream 'products'", "it says update, now it would be create"],
    ),
    "a record that is another row now": (
        lambda shop: SyncLink.objects.filter(external_id="3").update(
            object_id=str(Product.objects.create(sku="SKU-33", price="9.9").pk)
        ),
        ["of stream 'products'"],
    ),
}


@pytest.mark.parametrize("what", CHANGED_SINCE)
def test_it_is_refused_before_anything_is_written(shop, what):
    shop.batch_size = 2
    planned = plan(shop)
    change, parts = CHANGED_SINCE[what]
    change(shop)
    shop.configure()
    before = tables()
    run = apply(planned)
    refused(run, f"The plan of run {planned.pk} is out of date", *parts)
    assert tables() == before
    assert (run.counts, run.plan_counts, run.cursor, run.issues.count()) == ({}, {}, {}, 0)


def test_more_rejected_records_are_another_feed(shop):
    shop.streams[0] = PRODUCTS
    planned = plan(shop)
    shop.rows["products"].append(product(10, price="x"))
    shop.configure()
    refused(apply(planned), "rejects 0 records, now it would be 1")


def test_the_order_of_a_feed_does_not_matter(shop):
    planned = plan(shop)
    shop.rows["products"].reverse()
    shop.configure()
    assert apply(planned).status == "succeeded"


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_rows_changed_in_between_are_seen_in_their_batch(shop, monkeypatch, batch_size):
    planned = plan(shop)
    shop.batch_size = batch_size
    shop.configure()

    def interfere():
        Product.objects.filter(sku="SKU-3").update(price=F("price") + 1)

    after_rehearsal(monkeypatch, interfere)
    run = apply(planned)
    refused(run, "'SKU-3'", "price 9.9000 → 12.5000", "price 10.9000 → 12.5000")
    assert Product.objects.get(sku="SKU-3").price == Decimal("10.9")
    assert Product.objects.filter(sku="NEW-2").exists() == (batch_size < 1000)
    assert not Product.objects.filter(sku="SKU-9").exists()


def after_rehearsal(monkeypatch, do):
    """Something that happens when the plan was found to be in order, before it is carried out."""
    from django_ecommerce_sync.sync.runner import Execution

    rehearse = Execution._rehearse

    def rehearse_and_do(self):
        rehearse(self)
        do()

    monkeypatch.setattr(Execution, "_rehearse", rehearse_and_do)


def test_a_feed_that_loses_a_row_in_between_fails_the_run(shop, monkeypatch):
    planned = plan(shop)
    after_rehearsal(monkeypatch, lambda: (shop.rows["products"].pop(), shop.configure()))
    shop.configure()
    refused(apply(planned), "it has 1 rows to create, now there are 0")
    assert not Product.objects.filter(sku="SKU-9").exists()


def test_a_row_that_somebody_adds_in_between_is_not_overwritten(shop, monkeypatch):
    planned = plan(shop)
    after_rehearsal(monkeypatch, lambda: Product.objects.create(sku="SKU-9", price=1))
    refused(apply(planned), "'SKU-9'", "it says create, now it would be update")
    assert Product.objects.get(sku="SKU-9").price == 1


def test_a_plan_is_applied_once(shop):
    planned = plan(shop)
    run = apply(planned)
    with pytest.raises(PlanRefused, match=f"was applied by run {run.pk}") as refusal:
        apply_plan(planned)
    assert refusal.value.code == "plan_applied"


def test_what_was_refused_may_be_tried_again(shop):
    planned = plan(shop)
    Product.objects.filter(sku="SKU-3").update(price=11)
    assert apply(planned).error_code == "plan_outdated"
    Product.objects.filter(sku="SKU-3").update(price="9.9")
    assert apply(planned).status == "succeeded"


@pytest.mark.parametrize(
    ("values", "code", "sentence"),
    [
        ({"dry_run": False}, "no_plan", "keeps no plan"),
        ({"planned": False}, "no_plan", "keeps no plan"),
        ({"status": "running"}, "plan_unfinished", "is not finished yet"),
        ({"status": "failed"}, "plan_unfinished", "is failed, so its plan is not complete"),
        ({"status": "cancelled"}, "plan_unfinished", "is cancelled"),
    ],
)
def test_only_complete_plans_are_applied(shop, values, code, sentence):
    planned = plan(shop)
    SyncRun.objects.filter(pk=planned.pk).update(**values)
    planned.refresh_from_db()
    with pytest.raises(PlanRefused, match=sentence) as refusal:
        apply_plan(planned)
    assert refusal.value.code == code
    assert SyncRun.objects.filter(slot="A").count() == 0


def test_another_run_of_the_feed_is_in_the_way(shop):
    planned = plan(shop)
    other, _ = request_run("shop")
    with pytest.raises(AlreadyRunning, match=f"as run {other.pk}"):
        apply_plan(planned)


def test_a_plan_that_is_queued_answers_with_its_run(shop):
    planned = plan(shop)
    first, _ = apply_plan(planned)
    again, new = apply_plan(planned)
    assert (again.pk, new) == (first.pk, False)


def test_a_plan_that_is_gone_becomes_no_run_of_its_own(shop):
    planned = plan(shop)
    run, _ = apply_plan(planned)
    planned.delete()
    before = tables()
    run = execute(run.pk)
    assert (run.status, run.error_code) == ("failed", "plan_gone")
    assert tables() == before


def test_a_failed_plan_is_no_plan(settings):
    class Cut(FeedSource):
        streams = [PRODUCTS]

        def fetch(self, stream, cursor):
            yield Page([product(1)], cursor=1)
            raise FeedError("feed_broken", "It broke off.")

    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": {"BACKEND": Cut}}}
    run, _ = request_run("shop", plan=True)
    run = execute(run.pk)
    assert (run.status, run.planned_changes.count()) == ("failed", 1)
    with pytest.raises(PlanRefused, match="is failed"):
        apply_plan(run)


# -- workers that die ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at_batch", [1, 2, 3, 4, 5, 6, 7, 8])
def test_an_apply_whose_worker_died_goes_on(shop, monkeypatch, at_batch):
    shop.batch_size = 1
    planned = plan(shop)
    run, _ = apply_plan(planned)
    crash(run.pk, at_batch, monkeypatch)  # four batches of the rehearsal, then four that write
    expire(run)
    run = execute(run.pk)
    assert (run.status, run.attempts) == ("succeeded", 2), run.error
    assert (run.counts, run.plan_counts) == (planned.counts, planned.plan_counts)
    assert Product.objects.filter(sku__in=["NEW-2", "SKU-9"]).count() == 2


@pytest.mark.django_db(transaction=True)
def test_after_a_crash_the_rest_is_compared_still(shop, monkeypatch):
    shop.batch_size = 1
    planned = plan(shop)
    run, _ = apply_plan(planned)
    crash(run.pk, 7, monkeypatch)
    expire(run)
    assert Product.objects.filter(sku="NEW-2").exists()
    Product.objects.filter(sku="SKU-3").update(price=11)
    refused(execute(run.pk), "'SKU-3'")


@pytest.mark.django_db(transaction=True)
def test_a_plan_whose_worker_died_is_made_anew(shop, monkeypatch):
    shop.batch_size = 1
    shop.rows["products"].insert(0, product(5, price="x"))
    shop.configure()
    run, _ = request_run("shop", plan=True)
    crash(run.pk, 4, monkeypatch)
    expire(run)
    run = execute(run.pk)
    assert run.status == "partial"
    assert run.plan_counts == {"products": {"create": 1, "update": 2, "reject": 1}}
    assert run.planned_changes.count() == 4


# -- everything at once --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds(30, everywhere=8))
def test_any_plan_can_be_applied_and_is_what_a_run_would_do(shop, seed):
    Product.objects.all().delete()
    StreamState.objects.all().delete()
    world = World(shop, seed)
    for _ in range(4):
        world.deliver()
        planned = plan(shop)
        run = apply(planned)
        assert run.status in ("succeeded", "partial"), run.error
        assert run.counts == planned.counts
        for stream, counts in planned.counts.items():
            skipped = planned.planned_changes.filter(stream=stream, action="skip").count()
            in_plan = planned.plan_counts.get(stream, {}).get("skip", 0)
            assert counts["skipped"] == skipped == in_plan
        assert run.plan_counts == {
            stream: writing
            for stream, counts in planned.plan_counts.items()
            if (writing := {action: n for action, n in counts.items() if action in WRITING})
        }


def test_a_pinned_record_is_planned_as_skipped(shop):
    Product.objects.filter(sku="SKU-3").update(pinned=["price", "name"])
    skip = plan(shop).planned_changes.get(action="skip")
    assert (skip.position, skip.key, skip.reason) == (3, "SKU-3", "pinned")


def test_a_record_whose_row_another_one_writes_is_planned_as_skipped(shop):
    merge(Product.objects.get(sku="SKU-1"), Product.objects.get(sku="SKU-3"))
    planned = plan(shop)
    skip = planned.planned_changes.get(action="skip")
    assert (skip.position, skip.external_id, skip.reason) == (3, "3", "merged")
    assert apply(planned).counts == planned.counts


def test_a_row_that_its_model_refuses_is_no_part_of_any_plan(shop):
    shop.streams = [replace(PRODUCTS, save_rows=True), CUSTOMERS, ORDERS]
    planned = plan(shop)

    def refuse(instance, **kwargs):
        raise ValidationError("Not today.")

    pre_save.connect(refuse, sender=Product)
    before = tables(Product, SyncLink)
    try:
        refused(apply(planned), "its model refuses it")
    finally:
        pre_save.disconnect(refuse, sender=Product)
    assert tables(Product, SyncLink) == before


# -- spreadsheets --------------------------------------------------------------------------------


def test_lines_for_spreadsheets():
    change = PlannedChange(
        stream="products",
        position=3,
        action="update",
        key="=1+1",
        external_id="@x",
        object_id="7",
        changes={
            "price": ["-5.00", "+6.50"],
            "name": ["-cmd|' /C calc'!A0", "\tplain"],
            "attributes": [{"a": 1}, None],
            "lines": [{"rows": 1}, {"rows": 2, "added": 1}],
        },
    )
    start = ["products", 3, "update", "'=1+1", "'@x", "7", ""]
    assert list(csv_rows(change)) == [
        [*start, "price", "-5.00", "+6.50"],
        [*start, "name", "'-cmd|' /C calc'!A0", "'\tplain"],
        [*start, "attributes", '{"a": 1}', None],
        [*start, "lines", '{"rows": 1}', '{"rows": 2, "added": 1}'],
    ]
    change = PlannedChange(stream="products", action="archive", key="A")
    assert list(csv_rows(change)) == [
        ["products", None, "archive", "A", "", "", "", "", None, None]
    ]
