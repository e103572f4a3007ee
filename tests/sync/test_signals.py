"""What is told of a batch: once it is committed, with its rows, and never of a dry run."""

import threading

import pytest
from django.db import connection, connections

from django_ecommerce_sync.models import Product, SyncRun
from django_ecommerce_sync.signals import batch_synced
from django_ecommerce_sync.sync import execute, request_run
from tests.sync.conftest import PRODUCTS, customer, product
from tests.sync.test_runs import crash, expire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listen():
    """Connect a function to ``batch_synced`` for the time of the test."""
    connected = []

    def connect(function):
        def receiver(sender, **kwargs):
            function(sender, **kwargs)

        connected.append(receiver)
        batch_synced.connect(receiver)

    yield connect
    for receiver in connected:
        batch_synced.disconnect(receiver)


@pytest.fixture
def told(listen):
    """Model, stream, number of rows created, and changed fields by SKU or e-mail."""
    heard = []

    def note(sender, stream, created, updated, **kwargs):
        names = sender.objects.in_bulk(updated)
        changed = {getattr(names[pk], sender.sync_key): fields for pk, fields in updated.items()}
        heard.append((sender._meta.model_name, stream, len(created), changed))

    listen(note)
    return heard


def test_every_batch_that_changed_something_is_told(shop, told):
    shop.batch_size = 2
    shop.rows = {"products": [product(n) for n in range(1, 6)], "customers": [customer(1)]}
    shop.sync()
    products = [("product", "products", number, {}) for number in (2, 2, 1)]
    assert told == [*products, ("customer", "customers", 1, {})]
    told.clear()
    rows = shop.rows["products"]
    rows[2] |= {"price": "1", "title": "New"}
    rows[3] |= {"sku": "RENAMED"}
    shop.sync()
    changed = {"SKU-3": ("name", "price"), "RENAMED": ("sku",)}
    ((*rest, fields),) = told
    assert rest == ["product", "products", 0]
    assert {sku: tuple(sorted(names)) for sku, names in fields.items()} == changed
    told.clear()
    shop.sync()
    assert told == []


def test_what_is_told_can_be_seen_by_everybody(shop, listen):
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("SQLite's memory has one connection")
    shop.batch_size = 2
    shop.rows = {"products": [product(n) for n in range(1, 6)]}
    seen = []

    def look(run, created):
        committed = Product.objects.filter(pk__in=created).count()
        read = SyncRun.objects.get(pk=run.pk).counts_of("products")["read"]
        seen.append((committed, read))
        connections.close_all()

    def from_elsewhere(sender, run, created, **kwargs):
        assert not connection.in_atomic_block
        other = threading.Thread(target=look, args=(run, created))
        other.start()
        other.join()

    listen(from_elsewhere)
    assert shop.sync().status == "succeeded"
    assert seen == [(2, 2), (2, 4), (1, 5)]


def test_a_listener_may_write_the_rows_it_hears_of(shop, listen):
    def write(sender, created, **kwargs):
        sender.objects.filter(pk__in=created).update(brand="Acme")

    listen(write)
    shop.rows = {"products": [product(1)]}
    shop.sync()
    assert Product.objects.get().brand == "Acme"


def test_a_batch_that_was_rolled_back_is_told_when_it_lands(shop, told, monkeypatch):
    shop.batch_size = 2
    shop.rows = {"products": [product(n) for n in range(1, 6)]}
    shop.configure()
    run, _ = request_run("shop")
    crash(run.pk, 2, monkeypatch)
    assert [number for _, _, number, _ in told] == [2]
    expire(run)
    execute(run.pk)
    assert [number for _, _, number, _ in told] == [2, 2, 1]


@pytest.mark.parametrize("save_rows", [False, True])
def test_a_dry_run_is_not_told(shop, told, save_rows):
    shop.streams[0] = type(PRODUCTS)(
        "products", external_id="id", fields=PRODUCTS.fields, save_rows=save_rows
    )
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync(dry_run=True)
    shop.sync()
    shop.rows["products"][0]["price"] = "1"
    shop.sync(dry_run=True)
    assert [number for _, _, number, _ in told] == [2]


def test_a_rejected_row_is_not_told_of(shop, told):
    shop.rows = {"products": [product(n) for n in range(1, 5)]}
    shop.sync()
    told.clear()
    shop.rows["products"] = [product(n, price="1") for n in range(1, 5)]
    shop.rows["products"][2]["stock"] = 2**40
    run = shop.sync()
    assert run.counts_of("products")["rejected"] == 1
    assert sorted(sku for _, _, _, fields in told for sku in fields) == ["SKU-1", "SKU-2", "SKU-4"]
