"""Two of everything, made by hand, and a picture of the tables to compare with."""

from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from django_ecommerce_sync.models import (
    Customer,
    Order,
    OrderLine,
    Product,
    StreamState,
    SyncLink,
    SyncRun,
)
from tests.sync.conftest import shop

__all__ = ["shop"]

#: What a merge may touch of the data people see; its own records are another matter.
TABLES = (Customer, Product, Order, OrderLine, SyncLink, StreamState)


def picture():
    """Every byte of those tables, as the database itself writes it."""
    with connection.cursor() as cursor:
        return {model: read(cursor, model) for model in TABLES}


def read(cursor, model):
    columns = ", ".join(as_text(field) for field in model._meta.concrete_fields)
    cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} ORDER BY id")
    return cursor.fetchall()


def as_text(field):
    kind = "char" if connection.vendor == "mysql" else "text"
    return f"CAST({connection.ops.quote_name(field.column)} AS {kind})"


def customer(email=None, **values):
    return Customer.objects.create(email=email, **values)


def product(sku, **values):
    return Product.objects.create(
        sku=sku, **{"price": Decimal("9.90"), "currency": "EUR", **values}
    )


def order(number, row=None, *products):
    made = Order.objects.create(
        order_id=str(number),
        source="shop",
        customer=row,
        customer_email=(row and row.email) or "",
        order_date=timezone.now(),
    )
    for position, sold in enumerate(products, 1):
        OrderLine.objects.create(
            order=made, position=position, product=sold, sku=sold.sku, name=sold.name
        )
    return made


def link(row, external_id, *, feed="shop", stream="customers"):
    run = SyncRun.objects.filter(feed=feed).first()
    run = run or SyncRun.objects.create(feed=feed, slot=None, status="succeeded")
    return SyncLink.objects.create(
        feed=feed,
        stream=stream,
        external_id=external_id,
        model=row._meta.label_lower,
        object_id=str(row.pk),
        hash=f"digest of {external_id}",
        first_run=run.pk,
        last_changed_run=run.pk,
        last_seen_run=run.pk,
    )


@pytest.fixture
def ann(db):
    """A customer with orders and a link, and the same one a second time, a little different."""
    one = customer("ann@example.com", first_name="Ann", last_name="Bee", phone="", version=3)
    one.address = {"street": "Main St 1", "city": "", "country": "DE"}
    one.save()
    link(one, "1")
    order(1, one)
    return one


@pytest.fixture
def anna(ann):
    two = customer(
        "anna@example.com",
        first_name="Anna",
        last_name="Bee",
        phone="+49 170 1234567",
        company="Bee Ltd",
        address={"city": "Bonn", "country": "FR", "postal_code": "53111"},
    )
    link(two, "2")
    link(two, "A-2", feed="market")
    order(2, two)
    order(3, two)
    return two
