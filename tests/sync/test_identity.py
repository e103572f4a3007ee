"""A record is its link, then its key, else new; and never somebody else's row."""

import pytest

from django_ecommerce_sync.feeds import Stream
from django_ecommerce_sync.models import Customer, Product, RunStatus, SyncIssue, SyncLink
from django_ecommerce_sync.sync import execute, retry
from django_ecommerce_sync.sync.merging import merge
from tests.sync.conftest import CUSTOMERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("batch_size", [3, 1000])
def test_renamed_skus_of_known_records_update_their_rows(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(n) for n in range(1, 11)]}
    shop.sync()
    pks = dict(Product.objects.values_list("name", "pk"))
    shop.rows = {"products": [product(n, sku=f"NEW/{n}") for n in range(1, 11)]}
    assert shop.counts() == {"read": 10, "updated": 10}
    assert dict(Product.objects.values_list("name", "pk")) == pks
    assert Product.objects.filter(sku__startswith="NEW/").count() == 10


@pytest.mark.parametrize("batch_size", [3, 1000])
def test_skus_that_change_places_do_not_collide(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(n) for n in range(1, 11)]}
    shop.sync()
    shop.rows = {"products": [product(n, sku=f"SKU-{n % 10 + 1}") for n in range(1, 11)]}
    run = shop.sync()
    assert run.status == RunStatus.SUCCEEDED
    assert run.counts_of("products")["updated"] == 10
    assert run.issues.count() == 0
    skus = dict(Product.objects.values_list("name", "sku"))
    assert skus == {f"Thing {n}": f"SKU-{n % 10 + 1}" for n in range(1, 11)}


def test_a_key_of_another_record_is_a_conflict_never_a_merge(shop):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows = {"products": [product(1), product(2, sku="SKU-1", title="Intruder")]}
    run = shop.sync()
    assert run.counts_of("products")["rejected"] == 1
    assert run.issues.get().code == "identity_conflict"
    assert dict(Product.objects.values_list("sku", "name")) == {
        "SKU-1": "Thing 1",
        "SKU-2": "Thing 2",
    }


def test_two_new_records_with_one_key_do_not_share_a_row(shop):
    shop.rows = {"products": [product(1, sku="SAME"), product(2, sku="SAME")]}
    run = shop.sync()
    assert run.counts_of("products")["created"] == 1
    assert run.issues.get().code == "identity_conflict"
    assert Product.objects.get().name == "Thing 1"


def test_a_row_nobody_linked_is_adopted_by_its_key(shop):
    mine = Product.objects.create(sku="SKU-1", name="by hand", price=1)
    shop.rows = {"products": [product(1)]}
    assert shop.counts() == {"read": 1, "updated": 1}
    assert Product.objects.get().pk == mine.pk
    assert SyncLink.objects.get().object_id == str(mine.pk)


