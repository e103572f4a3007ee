"""Two rows become one: what moves, what the survivor is like, and what is refused."""

import threading
import time
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.utils import timezone

from django_ecommerce_sync.models import (
    CandidateState,
    Customer,
    Merge,
    MergeCandidate,
    Order,
    OrderLine,
    Product,
    SyncLink,
    SyncRun,
)
from django_ecommerce_sync.sync.merging import (
    MergeRefused,
    merge,
    merge_candidate,
    propose,
    undo,
)
from tests.merging.conftest import customer, link, order, picture, product

pytestmark = pytest.mark.django_db


def refusal(*arguments, **options):
    """The code of a merge that must be refused, leaving everything as it was."""
    before = picture()
    with pytest.raises(MergeRefused) as refused:
        merge(*arguments, **options)
    assert picture() == before
    assert not Merge.objects.exists()
    assert refused.value.message.endswith((".", ":"))
    return refused.value.code


def test_links_and_orders_move_and_the_other_row_goes(ann, anna):
    digests = dict(SyncLink.objects.values_list("external_id", "hash"))
    merge(ann, anna)
    assert list(Customer.objects.all()) == [ann]
    assert set(Order.objects.values_list("order_id", "customer")) == {
        ("1", ann.pk),
        ("2", ann.pk),
        ("3", ann.pk),
    }
    assert set(SyncLink.objects.values_list("external_id", "object_id")) == {
        ("1", str(ann.pk)),
        ("2", str(ann.pk)),
        ("A-2", str(ann.pk)),
    }
    assert dict(SyncLink.objects.values_list("external_id", "hash")) == digests


def test_what_orders_say_is_never_rewritten(ann, anna):
    merge(ann, anna)
    told = dict(Order.objects.values_list("order_id", "customer_email"))
    assert told == {"1": "ann@example.com", "2": "anna@example.com", "3": "anna@example.com"}


def test_a_moved_order_and_the_survivor_count_the_change(ann, anna):
    before = dict(Order.objects.values_list("order_id", "version"))
    version, moment = ann.version, ann.updated_at
    merge(ann, anna)
    after = dict(Order.objects.values_list("order_id", "version"))
    assert after == {"1": before["1"], "2": before["2"] + 1, "3": before["3"] + 1}
    ann.refresh_from_db()
    assert ann.version == version + 1
    assert ann.updated_at > moment


def test_the_survivors_values_count_and_the_others_fill_its_blanks(ann, anna):
    merge(ann, anna)
    ann.refresh_from_db()
    assert (ann.email, ann.first_name) == ("ann@example.com", "Ann")
    assert (ann.phone, ann.company) == ("+49 170 1234567", "Bee Ltd")
    assert ann.address == {
        "street": "Main St 1",
        "city": "Bonn",
        "country": "DE",
        "postal_code": "53111",
    }


def test_what_is_blank_in_both_addresses_is_not_added(ann, anna):
    Customer.objects.filter(pk=anna.pk).update(address={"floor": "", "door": None, "zone": "5"})
    merge(ann, anna)
    ann.refresh_from_db()
    assert set(ann.address) == {"street", "city", "country", "zone"}


def test_a_choice_takes_a_field_as_it_is(ann, anna):
    choices = {"email": "other", "address": "other", "phone": "survivor", "company": "survivor"}
    record = merge(ann, anna, choices=choices)
    ann.refresh_from_db()
    assert ann.email == "anna@example.com"
    assert ann.address == {"city": "Bonn", "country": "FR", "postal_code": "53111"}
    assert (ann.phone, ann.company) == ("", "")
    assert record.choices == choices


def test_the_merged_rows_key_is_free_again(ann, anna):
    merge(ann, anna)
    assert customer("anna@example.com").pk not in (ann.pk, anna.pk)


def test_a_customer_without_email_gets_the_others(db):
    one, two = customer(None, phone="1"), customer("x@example.com")
    merge(one, two)
    one.refresh_from_db()
    assert one.email == "x@example.com"


def test_lines_of_a_product_move_and_stock_is_not_summed(db):
    one = product("A", inventory_count=5, reserved_count=1, attributes={"color": "red"})
    two = product("B", inventory_count=7, reserved_count=2, attributes={"size": "L", "color": "x"})
    order(1, None, one, two)
    merge(one, two)
    one.refresh_from_db()
    assert (one.sku, one.inventory_count, one.reserved_count) == ("A", 5, 1)
    assert one.attributes == {"color": "red", "size": "L"}
    assert list(OrderLine.objects.values_list("product", "sku")) == [(one.pk, "A"), (one.pk, "B")]


