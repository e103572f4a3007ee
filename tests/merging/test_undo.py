"""A merge taken back: all as before, unless something has happened in between."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from django_ecommerce_sync.models import (
    CandidateState,
    Customer,
    Merge,
    Order,
    OrderLine,
    Product,
    StreamState,
    SyncLink,
)
from django_ecommerce_sync.sync.merging import (
    MergeRefused,
    expire,
    find,
    merge,
    merge_candidate,
    propose,
    undo,
)
from tests.merging.conftest import customer, link, order, picture, product, read
from tests.sync.conftest import CUSTOMERS, ORDERS, PRODUCTS
from tests.sync.conftest import customer as record_of_customer
from tests.sync.conftest import product as record_of_product

pytestmark = pytest.mark.django_db


def refusal(record):
    """The sentence of an undoing that must be refused, leaving everything as it was."""
    before = picture()
    with pytest.raises(MergeRefused) as refused:
        undo(record)
    assert picture() == before
    return refused.value


@pytest.mark.parametrize("choices", [{}, {"email": "other", "address": "other"}])
def test_customers_are_as_before_to_the_last_byte(ann, anna, choices):
    before = picture()
    record = merge(ann, anna, choices=choices)
    assert picture() != before
    assert undo(record) == anna
    assert picture() == before


def test_products_are_as_before_to_the_last_byte(db):
    one = product("A", attributes={"color": "é", "a": [1, {"b": None}]}, name="Ünï")
    two = product(
        "B", compare_at_price="12.3456", gtin="4006381333931", attributes={"z": 1, "a": 2}
    )
    order(1, None, two, one, two)
    link(two, "77", stream="products")
    before = picture()
    undo(merge(one, two))
    assert picture() == before


@pytest.mark.parametrize("written", ['{"b":1,"a":"\\u00e9"}', '{ "b": 1 ,"a": "é"}', "{}"])
def test_json_is_as_before_however_it_was_written(ann, anna, written):
    placeholder = "%s::jsonb" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        for row in (ann, anna):
            cursor.execute(
                f"UPDATE ecommerce_sync_customer SET address = {placeholder} WHERE id = %s",
                [written, row.pk],
            )
    before = picture()
    undo(merge(ann, anna, choices={"address": "other"}))
    assert picture() == before


def test_json_of_any_depth_a_database_can_hold_is_as_before(db):
    deep = {"a": 1}
    for _ in range(28):
        deep = {"a": deep}
    one, two = product("A"), product("B", attributes=deep)
    before = picture()
    undo(merge(one, two))
    assert picture() == before


def test_what_was_recorded_goes_with_the_undoing(ann, anna):
    boss = User.objects.create(username="boss")
    record = merge(ann, anna)
    undo(record, by=boss)
    assert (record.undone_by, record.undone_at is not None) == (boss, True)
    assert (record.row, record.changes, record.moved) == ({}, {}, {})
    assert refusal(record).code == "undone"


def test_the_pair_is_dismissed_and_not_found_again(db):
    customer("jo.doe@gmail.com", first_name="Jo", last_name="Doe")
    customer("jodoe@gmail.com", first_name="Jo", last_name="Doe")
    assert find(Customer).found == 1
    candidate = propose(*Customer.objects.all())
    undo(merge_candidate(candidate))
    candidate.refresh_from_db()
    assert candidate.state == CandidateState.DISMISSED
    assert find(Customer).found == 0


#: What changes with every merge.
STAMPS = {"version": {}, "updated_at": {}}


class TestExpiry:
    """After some time what the merged row was like is nobody's business any more."""

    @pytest.fixture
    def merges(self, ann, anna):
        """An old merge, a younger one, and one that was taken back."""
        third, fourth = customer("c@example.com", phone="5"), customer("d@example.com")
        undone = merge(ann, fourth)
        undo(undone)
        old, young = merge(ann, anna), merge(ann, third)
        Merge.objects.exclude(pk=young.pk).update(merged_at=timezone.now() - timedelta(days=91))
        return old, young, undone

    def test_old_merges_lose_what_it_takes_to_undo_them(self, merges):
        old, young, undone = merges
        assert expire(timezone.now() - timedelta(days=90)) == 1
        for record in merges:
            record.refresh_from_db()
        links = list(
            SyncLink.objects.values_list("pk", flat=True).exclude(external_id="1").order_by("pk")
        )
        assert (old.row, old.moved) == ({}, {"merges": [], "links": [[pk] for pk in links]})
        assert old.changes == {"phone": {}, "company": {}, "address": {}, **STAMPS}
        assert [record.can_be_undone for record in merges] == [False, True, False]
        assert undone.expired_at is None
        assert expire(timezone.now() - timedelta(days=90)) == 0
        assert young.row["phone"] == "5"

    def test_many_expire_in_several_steps(self, merges, monkeypatch):
        monkeypatch.setattr("django_ecommerce_sync.sync.merging.undoing._CHUNK", 1)
        assert expire(timezone.now()) == 2

    def test_they_can_no_longer_be_undone(self, merges):
        old, young, _undone = merges
        expire(timezone.now() - timedelta(days=90))
        undo(young)
        refused = refusal(old)
        assert refused.code == "expired"
        assert refused.message == (
            f"Merge {old.pk} can no longer be undone: what the row was like was deleted on "
            f"{timezone.localdate()} (KEEP_MERGES_DAYS)."
        )

    def test_nothing_of_the_merged_row_is_left(self, merges):
        expire(timezone.now())
        with connection.cursor() as cursor:
            told = str(read(cursor, Merge))
        assert "anna@example.com" not in told
        assert "170 1234567" not in told


