"""The public test shops, end to end: counts, a second pass, and what must not be kept."""

import json
from decimal import Decimal

import pytest

from django_ecommerce_sync.feeds.vendors import DummyJSON, FakeStore
from django_ecommerce_sync.models import Customer, Order, Product

CANARY = "canary"


def dummyjson(server):
    """DummyJSON's side: lists in an envelope, by skip and limit."""
    products = [
        {
            "id": n,
            "title": f"Thing {n}",
            "sku": f"T-{n}",
            "price": 9.99,
            "stock": n,
            "availabilityStatus": "Low Stock",
            "reviews": [{"reviewerEmail": CANARY}],
            "meta": {"barcode": "4006381333931", "qrCode": CANARY},
        }
        for n in range(1, 131)
    ]
    users = [
        {
            "id": n,
            "email": f"u{n}@example.com",
            "firstName": "Ann",
            "lastName": "Bee",
            "password": CANARY,
            "ssn": CANARY,
            "bank": {"cardNumber": CANARY, "iban": CANARY},
            "crypto": {"wallet": CANARY},
            "macAddress": CANARY,
            "company": {"name": "C", "address": {"address": CANARY}},
            "address": {"city": "D", "coordinates": {"lat": CANARY}},
        }
        for n in range(1, 121)
    ]
    users.append({**users[0], "id": 121, "email": "no address"})
    carts = [
        {
            "id": n,
            "userId": n,
            "total": 29.97,
            "discountedTotal": 27.5,
            "products": [
                {
                    "id": n,
                    "title": f"Thing {n}",
                    "price": 9.99,
                    "quantity": 3,
                    "total": 29.97,
                    "discountedTotal": 27.5,
                    "thumbnail": CANARY,
                }
            ],
        }
        for n in (*range(1, 111), 999)
    ]
    tables = {"products": products, "users": users, "carts": carts}

    def answer(request):
        name = request.path.strip("/")
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        rows = tables[name][skip : skip + limit]
        return 200, {}, json.dumps({name: rows, "total": len(tables[name])}).encode()

    server.answer = answer
    return {
        "products": {"read": 130, "created": 130},
        "customers": {"read": 121, "created": 120, "rejected": 1},
        "orders": {"read": 111, "created": 110, "rejected": 1},
    }


def fakestore(server):
    """The Fake Store's side: bare lists, all of it in one answer."""
    tables = {
        "products": [
            {"id": n, "title": f"Bag {n}", "price": 109.95, "rating": {"rate": CANARY}}
            for n in range(1, 21)
        ],
        "users": [
            {
                "id": n,
                "email": f"U{n}@Example.com",
                "username": CANARY,
                "password": CANARY,
                "name": {"firstname": "Ann", "lastname": "Bee"},
                "address": {"city": "D", "number": 7, "geolocation": {"lat": CANARY}},
            }
            for n in range(1, 11)
        ],
        "carts": [
            {
                "id": n,
                "userId": n,
                "date": "2020-03-02T00:00:00.000Z",
                "products": [{"productId": n, "quantity": 4}],
                "__v": CANARY,
            }
            for n in (*range(1, 8), 999)
        ],
    }
    server.answer = lambda request: (200, {}, json.dumps(tables[request.path[1:]]).encode())
    return {
        "products": {"read": 20, "created": 20},
        "customers": {"read": 10, "created": 10},
        "orders": {"read": 8, "created": 7, "rejected": 1},
    }


@pytest.mark.parametrize(("backend", "shop"), [(DummyJSON, dummyjson), (FakeStore, fakestore)])
def test_a_whole_shop_and_a_second_pass(counts, server, rows, backend, shop):
    expected = shop(server)
    options = {"base_url": server.url, "allow_private_addresses": True}
    assert counts(backend, **options) == expected
    before = rows()
    second = {
        stream: {"unchanged" if name == "created" else name: n for name, n in found.items()}
        for stream, found in expected.items()
    }
    assert counts(backend, **options) == second
    assert rows() == before


@pytest.mark.parametrize(
    ("backend", "shop", "requests"), [(DummyJSON, dummyjson, 6), (FakeStore, fakestore, 3)]
)
def test_each_page_is_asked_for_once(counts, server, backend, shop, requests):
    shop(server)
    counts(backend, base_url=server.url, allow_private_addresses=True)
    assert len(server.requests) == requests


@pytest.mark.parametrize(("backend", "shop"), [(DummyJSON, dummyjson), (FakeStore, fakestore)])
def test_nothing_is_kept_that_the_mapping_does_not_name(sync, server, traces, backend, shop):
    shop(server)
    sync(backend, base_url=server.url, allow_private_addresses=True)
    assert Customer.objects.exists()
    assert CANARY not in traces()


def test_dummyjson_orders_have_customers_and_exact_amounts(counts, server):
    dummyjson(server)
    counts(DummyJSON, base_url=server.url, allow_private_addresses=True)
    order = Order.objects.get(order_id="110")
    assert (order.customer.email, order.customer_name) == ("u110@example.com", "Ann Bee")
    assert (order.subtotal, order.total_amount) == (Decimal("29.97"), Decimal("27.50"))
    assert order.discount_total == order.lines.get().discount_amount == Decimal("2.47")
    assert order.lines.get().product == Product.objects.get(sku="T-110")


def test_fakestore_orders_cost_what_their_products_cost(counts, server):
    fakestore(server)
    counts(FakeStore, base_url=server.url, allow_private_addresses=True)
    order = Order.objects.get(order_id="7")
    assert (order.customer.email, order.currency) == ("u7@example.com", "USD")
    assert order.total_amount == 4 * Decimal("109.95")
    assert order.lines.get().sku == "FS-7"
