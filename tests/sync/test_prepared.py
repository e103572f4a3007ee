"""Queries whose SQL is made once give what their querysets give."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.models import Product
from django_ecommerce_sync.sync.prepared import PLACEHOLDERS, PreparedQuery, for_update

NUMBER, TEXT, MOMENT = (PLACEHOLDERS[kind] for kind in (int, str, datetime))
START = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest.fixture(autouse=True)
def products(db):
    for number in range(5):
        product = Product.objects.create(sku=f"P{number}", price=number, attributes={"n": number})
        moment = START + timedelta(seconds=number)
        Product.objects.filter(pk=product.pk).update(updated_at=moment)
    return list(Product.objects.order_by("pk"))


def skus(queryset):
    return queryset.order_by("sku").values_list("sku")


def test_values_take_their_places_more_than_once():
    def build(text, number):
        found = Product.objects.exclude(sku=text) & Product.objects.filter(sku__lt="P9")
        return skus(found.filter(inventory_count__lt=number) | Product.objects.filter(sku=text))

    query = PreparedQuery(build, TEXT, NUMBER)
    for values in (("P1", 1), ("P1", 0), ("none", 7)):
        assert list(query.rows(*values)) == list(build(*values))


def test_moments_are_those_of_the_database():
    query = PreparedQuery(
        lambda moment: skus(Product.objects.filter(updated_at__gt=moment)), MOMENT
    )
    assert list(query.rows(START + timedelta(seconds=2))) == [("P3",), ("P4",)]


@pytest.mark.parametrize(("start", "number"), [(0, 2), (2, 2), (4, 9), (9, 1)])
def test_bounds_of_a_slice_are_values_too(start, number):
    def build(text, start, number):
        return skus(Product.objects.exclude(sku=text))[start : start + number]

    query = PreparedQuery(build, TEXT, NUMBER, NUMBER + 1)
    assert list(query.rows("P1", start, number)) == list(build("P1", start, number))


def test_objects_are_as_django_reads_them(products, django_assert_num_queries):
    find = for_update(Product.objects.all(), "sku", TEXT)
    with transaction.atomic(), django_assert_num_queries(2):
        (found,) = find.objects("P3")
        assert find.objects("none") == []
    assert found == products[3]
    assert vars(found).keys() == vars(products[3]).keys()
    assert (found.attributes, found.price, found._state.db) == ({"n": 3}, 3, "default")
    found.save()
    assert Product.objects.get(sku="P3").version == products[3].version + 1


@pytest.mark.skipif(not connection.features.has_select_for_update, reason="nothing is locked here")
def test_the_row_is_locked():
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        for_update(Product.objects.all(), "pk", NUMBER).objects(1)
    assert "FOR UPDATE" in queries[0]["sql"]
