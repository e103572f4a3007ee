"""Two of everything, made by hand, and a picture of the tables to compare with."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from django_ecommerce_sync.models import (
    Customer,
    Merge,
    MergeCandidate,
    Order,
    OrderLine,
    Product,
    SyncLink,
    SyncRun,
)
from tests.sync.conftest import shop
from tests.sync.test_ownership import feeds

__all__ = ["feeds", "shop"]

#: Every table of the package but those a merge keeps its own records in.
TABLES = tuple(
    model
    for model in apps.get_app_config("ecommerce_sync").get_models()
    if model not in (Merge, MergeCandidate)
)


def picture():
    """Every column of those tables, to the last byte and digit the database keeps of it."""
    with connection.cursor() as cursor:
        return {model: read(cursor, model) for model in TABLES}


#: Into what numbers and times are cast to be seen as they are.
KINDS = {"mysql": "char", "postgresql": "text"}


def read(cursor, model):
    columns = ", ".join(as_text(field) for field in model._meta.concrete_fields)
    cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} ORDER BY id")
    return cursor.fetchall()


def as_text(field):
    column = connection.ops.quote_name(field.column)
    if connection.vendor == "sqlite":
        return f"quote({column})"  # 1 and 1.0, '1' and 1 are not the same
    return f"HEX({column})" if is_text(field) else f"CAST({column} AS {KINDS[connection.vendor]})"


def is_text(field):
    """Whether a collation may take two values of it for one."""
    text = isinstance(field, (models.CharField, models.TextField, models.JSONField))
    return connection.vendor == "mysql" and text


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