class TestSomethingHappenedSince:
    def test_a_field_changed_since_stays(self, ann, anna):
        record = merge(ann, anna)
        ann.refresh_from_db()
        ann.phone = "110"
        ann.save()
        undo(record)
        version = ann.version
        ann.refresh_from_db()
        assert (ann.phone, ann.company) == ("110", "")
        assert ann.version == version + 1
        assert Customer.objects.get(pk=anna.pk).phone == "+49 170 1234567"

    def test_orders_and_links_that_belong_to_others_by_now_stay(self, ann, anna):
        third = customer("c@example.com")
        record = merge(ann, anna)
        Order.objects.filter(order_id="2").update(customer=third)
        SyncLink.objects.filter(external_id="2").update(object_id=str(third.pk))
        undo(record)
        owners = dict(Order.objects.values_list("order_id", "customer"))
        assert owners == {"1": ann.pk, "2": third.pk, "3": anna.pk}
        linked = dict(SyncLink.objects.values_list("external_id", "object_id"))
        assert linked == {"1": str(ann.pk), "2": str(third.pk), "A-2": str(anna.pk)}

    def test_an_order_changed_since_returns_and_counts_on(self, ann, anna):
        record = merge(ann, anna)
        changed = Order.objects.get(order_id="2")
        changed.note = "leave at the door"
        changed.save()
        undo(record)
        version = changed.version
        changed.refresh_from_db()
        assert (changed.customer, changed.version) == (anna, version + 1)

    def test_new_orders_stay_with_the_survivor(self, ann, anna):
        record = merge(ann, anna)
        order(9, ann)
        undo(record)
        assert Order.objects.get(order_id="9").customer == ann

    def test_an_email_taken_since_is_refused_by_name(self, ann, anna):
        record = merge(ann, anna)
        taker = customer("anna@example.com")
        refused = refusal(record)
        assert refused.code == "key_taken"
        told = f"The email of one of them belongs to Customer {taker.pk} by now."
        assert refused.message == told

    def test_an_email_the_survivor_was_given_returns_and_so_does_its_own(self, ann, anna):
        record = merge(ann, anna)
        Customer.objects.filter(pk=ann.pk).update(email="anna@example.com")
        undo(record)
        emails = dict(Customer.objects.values_list("pk", "email"))
        assert emails == {ann.pk: "ann@example.com", anna.pk: "anna@example.com"}

    def test_where_its_own_is_taken_by_then_that_is_refused(self, ann, anna):
        record = merge(ann, anna)
        Customer.objects.filter(pk=ann.pk).update(email="anna@example.com")
        customer("ann@example.com")
        assert refusal(record).code == "key_taken"

    def test_a_taken_over_sku_that_was_given_away_is_refused(self, db):
        one, two = product("A"), product("B")
        record = merge(one, two, choices={"sku": "other"})
        Product.objects.filter(pk=one.pk).update(sku="C")
        product("B")
        assert refusal(record).code == "key_taken"

    def test_a_number_that_is_taken_again_is_refused(self, ann, anna):
        record = merge(ann, anna)
        Customer.objects.create(pk=anna.pk)
        assert refusal(record).code == "key_taken"

    def test_a_survivor_that_has_gone_without_a_signal_is_refused(self, ann, anna):
        record = merge(ann, anna)
        Order.objects.all().delete()
        Customer.objects.filter(pk=ann.pk)._raw_delete("default")
        assert refusal(record).code == "gone"


class TestChains:
    def test_a_row_merged_on_takes_along_what_was_merged_into_it(self, ann, anna):
        third = customer("c@example.com", first_name="C")
        order(7, third)
        before = picture()
        first = merge(anna, third)
        second = merge(ann, anna)
        first.refresh_from_db()
        assert first.survivor_id == ann.pk
        refused = refusal(first)
        assert refused.code == "out_of_order"
        assert refused.message.startswith(f"Merge {second.pk} into the same row came later")
        undo(second)
        first.refresh_from_db()
        assert first.survivor_id == anna.pk
        undo(first)
        assert picture() == before

    def test_two_merges_into_one_row_are_undone_last_first(self, ann, anna):
        third = customer("c@example.com", company="Cee", address={"city": "Köln", "floor": "3"})
        before = picture()
        first, second = merge(ann, anna), merge(ann, third)
        assert refusal(first).code == "out_of_order"
        undo(second)
        undo(first)
        assert picture() == before

    def test_merges_of_other_rows_are_no_hindrance(self, ann, anna):
        first = merge(ann, anna)
        merge(customer("x@example.com"), customer("y@example.com"))
        undo(first)
        assert Customer.objects.filter(pk=anna.pk).exists()

    def test_an_undone_merge_is_no_hindrance(self, ann, anna):
        third = customer("c@example.com")
        first, second = merge(ann, anna), merge(ann, third)
        undo(second)
        undo(first)
        again = merge(ann, anna)
        undo(again)
        assert Merge.objects.filter(undone_at=None).count() == 0


