"""Every list and every row costs the same number of queries, however many rows there are."""

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
    products = [Product.objects.create(sku=f"SK-{n}", name="Sock", price=n) for n in range(number)]
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


@pytest.mark.parametrize("number", [1, 50])
def test_what_a_request_costs(client, user, number):
    keys = grow(number, user)
    user.has_perms(["ecommerce_sync.view_product"])  # the rights are known from here on
    counted = {}
    for address in LISTS:
        with CaptureQueriesContext(connection) as queries:
            response = client.get(f"/api/{address.format(**keys)}")
        assert response.status_code == 200, response.content
        asked = [each["sql"] for each in queries if "SAVEPOINT" not in each["sql"]]
        counted[address] = len(asked)
        if "results" in response.json():
            assert len(response.json()["results"]) == number, address
    assert counted == LISTS
