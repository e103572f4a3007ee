"""A stream read in partitions comes to what it comes to when it is read as one."""

from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import PageRanges
from django_ecommerce_sync.models import SyncPartition
from tests.sync.conftest import product

pytestmark = pytest.mark.django_db


@pytest.fixture
def parted(shop):
    shop.streams = [replace(stream, partitions=PageRanges(4)) for stream in shop.streams]
    shop.page_size = 5
    shop.batch_size = 7
    return shop


def test_all_rows_land_and_are_counted(parted):
    parted.rows = {"products": [product(n) for n in range(1, 48)]}
    assert parted.counts() == {"read": 47, "created": 47}
    assert SyncPartition.objects.count() == 4
    assert parted.counts() == {"read": 47, "unchanged": 47}
