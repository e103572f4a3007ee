"""Where orders may go, what may be changed on the way, and what may be deleted."""

import pytest

from django_ecommerce_sync.models import Order, OrderLine
from django_ecommerce_sync.orders.conf import DEFAULT_TRANSITIONS

from .conftest import problem

URL = "/api/orders/"


@pytest.fixture
def order(client, product):
    sent = {"order_id": "1001", "lines": [{"sku": "SK-1", "quantity": 2}]}
    return client.post(URL, sent).json()


@pytest.fixture
def move(client, order):
    def move(to, **values):
        return client.post(f"{URL}{order['id']}/transition/", {"to": to, **values})

    return move


@pytest.fixture
def table(settings):
    def configure(**rows):
        settings.ECOMMERCE_SYNC = {"API": {"ORDER_TRANSITIONS": rows}}

    return configure


def states(row):
    return row["status"], row["payment_status"], row["fulfillment_status"]


def test_the_ways_on_are_in_the_payload(client, order):
    assert order["allowed_transitions"] == list(DEFAULT_TRANSITIONS["pending"])
    (listed,) = client.get(URL).json()["results"]
    assert listed["allowed_transitions"] == order["allowed_transitions"]


def test_an_order_is_paid_shipped_and_done(move, order):
    row = move("paid").json()
    assert states(row) == ("processing", "paid", "unknown")
    assert "paid" not in row["allowed_transitions"]
    row = move("shipped", note="two boxes").json()
    assert states(row) == ("shipped", "paid", "fulfilled")
    row = move("completed").json()
    assert states(row) == ("completed", "paid", "fulfilled")
    assert row["version"] == order["version"] + 3
    row = move("refunded").json()
    assert states(row) == ("refunded", "refunded", "fulfilled")
    assert row["allowed_transitions"] == ["returned"]
    assert move("returned").json()["allowed_transitions"] == []


def test_a_move_the_table_does_not_have_is_refused(client, move, order):
    document = problem(move("returned"), 409, "transition_not_allowed")
    (entry,) = document["errors"]
    assert entry["pointer"] == "/to"
    assert entry["allowed"] == order["allowed_transitions"]
    assert "The order is pending and cannot become returned." in entry["detail"]
    assert "It can become: authorized, paid, processing," in entry["detail"]
    assert client.get(f"{URL}{order['id']}/").json() == order


def test_nothing_happens_twice(move):
    assert move("paid").status_code == 200
    problem(move("paid"), 409, "transition_not_allowed")
    assert move("cancelled").status_code == 200
    problem(move("cancelled"), 409, "transition_not_allowed")


def test_payments_go_forward_only(table, move):
    table(processing=["authorized", "paid", "partially_refunded"])
    assert move("paid").json()["allowed_transitions"] == ["partially_refunded"]
    assert move("partially_refunded").json()["allowed_transitions"] == []


def test_a_project_replaces_rows_of_the_table(table, move, order):
    table(pending=["on_hold"])
    problem(move("paid"), 409)
    row = move("on_hold").json()
    assert row["allowed_transitions"] == list(DEFAULT_TRANSITIONS["on_hold"])


def test_what_follows_from_a_payment_needs_the_table_too(table, move):
    table(pending=["paid"])
    assert states(move("paid").json()) == ("pending", "paid", "unknown")


def test_an_end_is_said_to_be_one(table, move):
    table(pending=[])
    assert "It cannot be moved any more." in problem(move("paid"), 409)["detail"]


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({}, "/to", "required"),
        ({"to": "sent"}, "/to", "invalid_choice"),
        ({"to": "unknown"}, "/to", "invalid_choice"),
        ({"to": ["paid"]}, "/to", "invalid_choice"),
        ({"to": "paid", "note": "x" * 1001}, "/note", "max_length"),
        ({"to": "paid", "version": 0}, "/version", "min_value"),
        ({"to": "paid", "by": 1}, "/by", "unknown_field"),
    ],
)
def test_bad_wishes_are_named(client, order, sent, pointer, code):
    document = problem(client.post(f"{URL}{order['id']}/transition/", sent), 400, "invalid")
    assert [(entry["pointer"], entry["code"]) for entry in document["errors"]] == [(pointer, code)]


def test_the_version_seen_is_respected(move, order):
    document = problem(move("paid", version=order["version"] + 1), 409, "version_conflict")
    assert document["errors"][0]["pointer"] == "/version"
    assert move("paid", version=order["version"]).status_code == 200


