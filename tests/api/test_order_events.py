"""The log of an order: complete, in order, and final."""

import pytest
from django.contrib.auth import get_user_model

from django_ecommerce_sync.exceptions import HistoryIsFinal
from django_ecommerce_sync.models import Order, OrderEvent

from .conftest import problem

URL = "/api/orders/"


@pytest.fixture
def order(client, product):
    sent = {"order_id": "1001", "lines": [{"sku": "SK-1", "quantity": 2}]}
    return client.post(URL, sent).json()


@pytest.fixture
def events(client, order):
    def events():
        return client.get(f"{URL}{order['id']}/events/").json()["results"]

    return events


@pytest.fixture
def event(order):
    return OrderEvent.objects.get()


def test_everything_is_logged(client, order, events, user):
    url = f"{URL}{order['id']}/"
    client.patch(url, {"shipping_address": {"city": "Bonn"}, "note": "ring twice"})
    client.patch(url, {"lines": [{"sku": "SK-1", "quantity": 1}]})
    client.post(f"{url}transition/", {"to": "paid", "note": "by card"})
    client.post(f"{url}transition/", {"to": "shipped"})
    client.patch(url, {"status": "completed"})

    told = [(e["kind"], e["from"], e["to"], e["note"], e["data"]) for e in events()]
    assert told == [
        ("created", "", "pending", "", {"stock": {"reserved": {"SK-1": 2}}}),
        ("changed", "", "", "", {"fields": ["note", "shipping_address"]}),
        (
            "changed",
            "",
            "",
            "",
            {
                "fields": ["lines", "subtotal", "total_amount"],
                "stock": {"released": {"SK-1": 1}},
            },
        ),
        (
            "transition",
            "unknown",
            "paid",
            "by card",
            {
                "changes": {
                    "payment_status": ["unknown", "paid"],
                    "status": ["pending", "processing"],
                }
            },
        ),
        (
            "transition",
            "processing",
            "shipped",
            "",
            {
                "changes": {
                    "status": ["processing", "shipped"],
                    "fulfillment_status": ["unknown", "fulfilled"],
                },
                "stock": {"taken": {"SK-1": 1}},
            },
        ),
        (
            "transition",
            "shipped",
            "completed",
            "",
            {"changes": {"status": ["shipped", "completed"]}},
        ),
    ]
    assert {e["by"] for e in events()} == {"ann"}


def test_what_changes_nothing_is_no_event(client, order, events):
    client.put(f"{URL}{order['id']}/", order)
    client.patch(f"{URL}{order['id']}/", {"status": "pending"})
    assert len(events()) == 1


def test_what_is_refused_is_no_event(client, order, events):
    client.post(f"{URL}{order['id']}/transition/", {"to": "returned"})
    client.patch(f"{URL}{order['id']}/", {"note": "x", "lines": [{"sku": "SK-1", "quantity": 99}]})
    assert len(events()) == 1


def test_they_come_in_pages(client, order):
    for number in range(3):
        client.patch(f"{URL}{order['id']}/", {"note": str(number)})
    page = client.get(f"{URL}{order['id']}/events/?page_size=2").json()
    assert (page["count"], len(page["results"])) == (4, 2)


def test_query_count(client, order, django_assert_num_queries):
    for number in range(3):
        client.patch(f"{URL}{order['id']}/", {"note": str(number)})
    with django_assert_num_queries(3):  # the order, a count, the events with their users
        client.get(f"{URL}{order['id']}/events/")


def test_nobody_writes_them(client, order):
    for method in ("post", "put", "patch", "delete"):
        problem(getattr(client, method)(f"{URL}{order['id']}/events/", {}), 405)


def test_of_an_order_that_is_not_there(client, db):
    problem(client.get(f"{URL}1/events/"), 404)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: OrderEvent.objects.update(note="x"),
        lambda event: OrderEvent.objects.filter(pk=event.pk).delete(),
        lambda event: OrderEvent.objects.bulk_update([event], ["note"]),
        lambda event: OrderEvent.objects.bulk_create(
            [event], update_conflicts=True, update_fields=["note"], unique_fields=["id"]
        ),
        lambda event: event.order.events.all().delete(),
        lambda event: event.order.events.update(note="x"),
    ],
)
def test_nothing_is_rewritten(event, rewrite):
    event.note = "something else"
    with pytest.raises(HistoryIsFinal):
        rewrite(event)
    assert list(OrderEvent.objects.values_list("note", flat=True)) == [""]


def test_they_go_with_their_order(event):
    event.order.delete()
    assert not OrderEvent.objects.exists()


def test_they_outlive_whoever_did_it(event, events):
    get_user_model().objects.filter(username="ann").delete()
    assert [e.by for e in OrderEvent.objects.all()] == [None]


def test_an_event_can_be_read_as_text(event):
    assert str(event) == "created pending"


def test_orders_of_feeds_are_logged_from_their_first_move(client, db):
    order = Order.objects.create(order_id="7", source="shop")
    client.post(f"{URL}{order.pk}/transition/", {"to": "paid"})
    (event,) = client.get(f"{URL}{order.pk}/events/").json()["results"]
    assert (event["from"], event["to"]) == ("unknown", "paid")
