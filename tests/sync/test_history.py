"""What changed, when, and on whose word."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_ecommerce_sync.feeds import Archive
from django_ecommerce_sync.models import Customer, Product, SyncChange
from django_ecommerce_sync.sync.history import forget, provenance, record_edit
from django_ecommerce_sync.sync.merging import expire, merge, undo

from .conftest import PRODUCTS, customer, product

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(shop):
    shop.settings.ECOMMERCE_SYNC = {**shop.settings.ECOMMERCE_SYNC, "CHANGE_LOG": True}
    return shop


def changes(**filters):
    found = SyncChange.objects.filter(**filters).order_by("pk")
    return list(found.values_list("action", "fields"))


def test_a_new_row_is_written_down_with_the_fields_it_was_given(shop):
    shop.rows = {"products": [product(1)]}
    run = shop.sync()

    entry = SyncChange.objects.get()
    row = Product.objects.get()
    assert (entry.model, entry.object_id) == ("ecommerce_sync.product", str(row.pk))
    assert (entry.feed, entry.stream, entry.run) == ("shop", "products", run.pk)
    assert entry.action == "created"
    assert {"sku", "name", "price"} <= entry.fields.keys()
    assert not any(entry.fields.values())
    assert "brand" not in entry.fields


def test_a_change_is_written_down_from_old_to_new(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    SyncChange.objects.all().delete()
    shop.rows = {"products": [product(1, price="12.50", title="New"), product(2)]}
    shop.sync()

    assert changes() == [
        ("updated", {"price": ["9.9000", "12.5000"], "name": ["Thing 1", "New"]}),
    ]


def test_rows_that_stay_as_they_are_leave_no_trace(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    SyncChange.objects.all().delete()
    shop.sync()
    shop.sync(full=True)

    assert changes() == []


def test_a_dry_run_writes_nothing_down(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync(dry_run=True)

    assert changes() == []


def test_without_the_setting_nothing_is_written_down(shop):
    shop.settings.ECOMMERCE_SYNC = {**shop.settings.ECOMMERCE_SYNC, "CHANGE_LOG": False}
    shop.rows = {"products": [product(1)]}
    shop.sync()

    assert changes() == []


def test_of_people_only_the_names_of_fields_are_kept(shop):
    shop.rows = {"customers": [customer(1)]}
    shop.sync()
    shop.rows = {"customers": [customer(1, phone="0711 1234", email="new@example.com")]}
    shop.sync()

    assert changes(action="updated") == [("updated", {"phone": None, "email": None})]
    assert "example.com" not in str(list(SyncChange.objects.values()))


def test_a_row_that_is_archived_and_one_that_comes_back_are_written_down(shop):
    shop.streams = [replace(PRODUCTS, missing=Archive(max_ratio=0.5))]
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows = {"products": [product(1)]}
    shop.sync()
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()

    second = str(Product.objects.get(sku="SKU-2").pk)
    kinds = [action for action, _ in changes(object_id=second)]
    assert kinds == ["created", "archived", "updated"]
    assert changes(object_id=second)[2][1].keys() == {"archived_at"}


def test_a_long_text_is_cut(shop):
    shop.streams = [replace(PRODUCTS, fields={**PRODUCTS.fields, "description": "text"})]
    shop.rows = {"products": [product(1, text="a" * 5000)]}
    shop.sync()
    shop.rows = {"products": [product(1, text="b" * 5000)]}
    shop.sync()

    [(_, fields)] = changes(action="updated")
    assert fields == {"description": ["a" * 1000 + "…", "b" * 1000 + "…"]}


def test_the_latest_word_on_each_field_is_where_its_value_comes_from(shop, django_user_model):
    shop.rows = {"products": [product(1)]}
    first = shop.sync()
    shop.rows = {"products": [product(1, price="12.50")]}
    second = shop.sync()
    ann = django_user_model.objects.create(username="ann")
    row = Product.objects.get()
    row.brand = "Acme"
    row.save()
    record_edit(row, {"brand": ""}, ann)

    origins = provenance(row)

    assert (origins["name"].feed, origins["name"].run) == ("shop", first.pk)
    assert (origins["price"].feed, origins["price"].run) == ("shop", second.pk)
    assert (origins["brand"].feed, origins["brand"].user) == ("", ann)
    assert "description" not in origins


def test_without_records_of_changes_a_single_link_tells_the_feed(shop):
    shop.settings.ECOMMERCE_SYNC = {**shop.settings.ECOMMERCE_SYNC, "CHANGE_LOG": False}
    shop.rows = {"products": [product(1)]}
    first = shop.sync()
    row = Product.objects.get()

    assert (provenance(row)["name"].feed, provenance(row)["name"].run) == ("shop", first.pk)
    assert "brand" not in provenance(row)

    shop.rows = {"products": [product(1, price="12.50")]}
    shop.sync()
    assert (provenance(row)["name"].feed, provenance(row)["name"].run) == ("shop", None)


def test_an_edit_of_a_person_keeps_no_personal_value(shop, django_user_model):
    row = Customer.objects.create(email="ann@example.com", status="active")
    row.email, row.status = "bee@example.com", "disabled"
    record_edit(row, {"email": "ann@example.com", "status": "active"}, None)

    assert changes() == [("edited", {"email": None, "status": ["active", "disabled"]})]


def test_an_edit_is_not_written_down_without_the_setting(shop):
    shop.settings.ECOMMERCE_SYNC = {**shop.settings.ECOMMERCE_SYNC, "CHANGE_LOG": False}
    row = Product.objects.create(sku="A", price=1)
    record_edit(row, {"price": 2}, None)

    assert changes() == []


def test_old_entries_go_but_for_the_word_on_present_values(shop):
    shop.rows = {"products": [product(1), product(2)]}
    first = shop.sync()
    for price in ("12.50", "13.50"):
        shop.rows = {"products": [product(1, price=price, title=f"At {price}"), product(2)]}
        last = shop.sync()
    SyncChange.objects.update(at=timezone.now() - timedelta(days=91))
    shop.rows["products"][0]["price"] = "14.50"
    newest = shop.sync()

    call_command("ecommerce_sync", "prune")

    row = Product.objects.get(sku="SKU-1")
    kept = SyncChange.objects.filter(object_id=str(row.pk)).order_by("pk")
    assert [(entry.run, entry.action) for entry in kept] == [
        (first.pk, "created"),
        (last.pk, "updated"),
        (newest.pk, "updated"),
    ]
    assert "price" not in kept[0].fields
    assert kept[1].fields == {"name": None}
    assert kept[2].fields == {"price": ["13.5000", "14.5000"]}
    origins = {name: origin.run for name, origin in provenance(row).items()}
    assert (origins["sku"], origins["name"], origins["price"]) == (first.pk, last.pk, newest.pk)
    assert SyncChange.objects.exclude(object_id=str(row.pk)).count() == 1


def test_old_entries_of_a_row_that_is_gone_go(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    Product.objects.get(sku="SKU-1").delete()

    assert forget(timezone.now()) == 1
    assert SyncChange.objects.get().object_id == str(Product.objects.get().pk)


def test_entries_are_forgotten_whatever_the_number_of_rows(shop, monkeypatch):
    monkeypatch.setattr("django_ecommerce_sync.sync.history._ROWS", 2)
    shop.rows = {"products": [product(n) for n in range(1, 8)]}
    shop.sync()
    shop.rows = {"products": [product(n, price="2.00") for n in range(1, 8)]}
    shop.sync()
    shop.rows = {"products": [product(n, price="3.00") for n in range(1, 8)]}
    shop.sync()

    assert forget(timezone.now()) == 7
    assert SyncChange.objects.count() == 14


@pytest.mark.parametrize("expired", [False, True])
def test_what_an_earlier_merge_changed_in_a_row_merged_since_tells_nothing(shop, expired):
    shop.rows = {"products": [product(1), product(2, brand="Acme"), product(3, brand="Ecma")]}
    shop.sync()
    one, two, three = Product.objects.order_by("pk")
    merge(one, two)
    merge(three, Product.objects.get(pk=one.pk))
    if expired:
        expire(timezone.now())

    assert provenance(three)["brand"].action == "created"


def test_what_is_known_of_a_merged_row_waits_for_its_return(shop):
    shop.rows = {"products": [product(1), product(2, brand="Acme")]}
    shop.sync()
    one, two = Product.objects.order_by("pk")
    record = merge(one, two)
    forget(timezone.now())
    undo(record)
    assert provenance(Product.objects.get(sku="SKU-2"))["brand"].action == "created"
    forget(timezone.now())
    assert provenance(Product.objects.get(sku="SKU-2"))["brand"].action == "created"
