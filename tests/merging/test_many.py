"""Many pairs merged and taken back: every table is as before, to the last byte.

``MERGED_PAIRS=1000`` is the full form: as many pairs of customers and as many of products.
"""

import os
import random

import pytest
from django.db import transaction

from django_ecommerce_sync.models import Customer, Merge, MergeCandidate, Order, Product
from django_ecommerce_sync.sync.merging import find, merge_all, undo
from tests.merging.conftest import link, order, picture
from tests.sync.conftest import customer as record_of_customer
from tests.sync.conftest import product as record_of_product

pytestmark = pytest.mark.django_db

PAIRS = int(os.environ.get("MERGED_PAIRS", "100"))


def twice(number, **values):
    """A customer whom a shop has under two addresses of one mailbox, each a little different."""
    first = record_of_customer(
        2 * number, email=f"a.{number}@gmail.com", first="Änn", phone="", **values
    )
    second = record_of_customer(
        2 * number + 1, email=f"a{number}@gmail.com", first="änn", phone=f"0170 {10**6 + number}"
    )
    return [first, second]


def bought(number):
    """An order of each of the two, of a product that is there twice itself."""
    return [
        {
            "id": customer,
            "customer_id": customer,
            "date": "2026-05-01T10:00:00Z",
            "lines": [{"product_id": customer, "quantity": 1, "price": "9.90"}],
        }
        for customer in (2 * number, 2 * number + 1)
    ]


def same_thing(number):
    """A product under two SKUs, with one title and price."""
    return [
        record_of_product(n, title=f"Wool blanket {number}", stock=n, **values)
        for n, values in ((2 * number, {"color": "red"}), (2 * number + 1, {"size": "L"}))
    ]


@pytest.fixture
def shop(shop):
    numbers = range(1, PAIRS + 1)
    shop.rows = {
        "customers": [row for number in numbers for row in twice(number)],
        "products": [row for number in numbers for row in same_thing(number)],
        "orders": [row for number in numbers for row in bought(number)],
    }
    shop.sync()
    for number, row in enumerate(Customer.objects.order_by("pk")):
        if number % 3 == 0:
            link(row, f"M{number}", feed="market")
            order(f"M{number}", row)
        if number % 5 == 0:
            row.address = {"street": f"Straße {number}", "city": "Köln" if number % 2 else ""}
            row.save()
    return shop


def test_customers_and_products_are_as_before(shop):
    shop.sync()  # the rows people have written are compared with the feed before, not after
    find(Customer)
    find(Product)
    before = picture()
    with transaction.atomic():
        outcomes = list(merge_all(80))
        assert [outcome.refusal for outcome in outcomes] == [""] * 2 * PAIRS
        assert Customer.objects.count() == Product.objects.count() == PAIRS
        assert len({row.customer_id for row in Order.objects.all()}) == PAIRS
        assert picture() != before
        records = [outcome.merge for outcome in outcomes]
        random.Random(1).shuffle(records)
        for record in records:
            undo(record)
    after = picture()
    assert after.keys() == before.keys()
    for model, rows in before.items():
        assert after[model] == rows, model
    assert shop.counts("customers") == {"read": 2 * PAIRS, "unchanged": 2 * PAIRS}
    assert shop.counts("products") == {"read": 2 * PAIRS, "unchanged": 2 * PAIRS}
    assert not Merge.objects.filter(undone_at=None).exists()
    assert set(MergeCandidate.objects.values_list("state", flat=True)) == {"dismissed"}