def test_a_second_feed_finds_the_row_by_its_key(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    shop.alias = "other"
    shop.rows = {"products": [product(77, sku="SKU-1", price="8")]}
    assert shop.counts() == {"read": 1, "updated": 1}
    assert SyncLink.objects.filter(object_id=str(Product.objects.get().pk)).count() == 2


def test_keys_equal_only_when_python_says_so(shop):
    skus = ["abc", "ABC", "ábc", "abç", "straße", "strasse", "😀", "😁"]
    shop.rows = {"products": [product(n, sku=sku) for n, sku in enumerate(skus, 1)]}
    assert shop.counts() == {"read": 8, "created": 8}
    assert shop.counts(full=True) == {"read": 8, "unchanged": 8}
    assert set(Product.objects.values_list("sku", flat=True)) == set(skus)


def test_a_key_is_trimmed_and_composed(shop):
    by_key = Stream("products", fields=PRODUCTS.fields)
    shop.streams = [by_key]
    shop.rows = {"products": [product(1, sku="e\u0301tui "), product(2, sku=" \u00e9tui")]}
    assert shop.counts() == {"read": 2, "created": 1, "duplicate": 1}
    assert Product.objects.get().sku == "\u00e9tui"


def test_folded_keys_match_whatever_their_case(shop):
    shop.streams = [Stream("products", fields=PRODUCTS.fields, casefold=True)]
    shop.rows = {"products": [product(1, sku="ABC"), product(2, sku="abc")]}
    assert shop.counts() == {"read": 2, "created": 1, "duplicate": 1}
    assert Product.objects.get().sku == "abc"


def test_emails_match_in_lower_case_with_their_domain_as_idna(shop):
    shop.streams = [Stream("customers", fields=CUSTOMERS.fields)]
    shop.rows = {
        "customers": [customer(1, email=" Joe@Exämple.com"), customer(2, email="joe@exämple.COM")]
    }
    assert shop.counts("customers") == {"read": 2, "created": 1, "duplicate": 1}
    assert Customer.objects.get().email == "joe@xn--exmple-cua.com"


def test_a_customer_without_email_lives_by_its_link(shop):
    shop.rows = {"customers": [customer(1, email=None), customer(2, email=""), customer(3)]}
    assert shop.counts("customers") == {"read": 3, "created": 3}
    assert Customer.objects.filter(email=None).count() == 2
    assert shop.counts("customers") == {"read": 3, "unchanged": 3}
    shop.rows = {"customers": [customer(1, email=None, last="Cee"), customer(2), customer(3)]}
    assert shop.counts("customers") == {"read": 3, "updated": 2, "unchanged": 1}
    assert Customer.objects.filter(email=None).get().last_name == "Cee"


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_addresses_that_customers_hand_on_to_each_other_do_not_collide(shop, batch_size):
    shop.batch_size = batch_size
    emails = ["a@example.com", "b@example.com", "c@example.com", None]
    shop.rows = {"customers": [customer(n, email=email) for n, email in enumerate(emails)]}
    shop.sync()
    pks = dict(SyncLink.objects.values_list("external_id", "object_id"))
    handed_on = ["b@example.com", "a@example.com", None, "c@example.com"]
    shop.rows = {"customers": [customer(n, email=email) for n, email in enumerate(handed_on)]}
    run = shop.sync()
    assert (run.status, run.counts_of("customers")["updated"]) == (RunStatus.SUCCEEDED, 4)
    found = dict(Customer.objects.values_list("pk", "email"))
    assert [found[int(pks[str(n)])] for n in range(4)] == handed_on


def test_an_address_that_comes_later_and_is_somebody_elses_is_a_conflict_until_they_are_merged(
    shop,
):
    by_hand = Customer.objects.create(email="ann@example.com", company="By hand")
    shop.rows = {"customers": [customer(1, email=None, phone="0170 1")]}
    shop.sync()
    linked = Customer.objects.get(phone="0170 1")
    shop.rows = {"customers": [customer(1, email="ann@example.com", phone="0170 1")]}
    assert shop.sync().issues.get().code == "identity_conflict"
    assert Customer.objects.count() == 2
    merge(linked, by_hand)
    assert shop.counts("customers") == {"read": 1, "unchanged": 1}
    one = Customer.objects.get()
    assert (one.pk, one.email, one.company) == (linked.pk, "ann@example.com", "By hand")
    assert not SyncIssue.objects.filter(state="open").exists()


@pytest.mark.parametrize("full", [False, True])
def test_a_row_that_was_deleted_behind_our_back_is_made_anew(shop, full):
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    gone = Product.objects.filter(sku="SKU-1")
    gone._raw_delete(gone.db)  # as in a database client: nobody hears of it
    if not full:
        shop.rows = {"products": [product(1, price="11"), product(2)]}
    assert shop.counts(full=full) == {"read": 2, "created": 1, "unchanged": 1}
    link = SyncLink.objects.get(external_id="1")
    assert link.object_id == str(Product.objects.get(sku="SKU-1").pk)
    assert shop.counts() == {"read": 2, "unchanged": 2}


def test_a_customer_with_neither_id_nor_email_is_rejected(shop):
    shop.streams = [Stream("customers", fields=CUSTOMERS.fields)]
    shop.rows = {"customers": [customer(1, email=None)]}
    run = shop.sync()
    assert run.issues.get().code == "invalid_key"


def test_a_record_without_its_id_is_rejected(shop):
    row = product(1)
    del row["id"]
    shop.rows = {"products": [row]}
    issue = shop.sync().issues.get()
    assert (issue.code, issue.field) == ("required", "external_id")


def test_a_record_may_have_the_id_zero(shop):
    shop.rows = {"products": [product(0), product(1)]}

    assert shop.counts() == {"read": 2, "created": 2}
    assert shop.counts() == {"read": 2, "unchanged": 2}


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_an_id_in_two_spellings_is_one_record(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(COMPOSED, sku="A"), product(DECOMPOSED, sku="A", price="2")]}
    assert shop.counts() == {"read": 2, "created": 1, "duplicate": 1}
    assert Product.objects.get().price == 2
    assert shop.counts() == {"read": 2, "unchanged": 1, "duplicate": 1}


def test_a_decomposed_id_is_found_by_a_reference(shop):
    line = {"product_id": DECOMPOSED, "quantity": 1, "price": "1"}
    shop.rows = {
        "products": [product(DECOMPOSED, sku="A")],
        "orders": [{"id": 1, "date": "2026-01-01", "lines": [line]}],
    }
    assert shop.counts("orders") == {"read": 1, "created": 1}


def test_a_decomposed_id_is_found_by_a_retry(shop):
    shop.rows = {"products": [product(DECOMPOSED, sku="A", price="none")]}
    first = shop.sync()
    shop.rows["products"][0]["price"] = "2"
    shop.configure()
    run = execute(retry(first)[0].pk)
    assert run.counts_of("products")["created"] == 1
    assert first.issues.get().state == "resolved"