def test_the_stock_of_the_other_row_can_be_chosen(db):
    one, two = product("A", inventory_count=5), product("B", inventory_count=7)
    merge(one, two, choices={"inventory_count": "other"})
    one.refresh_from_db()
    assert one.inventory_count == 7


@pytest.mark.parametrize(("currency", "price"), [("EUR", Decimal("20.0000")), ("USD", None)])
def test_a_blank_amount_is_filled_only_in_the_same_currency(db, currency, price):
    one, two = product("A"), product("B", currency=currency, compare_at_price=20)
    merge(one, two)
    one.refresh_from_db()
    assert one.compare_at_price == price
    assert one.currency == "EUR"


@pytest.mark.parametrize("chosen", ["price", "currency"])
def test_an_amount_never_gets_a_currency_it_is_not_in(db, chosen):
    one, two = product("A"), product("B", currency="USD")
    assert refusal(one, two, choices={chosen: "other"}) == "currency"


def test_amount_and_currency_can_be_taken_together(db):
    one, two = product("A"), product("B", currency="USD", price=12)
    merge(one, two, choices={"price": "other", "currency": "other"})
    one.refresh_from_db()
    assert (one.price, one.currency) == (12, "USD")


@pytest.mark.parametrize(("ours", "theirs"), [(True, True), (True, False), (False, True)])
def test_a_row_is_archived_only_if_both_are(db, ours, theirs):
    moment = timezone.now()
    one, two = product("A"), product("B")
    for row, gone in ((one, ours), (two, theirs)):
        Product.objects.filter(pk=row.pk).update(archived_at=moment if gone else None)
    merge(one, two)
    one.refresh_from_db()
    assert (one.archived_at is not None) == (ours and theirs)


def test_who_merged_and_what_is_recorded(ann, anna):
    boss = User.objects.create(username="boss")
    record = merge(ann, anna, by=boss)
    record.refresh_from_db()
    assert (record.model, record.survivor_id, record.other_id) == (
        "ecommerce_sync.customer",
        ann.pk,
        anna.pk,
    )
    assert record.merged_by == boss
    assert record.row["email"] == "anna@example.com"
    changed = {name for name, sides in record.changes.items() if sides["before"] != sides["after"]}
    assert changed == {"phone", "company", "address", "version", "updated_at"}
    assert record.changes["phone"] == {"before": "", "after": "+49 170 1234567"}


@pytest.mark.parametrize(
    ("choices", "code"),
    [({"nose": "other"}, "unknown_field"), ({"phone": "theirs"}, "unknown_side")],
)
def test_choices_that_make_no_sense_are_refused(ann, anna, choices, code):
    assert refusal(ann, anna, choices=choices) == code


def test_what_cannot_be_merged_is_refused(ann, anna):
    first, second = Order.objects.all()[:2]
    assert refusal(ann, ann) == "same_row"
    assert refusal(ann, product("A")) == "different_models"
    assert refusal(first, second) == "not_mergeable"


def test_a_row_that_is_gone_is_refused(ann, anna):
    Customer.objects.filter(pk=anna.pk).delete()
    assert refusal(ann, anna) == "gone"


def test_a_pair_is_settled_and_other_pairs_of_the_row_are_dropped(ann, anna):
    third = customer("third@example.com")
    candidate, stale = propose(ann, anna), propose(anna, third)
    boss = User.objects.create(username="boss")
    record = merge_candidate(candidate, survivor=ann.pk, by=boss)
    assert (candidate.state, candidate.merge, candidate.decided_by) == (
        CandidateState.MERGED,
        record,
        boss,
    )
    assert not MergeCandidate.objects.filter(pk=stale.pk).exists()
    with pytest.raises(MergeRefused, match="merged already"):
        merge_candidate(candidate)


def test_by_default_the_row_that_more_know_survives_or_else_the_older(ann, anna):
    assert merge_candidate(propose(ann, anna)).survivor_id == anna.pk  # two orders, two links
    older, younger = customer("o@example.com"), customer("y@example.com")
    assert merge_candidate(propose(younger, older)).survivor_id == older.pk


def test_a_survivor_must_be_one_of_the_two(ann, anna):
    with pytest.raises(MergeRefused, match="is neither"):
        merge_candidate(propose(ann, anna), survivor=99999)


def test_whoever_is_deleted_takes_what_was_merged_into_it_along(ann, anna):
    merge_candidate(propose(ann, anna), survivor=ann.pk)
    ann.delete()
    assert not Merge.objects.exists()
    assert not MergeCandidate.objects.exists()