def test_an_order_that_is_not_there(client):
    problem(client.post(f"{URL}1/transition/", {"to": "paid"}), 404)


def test_query_counts_of_a_move(move, client, product, order, django_assert_num_queries):
    lines = [{"product": product.pk, "quantity": 1, "unit_price": n} for n in range(2)]
    client.patch(f"{URL}{order['id']}/", {"lines": lines})
    # A savepoint, the order and its lines; the order written, its feeds asked for, the event added.
    with django_assert_num_queries(7):
        move("paid")
    # Lines locked and written, and each product: here is one.
    with django_assert_num_queries(10):
        move("shipped")


class TestPatch:
    @pytest.fixture
    def patch(self, client, order):
        return lambda **values: client.patch(f"{URL}{order['id']}/", values)

    def test_states_go_the_same_ways(self, patch):
        row = patch(payment_status="paid", status="processing", note="by phone").json()
        assert (states(row), row["note"]) == (("processing", "paid", "unknown"), "by phone")
        document = problem(patch(status="pending", note="x"), 409, "transition_not_allowed")
        assert document["errors"][0]["pointer"] == "/status"
        assert "shipped" in document["errors"][0]["allowed"]
        assert Order.objects.get().note == "by phone"

    def test_a_state_of_the_whole_order_is_none_of_its_payment(self, patch):
        patch(status="shipped")
        document = problem(patch(payment_status="refunded"), 409, "transition_not_allowed")
        assert document["errors"][0]["pointer"] == "/payment_status"
        assert "Its payment_status alone" in document["detail"]

    @pytest.mark.parametrize(
        ("state", "open_to"),
        [
            ("pending", {"lines", "shipping_total", "order_id", "shipping_address", "note"}),
            ("on_hold", {"lines", "shipping_total", "order_id", "shipping_address", "note"}),
            ("authorized", {"shipping_address", "note"}),
            ("processing", {"shipping_address", "note"}),
            ("shipped", {"note"}),
            ("completed", {"note"}),
            ("cancelled", {"note"}),
        ],
    )
    def test_each_state_leaves_something_open(self, patch, move, state, open_to):
        if state != "pending":
            assert move(state).status_code == 200
        changes = {
            "lines": [{"sku": "SK-1", "quantity": 1}],
            "shipping_total": "3",
            "order_id": "1002",
            "shipping_address": {"city": "Bonn"},
            "note": "later",
        }
        for name, value in changes.items():
            response = patch(**{name: value})
            if name in open_to:
                assert response.status_code == 200
                continue
            document = problem(response, 409, "not_editable")
            assert f"/{name}" in [entry["pointer"] for entry in document["errors"]]

    def test_what_was_read_can_be_written_back_in_any_state(self, client, order, move):
        url = f"{URL}{order['id']}/"
        for state in ("paid", "shipped", "completed", "refunded"):
            row = move(state).json()
            assert client.put(url, row).json() == row

    def test_totals_of_a_feed_are_left_as_they_are(self, client, product):
        order = Order.objects.create(order_id="7", source="shop", total_amount=100, subtotal=90)
        OrderLine.objects.create(order=order, position=1, sku="gone", quantity=1, unit_price=1)
        url = f"{URL}{order.pk}/"
        stored = client.get(url).json()
        assert client.put(url, stored).json() == stored
        assert client.patch(url, {"total_amount": "1"}).json() == stored


class TestDelete:
    @pytest.mark.parametrize("state", ["pending", "on_hold", "processing", "cancelled", "failed"])
    def test_what_was_never_sold_can_go(self, client, order, move, state):
        if state != "pending":
            move(state)
        assert client.delete(f"{URL}{order['id']}/").status_code == 204
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        "way", [("paid",), ("authorized",), ("shipped",), ("paid", "cancelled"), ("completed",)]
    )
    def test_what_was_paid_or_sent_stays(self, client, order, move, way):
        for state in way:
            assert move(state).status_code == 200
        document = problem(client.delete(f"{URL}{order['id']}/"), 409, "not_deletable")
        assert "Cancel it instead." in document["detail"]
        assert Order.objects.exists()

    def test_what_a_feed_has_brought_stays(self, client, db):
        order = Order.objects.create(order_id="7", source="shop")
        document = problem(client.delete(f"{URL}{order.pk}/"), 409, "not_deletable")
        assert "It comes from shop" in document["detail"]
        assert Order.objects.exists()
