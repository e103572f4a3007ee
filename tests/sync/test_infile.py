"""A first load that sends its rows as files leads where INSERTs lead, or takes their way."""

from __future__ import annotations

import pytest
from django.db import connection

from django_ecommerce_sync.checks import check_database
from django_ecommerce_sync.models import Customer, Product, SyncLink
from django_ecommerce_sync.signals import batch_synced
from django_ecommerce_sync.sync.infile import FileInsert
from django_ecommerce_sync.sync.insert import ROW
from django_ecommerce_sync.sync.table import Table

from .conftest import customer, product
from .test_short_way import everything, forget_everything

needs_mysql = pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL takes files")
pytestmark = pytest.mark.django_db(transaction=True)
ODD = ["a\\b", "tab\tline\n\\N", 'it\'s "50 %"', "\\", "\U0001f6d2 größe", "\\N", "%s", ",;|"]


def reconnected(options):
    connection.close()
    connection.settings_dict["OPTIONS"].clear()
    connection.settings_dict["OPTIONS"].update(options)


@pytest.fixture
def options():
    """The options of the connection; it opens anew with them."""
    before = dict(connection.settings_dict["OPTIONS"])
    yield lambda **more: reconnected({**before, **more})
    reconnected(before)


@pytest.fixture
def sent(monkeypatch):
    """How many rows were sent as files."""
    found = []
    execute = FileInsert.execute

    def counted(self, later=()):
        done = execute(self, later)
        found.append("".join(self._rows).count(ROW))
        return done

    monkeypatch.setattr(FileInsert, "execute", counted)
    return found


@pytest.fixture
def files(settings, options, sent):
    """Rows are sent as files."""
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "LOCAL_INFILE": True}
    options(local_infile=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@local_infile")
        if not cursor.fetchone()[0]:
            pytest.skip("the server takes no files")
    return sent


def odd_rows():
    return [
        product(n, title=text, color=text, attributes={"x": [text, None, n / 2]}, brand=None)
        for n, text in enumerate(ODD, 1)
    ]


@needs_mysql
def test_it_leads_where_inserts_lead(shop, settings, files):
    shop.batch_size = 3
    shop.rows = {"products": odd_rows()}
    shop.sync()
    assert sum(files) == 2 * len(ODD)  # each with its link
    by_file = everything()

    forget_everything()
    files.clear()
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "LOCAL_INFILE": False}
    shop.sync()
    assert not files
    assert by_file == everything()


@needs_mysql
def test_repeats_and_rejected_rows_are_counted_as_ever(shop, files):
    rows = [product(n) for n in range(1, 9)]
    shop.rows = {"products": [*rows, product(3, title="Last"), product(10, price="a lot")]}
    run = shop.sync()
    counts = run.counts["products"]
    assert (counts["created"], counts["duplicate"], counts["rejected"]) == (8, 1, 1)
    assert Product.objects.get(name="Last").sku == rows[2]["sku"]
    assert files


@needs_mysql
def test_a_row_that_is_there_already_is_left_out_by_no_means(shop, files):
    """LOAD DATA LOCAL leaves it out without a word; the batch goes another way."""
    shop.batch_size = 1
    rows = shop.rows["products"] = [product(n) for n in range(1, 4)]

    def somebody_else(**kwargs):
        batch_synced.disconnect(somebody_else)
        Product.objects.create(sku=rows[1]["sku"], name="Before", price=1)

    batch_synced.connect(somebody_else)
    counts = shop.sync().counts["products"]
    assert (counts["created"], counts["updated"]) == (2, 1)
    assert SyncLink.objects.count() == Product.objects.count() == 3
    assert not Product.objects.filter(name="Before").exists()


@needs_mysql
def test_primary_keys_are_found_where_others_insert_at_the_same_time(shop, files, monkeypatch):
    between = Table.between
    monkeypatch.setattr(Table, "between", lambda *args, **fixed: between(*args, **fixed)[1::2])
    shop.rows = {"customers": [customer(n) for n in range(1, 8)]}
    shop.sync()
    keys = {str(pk) for pk in Customer.objects.values_list("pk", flat=True)}
    links = dict(SyncLink.objects.values_list("external_id", "object_id"))
    assert (set(links.values()), len(links)) == (keys, 7)
    emails = dict(Customer.objects.values_list("pk", "email"))
    assert all(f"{one}@" in emails[int(pk)] for one, pk in links.items())


@pytest.mark.parametrize("how", ["connection", "setting"])
def test_where_it_is_not_allowed_rows_are_inserted(shop, settings, options, sent, how):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "LOCAL_INFILE": how == "connection"}
    if how == "setting" and connection.vendor == "mysql":
        options(local_infile=True)
    shop.rows = {"products": [product(1)]}
    assert shop.counts() == {"read": 1, "created": 1}
    assert not sent
    complaints = [message.id for message in check_database(databases=["default"])]
    assert complaints == ["ecommerce_sync.W010"] * (how == "connection")


@needs_mysql
def test_nothing_is_said_where_it_is_allowed(files):
    assert check_database(databases=["default"]) == []


@needs_mysql
def test_values_that_cannot_be_parted_are_refused(shop, files):
    insert = Table(Customer, connection).insertion(["email"], {}, as_file=True)
    insert.add([("a\x1fb@example.com",)])
    with pytest.raises(Exception, match="part values"):
        insert.execute()


@needs_mysql
def test_nothing_is_nothing(files):
    constants = {"feed": "shop", "stream": "s", "model": "m", "repeats": False, "lacks": ""}
    constants |= {"first_run": 1, "last_changed_run": 1, "object_id": "1", "hash": ""}
    constants["missing_since"] = None
    names = ("external_id", "merged_row", "source_updated_at")
    insert = Table(SyncLink, connection).insertion(names, constants, as_file=True)
    insert.add([("a", None, None), ("b", 7, None)]).execute()
    found = SyncLink.objects.order_by("external_id").values_list(*names, "missing_since")
    assert list(found) == [("a", None, None, None), ("b", 7, None, None)]
