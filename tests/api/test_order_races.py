"""Many clients at once: nothing is sold twice, nothing moves twice, nobody waits for ever."""

import threading
from itertools import permutations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from django_ecommerce_sync.models import Order, OrderEvent, OrderLine, Product

from .conftest import APIClient

URL = "/api/orders/"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer"),
]


@pytest.fixture
def at_once(user):
    """Carry out requests in threads that start together; the answers."""
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="ecommerce_sync"))

    def run(*requests):
        barrier, answers = threading.Barrier(len(requests)), [None] * len(requests)

        def work(number, request):
            client = APIClient()
            client.force_authenticate(user)
            barrier.wait()
            answers[number] = request(client)
            connection.close()

        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(requests)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return answers

    return run


def codes(answers):
    return sorted(answer.status_code for answer in answers)


def buying(*skus):
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    return lambda client: client.post(URL, {"lines": lines})


def moving(order, to):
    return lambda client: client.post(f"{URL}{order['id']}/transition/", {"to": to})


def stock(sku):
    return Product.objects.values_list("inventory_count", "reserved_count").get(sku=sku)


def test_twenty_buy_the_last_five(at_once, product):
    answers = at_once(*[buying("SK-1")] * 20)
    assert codes(answers) == [201] * 5 + [409] * 15
    refusals = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refusals == {"insufficient_stock"}
    assert stock("SK-1") == (5, 5)
    assert (Order.objects.count(), OrderLine.objects.count()) == (5, 5)


def test_baskets_in_any_order_never_block_each_other(at_once, product):
    for sku in ("A", "B", "C"):
        Product.objects.create(sku=sku, price=1, inventory_count=5)
    baskets = [buying(*basket) for basket in permutations(["A", "B", "C", "SK-1"])]
    assert codes(at_once(*baskets)) == [201] * 5 + [409] * 19
    assert {stock(sku) for sku in ("A", "B", "C", "SK-1")} == {(5, 5)}


@pytest.fixture
def order(client, product):
    return client.post(URL, {"lines": [{"sku": "SK-1", "quantity": 2}]}).json()


def test_of_two_equal_moves_one_wins(at_once, order):
    assert codes(at_once(*[moving(order, "shipped")] * 6)) == [200] + [409] * 5
    assert stock("SK-1") == (3, 0)
    assert OrderEvent.objects.filter(to_state="shipped").count() == 1


@pytest.mark.parametrize("other", ["cancelled", "completed"])
def test_moves_that_exclude_each_other(at_once, order, other):
    requests = [moving(order, "shipped"), moving(order, other)] * 3
    answers = at_once(*requests)
    row = Order.objects.get()
    ends = {"cancelled": (5, 0), "shipped": (3, 0), "completed": (3, 0)}
    assert stock("SK-1") == ends[row.status]
    assert codes(answers).count(200) == OrderEvent.objects.filter(kind="transition").count()


def test_deleting_and_moving_give_back_once(at_once, order):
    def delete(client):
        return client.delete(f"{URL}{order['id']}/")

    answers = at_once(delete, moving(order, "cancelled"), delete, delete)
    assert set(codes(answers)) <= {200, 204, 404}
    assert codes(answers).count(204) == 1
    assert stock("SK-1") == (5, 0)


def test_changing_lines_while_others_buy(at_once, order):
    def change(client):
        lines = [{"sku": "SK-1", "quantity": 3}]
        return client.patch(f"{URL}{order['id']}/", {"lines": lines})

    answers = at_once(change, *[buying("SK-1")] * 8)
    assert set(codes(answers)) <= {200, 201, 409}
    held = sum(OrderLine.objects.values_list("reserved_count", flat=True))
    assert stock("SK-1") == (5, held)
    assert held == 5


def test_baskets_that_change_and_baskets_that_are_bought_never_end_each_other(
    at_once, client, monkeypatch
):
    """Nobody waits a second time: the locks are taken in one order, whatever changes."""
    monkeypatch.setattr("django_ecommerce_sync.sync.faults.is_lock_conflict", lambda error: False)
    for sku in ("A", "B"):
        Product.objects.create(sku=sku, price=1, inventory_count=1000)
    baskets = [[{"sku": sku, "quantity": 1} for sku in skus] for skus in ("AB", "BA")]
    made = [client.post(URL, {"lines": baskets[0]}).json()["id"] for _ in range(4)]

    def changing(pk, turn):
        return lambda client: client.patch(f"{URL}{pk}/", {"lines": baskets[turn]})

    for turn in (1, 0) * 5:
        answers = at_once(*[changing(pk, turn) for pk in made], *[buying("A", "B")] * 4)
        assert codes(answers) == [200] * 4 + [201] * 4
