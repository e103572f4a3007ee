import json
from datetime import UTC, datetime
from decimal import Decimal

from django_ecommerce_sync.feeds import Reference
from django_ecommerce_sync.feeds.vendors import DummyJSON, FakeStore

from .reading import rows

PRODUCTS = [
    {
        "id": n,
        "title": f"Thing {n}",
        "sku": f"T-{n}",
        "price": 9.99,
        "stock": n,
        "secret": "x",
        "availabilityStatus": "In Stock",
        "meta": {"barcode": "40"},
        "tags": ["a"],
    }
    for n in range(1, 131)
]
USER = {
    "id": 5,
    "email": "a@b.example",
    "firstName": "A",
    "lastName": "B",
    "phone": "1",
    "password": "canary",
    "ssn": "canary",
    "bank": {"iban": "canary"},
    "ip": "canary",
    "company": {"name": "C"},
    "address": {"city": "D", "postalCode": "1", "coordinates": "canary"},
}
CART = {
    "id": 7,
    "userId": 5,
    "total": 29.969999999999997,
    "discountedTotal": 27.5,
    "products": [
        {
            "id": 3,
            "title": "Thing 3",
            "price": 9.99,
            "quantity": 3,
            "total": 29.969999999999997,
            "discountedTotal": 27.5,
        },
    ],
}


def shop(request):
    name = request.path.strip("/")
    every = {"products": PRODUCTS, "users": [USER], "carts": [CART]}[name]
    skip, limit = int(request.query["skip"]), int(request.query["limit"])
    page = {name: every[skip : skip + limit], "total": len(every), "skip": skip, "limit": limit}
    return 200, {}, json.dumps(page).encode()


def mapped(feed, name):
    stream = feed.stream(name)
    key = {"products": "sku", "customers": "email", "orders": "order_id"}[name]
    return [(stream.identify(row, key), stream.map(row)) for row in rows(feed, name)]


def test_dummyjson(server):
    server.answer = shop
    feed = DummyJSON(base_url=server.url)
    products = mapped(feed, "products")
    assert [request.query for request in server.requests] == [
        {"skip": "0", "limit": "100"}, {"skip": "100", "limit": "100"},
    ]  # fmt: skip
    assert len(products) == 130
    assert products[0] == (
        "1",
        {
            "sku": "T-1",
            "name": "Thing 1",
            "price": Decimal("9.99"),
            "inventory_count": 1,
            "availability": "In Stock",
            "gtin": "40",
            "attributes": {"tags": ["a"]},
        },
    )
    ((key, customer),) = mapped(feed, "customers")
    assert (key, customer["email"], customer["company"]) == ("5", "a@b.example", "C")
    assert customer["address"] == {"city": "D", "postal_code": "1"}
    assert "canary" not in str(customer)
    ((key, order),) = mapped(feed, "orders")
    assert key == "7"
    assert order == {
        "order_id": "7",
        "customer": Reference("customers", "5"),
        "subtotal": Decimal("29.97"),
        "discount_total": Decimal("2.47"),
        "total_amount": Decimal("27.50"),
        "lines": [
            {
                "product": Reference("products", "3"),
                "name": "Thing 3",
                "unit_price": Decimal("9.99"),
                "quantity": 3,
                "discount_amount": Decimal("2.47"),
                "line_total": Decimal("27.50"),
            }
        ],
    }


def test_fakestore(server):
    bodies = {
        "/products": [{"id": 1, "title": "Bag", "price": 109.95, "category": "c", "image": "u"}],
        "/users": [{"id": 2, "email": "a@b.example", "name": {"firstname": "A", "lastname": "B"},
                    "password": "canary", "address": {"city": "D", "geolocation": "canary"}}],
        "/carts": [{"id": 3, "userId": 2, "date": "2020-03-02T00:00:00.000Z",
                    "products": [{"productId": 1, "quantity": 4}]}],
    }  # fmt: skip
    server.answer = lambda request: (200, {}, json.dumps(bodies[request.path]).encode())
    feed = FakeStore(base_url=server.url)
    ((key, product),) = mapped(feed, "products")
    assert (key, product["sku"], product["price"]) == ("1", "FS-1", Decimal("109.95"))
    ((_, customer),) = mapped(feed, "customers")
    assert (customer["first_name"], customer["address"]) == ("A", {"city": "D"})
    assert "canary" not in str(customer)
    ((key, order),) = mapped(feed, "orders")
    assert order == {
        "order_id": "3",
        "order_date": datetime(2020, 3, 2, tzinfo=UTC),
        "customer": Reference("customers", "2"),
        "lines": [{"product": Reference("products", "1"), "quantity": 4}],
    }
