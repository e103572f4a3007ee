"""Many at once, over real sockets, against several processes of gunicorn on MariaDB or MySQL."""

import json
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

pytest.importorskip("MySQLdb")

from .server import manage, serving

pytestmark = pytest.mark.services

LOOK = """
import django; django.setup()
from django_ecommerce_sync.models import Customer, Order, Product
socks = Product.objects.get(sku="LAST")
print(Order.objects.filter(lines__product=socks).count(), socks.inventory_count,
      socks.reserved_count, Customer.objects.filter(email="once@example.com").count())
"""


@pytest.fixture(scope="module")
def server():
    with serving(workers=3, threads=4) as server:
        yield server


def post(server, path, body, key=None):
    """Status, whether it was a replay, and the answer."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.token}"}
    if key:
        headers["Idempotency-Key"] = key
    request = urllib.request.Request(
        f"{server.url}/api/{path}", json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.headers["Idempotency-Replayed"], json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None, json.load(error)


def at_once(number, call, *arguments):
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, *arguments))


def test_twenty_buy_the_last_five_and_a_hundred_are_one(server):
    status, _, socks = post(
        server,
        "products/",
        {"sku": "LAST", "price": "9.90", "currency": "EUR", "inventory_count": 5},
    )
    assert status == 201
    bodies = [
        {
            "order_id": f"race-{n}",
            "currency": "EUR",
            "lines": [{"product": socks["id"], "quantity": 1}],
        }
        for n in range(20)
    ]
    answers = at_once(20, post, repeat(server), repeat("orders/"), bodies)
    assert Counter(status for status, _, _ in answers) == {201: 5, 409: 15}
    assert {body["code"] for status, _, body in answers if status == 409} == {"insufficient_stock"}

    who = {"email": "once@example.com"}
    answers = at_once(50, post, repeat(server), repeat("customers/"), repeat(who, 100), repeat("k"))
    while waiting := [each for each in answers if each[0] == 409]:
        assert {body["code"] for _, _, body in waiting} == {"request_in_progress"}
        answers = [each for each in answers if each[0] != 409]
        answers += at_once(
            50, post, repeat(server), repeat("customers/"), [who] * len(waiting), repeat("k")
        )
    assert Counter((status, replayed) for status, replayed, _ in answers) == {
        (201, None): 1,
        (201, "true"): 99,
    }
    assert len({body["id"] for _, _, body in answers}) == 1

    orders, stock, reserved, customers = map(int, manage(server.environment, "-c", LOOK).split())
    assert (orders, stock - reserved, customers) == (5, 0, 1)
