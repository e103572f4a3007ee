"""What a request reads and writes costs the same number of queries, however many rows there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.models import (
    BULK,
    Customer,
    Order,
    OrderEvent,
    OrderLine,
    PlannedChange,
    Product,
    SentRow,
    SyncChange,
    SyncIssue,
    SyncRun,
)

#: Address → queries, those for the rights of who asks left aside.
LISTS = {
    "products/": 2,  # a count, the rows
    "products/?with_count=false": 1,
    "products/?cursor=": 1,
    "products/?fields=sku": 2,
    "products/?omit=attributes": 2,
    "products/?search=sock&ordering=-price": 2,
    "products/{product}/": 1,
    "products/{product}/?fields=sku": 1,
    "products/by-sku/SK-0/": 1,
    "products/{product}/changes/": 3,  # the row, a count, the changes with their users
    "customers/": 2,
    "customers/{customer}/": 1,
    "customers/by-email/c0@example.com/": 1,
    "customers/{customer}/changes/": 3,
    "orders/": 3,  # and the lines
    "orders/?fields=order_id": 2,
    "orders/?omit=lines": 2,
    "orders/?expand=customer": 4,
    "orders/?expand=lines.product": 4,
    "orders/?expand=customer,lines.product": 5,
    "orders/?cursor=": 2,
    "orders/?cursor=&expand=customer,lines.product": 4,
    "orders/{order}/": 2,
    "orders/{order}/?expand=customer,lines.product": 4,
    "orders/{order}/changes/": 4,  # and the lines
    "orders/{order}/events/": 3,
    "sync-runs/": 2,
    "sync-runs/{run}/issues/": 3,
    "sync-runs/{run}/plan/": 3,
    "sync-runs/{run}/results/": 3,  # and whether they were sent by who asks
}


def grow(number, user):
    """So many rows of everything, each below one row where it belongs to one."""
    products = [
        Product.objects.create(sku=f"SK-{n}", name="Sock", price=n, inventory_count=9)
        for n in range(number)
    ]
    customers = [Customer.objects.create(email=f"c{n}@example.com") for n in range(number)]
    orders = [Order.objects.create(order_id=str(n), customer=customers[n]) for n in range(number)]
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=product, position=n, quantity=1, unit_price=1)
        for order in orders
        for n, product in enumerate(products[:3])
    )
    runs = [
        SyncRun.objects.create(feed="shop", status="partial", slot=None, trigger=BULK)
        for _ in range(number)
    ]
    OrderEvent.objects.bulk_create(
        OrderEvent(order=orders[0], kind="changed") for _ in range(number)
    )
    SyncChange.objects.bulk_create(
        SyncChange(model=row._meta.label_lower, object_id=str(row.pk), action="edited", user=user)
        for row in (products[0], customers[0], orders[0])
        for _ in range(number)
    )
    of_run = {"run": runs[0], "stream": "products"}
    SyncIssue.objects.bulk_create(
        SyncIssue(**of_run, feed="shop", code="x", message="x", position=n) for n in range(number)
    )
    PlannedChange.objects.bulk_create(
        PlannedChange(**of_run, action="create", key=str(n), identity=str(n)) for n in range(number)
    )
    SentRow.objects.bulk_create(SentRow(run=runs[0], index=n) for n in range(number))
    return {
        "product": products[0].pk,
        "customer": customers[0].pk,
        "order": orders[0].pk,
        "run": runs[0].pk,
    }


def cost(client, method, address, body=None):
    """The answer, and how many queries it took; where a transaction begins and ends is no query."""
    with CaptureQueriesContext(connection) as queries:
        response = getattr(client, method)(f"/api/{address}", body)
    assert response.status_code < 300, response.content
    return response, len([each for each in queries if "SAVEPOINT" not in each["sql"]])


@pytest.mark.parametrize("number", [1, 50])
def test_what_a_request_costs(client, user, number):
    keys = grow(number, user)
    user.has_perms(["ecommerce_sync.view_product"])  # the rights are known from here on
    counted = {}
    for address in LISTS:
        response, counted[address] = cost(client, "get", address.format(**keys))
        if "results" in response.json():
            assert len(response.json()["results"]) == number, address
    assert counted == LISTS


def lines(number):
    return [{"sku": f"SK-{n}", "quantity": 1} for n in range(number)]


def rows(number, key, **values):
    return [{key: f"new{n}@example.com", **values} for n in range(number)]


def ids(number):
    """Whether the ids of rows made in bulk have to be asked for."""
    return 0 if connection.vendor == "mysql" and connection.mysql_is_mariadb else 1


#: What is done, in this order: method, address, body for so many rows, queries.
STOCK = {"inventory_count": 100}
WRITES = [
    ("post", "products/", lambda n: {"sku": "N", "price": "1"}, 2),  # and does anybody wait for it
    ("patch", "products/{product}/", lambda n: {"price": "7"}, 3),  # and which feeds know it
    ("patch", "products/{product}/", lambda n: {"price": "7.00"}, 1),
    ("put", "products/{product}/", lambda n: {"sku": "SK-0", "price": "8", **STOCK}, 3),
    ("put", "products/by-sku/SK-0/", lambda n: {"price": "9", **STOCK}, 3),
    ("put", "products/by-sku/NEW/", lambda n: {"price": "9"}, 3),
    ("post", "products/bulk/", lambda n: rows(n, "sku", price="1"), lambda n: 5 + ids(n)),
    ("post", "products/bulk/", lambda n: rows(n, "sku", price="2"), 7),
    ("post", "products/bulk/", lambda n: rows(n, "sku", price="2"), 5),
    ("delete", "products/{single}/", lambda n: None, 6),
    ("post", "customers/", lambda n: {"email": "n@example.com"}, 2),
    ("patch", "customers/{customer}/", lambda n: {"first_name": "Eve"}, 3),
    ("put", "customers/by-email/n@example.com/", lambda n: {"first_name": "Eve"}, 3),
    ("post", "customers/bulk/", lambda n: rows(n, "email"), lambda n: 5 + ids(n)),
    ("post", "customers/bulk/", lambda n: rows(n, "email", first_name="Eve"), 7),
    ("delete", "customers/{customer}/", lambda n: None, 6),
    # Each product is reserved by a statement that looks and writes in one.
    ("post", "orders/", lambda n: {"lines": lines(n)}, lambda n: 6 + n),
    ("patch", "orders/{mine}/", lambda n: {"note": "Ring twice."}, 5),
    ("patch", "orders/{mine}/", lambda n: {"lines": lines(n)}, lambda n: 9 + n),
    ("post", "orders/{mine}/transition/", lambda n: {"to": "paid"}, 5),
    (
        "post",
        "orders/bulk/",
        lambda n: rows(n, "order_id", currency="EUR", lines=lines(1)),
        lambda n: 10 + ids(n),  # and what currency the products are priced in
    ),
    ("post", "orders/bulk/", lambda n: rows(n, "order_id", note="Ring twice."), 9),
    ("delete", "orders/{unpaid}/", lambda n: None, 8),
]


@pytest.mark.parametrize("number", [1, 50])
def test_what_a_write_costs(client, user, number):
    keys = grow(number, user) | {
        "single": Product.objects.create(sku="single", price=1).pk,
        "unpaid": Order.objects.create(order_id="unpaid").pk,
        "mine": Order.objects.create(order_id="mine").pk,
    }
    user.has_perms(["ecommerce_sync.view_product"])
    counted = [
        f"{method} {address}: {cost(client, method, address.format(**keys), body(number))[1]}"
        for method, address, body, _queries in WRITES
    ]
    assert counted == [
        f"{method} {address}: {queries(number) if callable(queries) else queries}"
        for method, address, _body, queries in WRITES
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("post", "products/", {"sku": "N", "price": "1"}),
        ("patch", "products/{product}/", {"price": "7"}),
        ("patch", "orders/{order}/", {"note": "Ring twice."}),
    ],
)
def test_a_write_has_one_transaction_and_none_within(client, user, method, address, body):
    url = f"/api/{address.format(**grow(1, user))}"
    with CaptureQueriesContext(connection) as queries:
        response = getattr(client, method)(url, body)
    assert response.status_code in (200, 201), response.content
    begun = [each["sql"] for each in queries if each["sql"].startswith(("BEGIN", "SAVEPOINT"))]
    assert begun == ["BEGIN"]