class TestFeeds:
    """A sync after a merge, and after its undoing."""

    @pytest.fixture
    def shop(self, shop):
        shop.rows = {
            "customers": [
                record_of_customer(1, phone="1"),
                record_of_customer(2, first="Anna", phone="2"),
            ]
        }
        shop.sync()
        return shop

    def rows(self):
        return list(Customer.objects.order_by("pk"))

    def test_an_unchanged_feed_changes_nothing_after_a_merge(self, shop):
        merge(*self.rows())
        before = picture()[Customer]
        assert shop.counts("customers") == {"read": 2, "unchanged": 2}
        assert picture()[Customer] == before

    def test_nor_after_its_undoing(self, shop):
        before = picture()
        undo(merge(*self.rows()))
        assert picture() == before
        assert shop.counts("customers") == {"read": 2, "unchanged": 2}

    def test_and_after_the_undoing_both_rows_are_as_their_records_say(self, shop):
        record = merge(*self.rows())
        shop.rows["customers"][1]["phone"] = "6"
        shop.sync()
        undo(record)
        shop.sync()
        assert [(row.first_name, row.email, row.phone) for row in self.rows()] == [
            ("Ann", "c1@example.com", "1"),
            ("Anna", "c2@example.com", "6"),
        ]

    def test_also_where_the_survivors_record_said_what_it_had_from_the_other(self, shop):
        shop.rows["customers"][0]["phone"] = ""
        shop.sync()
        record = merge(*self.rows())
        shop.rows["customers"][0]["phone"] = "2"
        assert shop.counts("customers") == {"read": 2, "unchanged": 2}
        undo(record)
        assert [row.phone for row in self.rows()] == ["", "2"]
        shop.sync()
        assert [row.phone for row in self.rows()] == ["2", "2"]

    def test_a_document_is_read_again_where_a_row_may_differ_from_it(self, shop):
        record = merge(*self.rows())
        shop.rows["customers"][1]["phone"] = "6"
        shop.sync()
        StreamState.objects.update(validators={"etag": "x"})
        undo(record)
        assert StreamState.objects.get(stream="customers").validators == {}

    def test_orders_of_the_merged_record_find_the_survivor(self, shop):
        survivor, other = self.rows()
        merge(survivor, other)
        shop.rows["orders"] = [{"id": 5, "customer_id": 2, "date": "2026-05-01", "lines": []}]
        assert shop.counts("orders") == {"read": 1, "created": 1}
        assert Order.objects.get().customer == survivor

    def test_lines_of_a_merged_product_return(self, shop):
        shop.rows = {"products": [record_of_product(1), record_of_product(2)]}
        shop.sync()
        one, two = Product.objects.order_by("pk")
        order(1, None, two)
        record = merge(one, two)
        assert shop.counts() == {"read": 2, "unchanged": 2}
        undo(record)
        assert OrderLine.objects.get().product == two


@pytest.mark.django_db
def test_an_order_that_came_between_goes_to_its_customer(shop):
    shop.streams = [CUSTOMERS, replace(ORDERS, allow_empty=True)]
    shop.rows = {"customers": [record_of_customer(1), record_of_customer(2)], "orders": []}
    shop.sync()
    record = merge(*Customer.objects.order_by("email"))
    shop.rows["orders"] = [{"id": 7, "customer_id": 2, "date": "2026-01-01", "total": "1.00"}]
    shop.sync()
    undo(record)
    shop.sync()
    assert Order.objects.get().customer.email == "c2@example.com"


@pytest.mark.django_db
def test_a_line_that_came_between_goes_to_its_product(shop):
    shop.streams = [PRODUCTS, replace(ORDERS, allow_empty=True)]
    shop.rows = {"products": [record_of_product(1), record_of_product(2)], "orders": []}
    shop.sync()
    record = merge(*Product.objects.order_by("sku"))
    line = {"product_id": 2, "quantity": 1, "price": "1.00", "total": "1.00"}
    shop.rows["orders"] = [{"id": 7, "date": "2026-01-01", "total": "1.00", "lines": [line]}]
    shop.sync()
    undo(record)
    shop.sync()
    assert OrderLine.objects.get().product.sku == "SKU-2"