@pytest.mark.parametrize(
    ("ours", "theirs", "united"),
    [
        (["phone"], ["email", "phone"], ["phone", "email"]),
        (["phone", "email"], ["phone"], ["phone", "email"]),
        ([], ["company"], ["company"]),
        ([], [], []),
    ],
)
def test_what_is_pinned_in_either_row_is_pinned_in_the_survivor(ann, anna, ours, theirs, united):
    Customer.objects.filter(pk=ann.pk).update(pinned=ours)
    Customer.objects.filter(pk=anna.pk).update(pinned=theirs)
    before = picture()
    record = merge(ann, anna)
    ann.refresh_from_db()
    assert ann.pinned == united
    undo(record)
    assert picture() == before


class TestRowsOfTheProject:
    """Foreign keys of the host project follow the row too, whatever they would do on deletion."""

    @pytest.fixture
    def visits(self, transactional_db):
        """A table whose rows would be deleted together with their customer."""

        class Visit(models.Model):
            customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")
            day = models.IntegerField()

            class Meta:
                app_label = "shop"
                constraints = [
                    models.UniqueConstraint(fields=["customer", "day"], name="one_a_day")
                ]

            def __str__(self):
                return str(self.day)

        with connection.schema_editor() as editor:
            editor.create_model(Visit)
        yield Visit
        with connection.schema_editor() as editor:
            editor.delete_model(Visit)
        del apps.all_models["shop"]["visit"]
        apps.clear_cache()

    @pytest.mark.django_db(transaction=True)
    def test_they_are_moved_not_deleted(self, visits, ann, anna):
        visit = visits.objects.create(customer=anna, day=1)
        merge(ann, anna)
        visit.refresh_from_db()
        assert visit.customer == ann

    @pytest.mark.django_db(transaction=True)
    def test_where_both_have_one_that_can_be_had_once_the_merge_is_refused(self, visits, ann, anna):
        visits.objects.create(customer=ann, day=1)
        visits.objects.create(customer=anna, day=1)
        assert refusal(ann, anna) == "immovable"
        assert visits.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's memory is one connection's")
def test_a_merge_waits_for_the_batch_that_is_being_written():
    one, two = customer("a@example.com"), customer("b@example.com")
    run = SyncRun.objects.create(feed="shop", status="running")
    began, steps = threading.Event(), []

    def batch():
        with transaction.atomic():
            SyncRun.objects.select_for_update().get(pk=run.pk)
            began.set()
            time.sleep(0.5)
            steps.append("batch")
        connection.close()

    thread = threading.Thread(target=batch)
    thread.start()
    assert began.wait(5)
    merge(one, two)
    steps.append("merge")
    thread.join()
    assert steps == ["batch", "merge"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's memory is one connection's")
def test_of_two_merges_of_one_pair_one_wins():
    one, two = customer("a@example.com"), customer("b@example.com")
    link(one, "1")
    order(1, two)
    barrier, results = threading.Barrier(2), []

    def attempt(survivor, other):
        barrier.wait()
        try:
            results.append(merge(survivor, other))
        except MergeRefused as refused:
            results.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = [result for result in results if isinstance(result, Merge)]
    assert len(records) == 1
    assert [result for result in results if isinstance(result, str)] == ["gone"]
    survivor = Customer.objects.get()
    assert Order.objects.get().customer == survivor
    assert SyncLink.objects.get().object_id == str(survivor.pk)


def test_a_pin_that_is_set_after_a_merge_outlasts_its_undoing(ann, anna):
    Customer.objects.filter(pk=ann.pk).update(pinned=["phone"])
    Customer.objects.filter(pk=anna.pk).update(pinned=["company"])
    record = merge(ann, anna)
    Customer.objects.filter(pk=ann.pk).update(pinned=["phone", "company", "first_name"])
    undo(record)
    ann.refresh_from_db()
    anna.refresh_from_db()
    assert (ann.pinned, anna.pinned) == (["phone", "first_name"], ["company"])


@pytest.mark.django_db
def test_a_pin_moves_with_the_value_a_person_gave():
    """Else a feed's value is fixed for good, and the person's is gone."""
    survivor = Product.objects.create(sku="A-1", price=1, name="The feed's")
    merge(survivor, Product.objects.create(sku="A-2", price=1, name="A person's", pinned=["name"]))
    survivor.refresh_from_db()
    assert survivor.pinned == ["name"]
    assert survivor.name == "A person's"
