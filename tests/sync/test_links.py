"""A row that somebody else wrote is compared with its feed again."""

import pytest
from django.contrib.auth.models import Group

from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import Product, SyncLink
from tests.shop.models import Gadget
from tests.sync.conftest import product

pytestmark = pytest.mark.django_db

GADGETS = Stream(
    "gadgets",
    model="shop.Gadget",
    key="serial",
    external_id="id",
    fields={"serial": "serial", "name": "name"},
)


@pytest.fixture
def gadgets(shop):
    shop.streams = [GADGETS]
    shop.rows = {"gadgets": [{"id": n, "serial": f"G{n}", "name": f"Gadget {n}"} for n in (1, 2)]}
    return shop


def test_a_host_s_own_row_that_a_person_changed_is_compared_again(gadgets):
    gadgets.sync()
    row = Gadget.objects.get(serial="G1")
    row.name = "By hand"
    row.save()
    assert gadgets.counts("gadgets") == {"read": 2, "updated": 1, "unchanged": 1}
    row.refresh_from_db()
    assert row.name == "Gadget 1"


def test_a_host_s_own_row_that_a_person_deleted_comes_anew(gadgets):
    gadgets.sync()
    Gadget.objects.get(serial="G1").delete()
    assert SyncLink.objects.count() == 1
    assert gadgets.counts("gadgets") == {"read": 2, "created": 1, "unchanged": 1}


def test_models_no_feed_writes_cost_nothing(gadgets, django_assert_num_queries):
    gadgets.configure()
    group = Group.objects.create(name="a")
    with django_assert_num_queries(1):
        group.save()


def test_a_model_is_known_as_soon_as_the_settings_name_it(gadgets, settings):
    shop_only = {"shop": {"BACKEND": MemoryFeed, "OPTIONS": {"streams": [], "rows": {}}}}
    gadgets.sync()
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": shop_only}
    row = Gadget.objects.get(serial="G1")
    row.save()
    assert not SyncLink.objects.filter(hash="").exists()
    gadgets.configure()
    row.save()
    assert SyncLink.objects.get(hash="").object_id == str(row.pk)


class Broken(MemoryFeed):
    def __init__(self, **options):
        raise KeyError("ACME_TOKEN")


@pytest.mark.parametrize(
    "wrong",
    [
        {"BACKEND": "nowhere.Feed"},
        {"BACKEND": Broken},
        {"BACKEND": MemoryFeed, "OPTIONS": {"streams": None}},
        {"BACKEND": MemoryFeed, "OPTIONS": {"streams": ["products"]}},
    ],
)
def test_a_misconfigured_feed_breaks_no_save(gadgets, settings, wrong):
    gadgets.sync()
    feeds = {"a": wrong, **settings.ECOMMERCE_SYNC["FEEDS"], "z": wrong}
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": feeds}
    row = Gadget.objects.get(serial="G1")
    row.save()
    assert SyncLink.objects.get(hash="").object_id == str(row.pk)


def test_a_product_is_known_without_any_feed(shop, settings):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {}}
    Product.objects.get().save()
    assert SyncLink.objects.get().hash == ""
