"""Pins, and where values come from, through the API."""

import pytest

from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import Customer, Order, Product, SyncChange
from django_ecommerce_sync.sync import execute, request_run

from .conftest import problem

ROW = {"sku": "A-1", "name": "Lamp", "price": "10.00"}


@pytest.fixture
def sync(settings, db):
    def configured(row=ROW, **options):
        fields = {name: name for name in ROW}
        feed = {"streams": [Stream("products", fields=fields)], "rows": {"products": [row]}}
        settings.ECOMMERCE_SYNC = {
            **settings.ECOMMERCE_SYNC,
            "FEEDS": {"shop": {"BACKEND": MemoryFeed, "OPTIONS": feed}},
            "CHANGE_LOG": True,
            **options,
        }
        return execute(request_run("shop")[0].pk)

    configured()
    return configured


def address(row=None):
    row = row or Product.objects.get()
    return f"/api/{row._meta.model_name}s/{row.pk}/"


def origins(client, row=None):
    return {line["field"]: line for line in client.get(f"{address(row)}provenance/").json()}


def test_a_pinned_field_is_left_alone_by_its_feed(client, sync):
    changed = client.patch(address(), {"name": "Desk lamp", "pinned": ["name"]})
    assert (changed.status_code, changed.json()["pinned"]) == (200, ["name"])

    run = sync()

    assert run.counts_of("products")["skipped"] == 1
    assert client.get(address()).json()["name"] == "Desk lamp"


def test_pins_are_kept_once_and_in_order(client, sync):
    answer = client.patch(address(), {"pinned": ["price", "name", "price"]}).json()

    assert answer["pinned"] == ["name", "price"]


def test_a_row_replaced_as_a_whole_keeps_its_pins(client, sync):
    client.patch(address(), {"pinned": ["name"]})

    assert client.put(address(), ROW).json()["pinned"] == ["name"]


@pytest.mark.parametrize("name", ["nmae", "version", "pinned", "id"])
def test_what_cannot_be_pinned_is_refused_with_what_can(client, sync, name):
    refused = problem(client.patch(address(), {"pinned": [name]}), 400, "invalid")

    [error] = refused["errors"]
    assert (error["pointer"], error["code"]) == ("/pinned", "unknown_field")
    assert f"no field {name} " in error["detail"]
    assert "inventory_count" in error["detail"]


def test_each_field_tells_where_its_value_comes_from(client, sync, user):
    second = sync({**ROW, "price": "12.00"})
    client.patch(address(), {"brand": "Acme", "pinned": ["brand"]})

    found = origins(client)

    assert (found["price"]["feed"], found["price"]["stream"]) == ("shop", "products")
    assert (found["price"]["run"], found["price"]["action"]) == (second.pk, "updated")
    assert found["name"]["run"] == second.pk - 1
    assert (found["brand"]["user"], found["brand"]["feed"]) == (user.username, None)
    assert (found["brand"]["pinned"], found["name"]["pinned"]) == (True, False)
    assert found["gtin"]["action"] is None
    assert "version" not in found


def test_what_a_client_creates_is_its_word(client, sync, user):
    row = client.post("/api/customers/", {"email": "ann@example.com", "phone": "123"}).json()
    found = origins(client, Customer.objects.get(pk=row["id"]))

    assert found["email"]["user"] == user.username
    assert found["first_name"]["user"] is None
    assert "example.com" not in str(list(SyncChange.objects.values()))


def test_new_lines_of_an_order_are_the_clients_word(client, sync, user):
    Product.objects.update(inventory_count=5)
    lines = [{"sku": "A-1", "quantity": 1, "unit_price": "5.00"}]
    client.post("/api/orders/", {"lines": lines})
    order = Order.objects.get()
    SyncChange.objects.all().delete()
    client.patch(address(order), {"lines": [{**lines[0], "quantity": 2}]})

    fields = SyncChange.objects.get().fields
    assert fields["lines"] is None
    assert fields["total_amount"] == ["5.0000", "10.0000"]


def test_the_changes_of_a_row_are_listed_latest_first(client, sync):
    sync({**ROW, "price": "12.00"})
    client.patch(address(), {"price": "13.00"})

    listed = client.get(f"{address()}changes/").json()

    assert listed["count"] == 3
    assert [change["action"] for change in listed["results"]] == ["edited", "updated", "created"]
    assert listed["results"][0]["fields"] == {"price": ["12.0000", "13.0000"]}


def test_a_patch_that_changes_nothing_is_no_edit(client, sync):
    client.patch(address(), {"price": "10.00"})

    assert not SyncChange.objects.filter(action="edited").exists()


def test_without_the_setting_clients_changes_are_not_recorded(client, sync):
    sync(CHANGE_LOG=False)
    client.patch(address(), {"price": "13.00"})

    assert not SyncChange.objects.filter(action="edited").exists()


@pytest.mark.parametrize("page", ["provenance", "changes"])
def test_only_who_may_see_the_row_sees_its_history(stranger, anonymous, sync, page):
    problem(stranger.get(f"{address()}{page}/"), 403, "permission_denied")
    problem(anonymous.get(f"{address()}{page}/"), 401, "not_authenticated")
