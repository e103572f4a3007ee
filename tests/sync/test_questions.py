"""Absence: never above the ratio unasked, and a question that tells no secrets."""

from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import Archive
from django_ecommerce_sync.models import Product, SyncIssue
from django_ecommerce_sync.sync.merging import merge
from tests.sync.conftest import CUSTOMERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db


def archiving(stream, ratio):
    return replace(stream, missing=Archive(max_ratio=ratio), max_shrink=1)


def test_a_question_is_not_answered_by_the_next_run(shop):
    """What came with the run that asked is new to the question for good."""
    shop.streams = [archiving(PRODUCTS, 0.1)]
    shop.rows = {"products": [product(n) for n in range(3)]}
    shop.sync()
    shop.rows = {"products": [product(n) for n in range(100, 140)]}
    assert shop.sync().status == "partial"
    assert shop.sync().status == "partial"
    assert not Product.objects.exclude(archived_at=None).exists()


def test_the_ratio_is_that_of_rows_not_of_records(shop):
    """Three of four rows would go, but seven records are one row since some merges."""
    shop.streams = [archiving(PRODUCTS, 0.3)]
    shop.rows = {"products": [product(n) for n in range(10)]}
    shop.sync()
    first, *others = Product.objects.order_by("sku")[:7]
    for other in others:
        merge(first, other)
    shop.rows["products"] = shop.rows["products"][:7]
    assert shop.sync().status == "partial"
    assert not Product.objects.exclude(archived_at=None).exists()


def test_a_question_about_customers_tells_no_e_mail_address(shop):
    shop.streams = [archiving(CUSTOMERS, 0.1)]
    shop.rows = {"customers": [customer(n) for n in range(1, 5)]}
    shop.sync()
    shop.rows = {"customers": [customer(1)]}
    shop.sync()
    assert "@" not in SyncIssue.objects.get().message


def test_a_dry_run_asks_nobody(shop):
    """Its question must not stand against the consent of a run."""
    shop.streams = [archiving(PRODUCTS, 0.1)]
    shop.rows = {"products": [product(n) for n in range(1, 6)]}
    shop.sync()
    shop.rows = {"products": [product(n) for n in (1, 2)]}
    shop.sync(dry_run=True)
    shop.rows = {"products": [product(n) for n in (1, 3)]}
    assert shop.counts(allow_shrink=True) == {"read": 2, "unchanged": 2, "archived": 3}


def test_a_stream_that_its_feed_has_no_more_holds_no_row(shop):
    shop.streams = [archiving(PRODUCTS, 0.3)]
    shop.rows = {"products": [product(n) for n in range(10)]}
    shop.sync()
    goods = replace(PRODUCTS, name="goods", model="ecommerce_sync.Product")
    shop.streams = [archiving(goods, 0.3)]
    shop.rows = {"goods": [product(n) for n in range(10)]}
    shop.sync()
    shop.rows["goods"].pop()
    assert shop.counts("goods") == {"read": 9, "unchanged": 9, "archived": 1}
