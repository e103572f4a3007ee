"""Duplicates and merges in the admin."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_ecommerce_sync.admin.merging import merge_selected
from django_ecommerce_sync.models import Customer, Merge, MergeCandidate, Product
from django_ecommerce_sync.sync.merging import expire, find, merge, propose
from tests.merging.conftest import customer, link, order, picture, product
from tests.staff import staff
from tests.test_admin import EVIL, EVIL_ATTRIBUTE, Tags

pytestmark = pytest.mark.django_db

PAIRS = reverse("admin:ecommerce_sync_mergecandidate_changelist")
MERGES = reverse("admin:ecommerce_sync_merge_changelist")
LOOK = ("view_mergecandidate", "view_merge", "view_customer")
DECIDE = (*LOOK, "change_mergecandidate", "change_merge")
MERGE = (*DECIDE, "change_customer", "delete_customer", "add_customer")


@pytest.fixture
def root():
    return staff(is_superuser=True)


@pytest.fixture
def pair(db):
    name = {"first_name": "Ann", "last_name": "Bee"}
    customer("ab@gmail.com", **name, company=EVIL, address={"city": "Bonn"})
    customer("a.b@gmail.com", **name, phone=EVIL_ATTRIBUTE, address={"street": EVIL})
    find(Customer)
    return MergeCandidate.objects.get()


def page(record):
    return reverse(f"admin:ecommerce_sync_{record._meta.model_name}_change", args=[record.pk])


def act(client, record, action, **data):
    name = f"admin:ecommerce_sync_{record._meta.model_name}_{action}"
    return client.post(reverse(name, args=[record.pk]), data)


def told(response):
    return [str(message) for message in response.context["messages"]]


def versions(candidate):
    rows = Customer.objects.in_bulk([candidate.first_id, candidate.second_id])
    return f"{rows[candidate.first_id].version}-{rows[candidate.second_id].version}"


def test_pairs_are_listed_with_both_rows_and_the_reasons(root, pair):
    html = root.get(PAIRS).content.decode()
    for pk in (pair.first_id, pair.second_id):
        assert reverse("admin:ecommerce_sync_customer_change", args=[pk]) in html
    assert "delivered to the same mailbox" in html
    for query, number in (
        ({"model": "customers"}, 1),
        ({"model": "products"}, 0),
        ({"state": "open"}, 1),
        ({"state__exact": "dismissed"}, 0),
    ):
        assert root.get(PAIRS, query).context["cl"].result_count == number


def test_a_list_asks_no_more_of_the_database_for_more_pairs(
    root, pair, django_assert_max_num_queries
):
    for number in range(8):
        customer(f"a.b+{number}@gmail.com")
    find(Customer)
    assert MergeCandidate.objects.count() == 45
    with django_assert_max_num_queries(8):
        root.get(PAIRS)


def test_what_a_feed_sends_is_only_text(root, pair):
    record = merge(*Customer.objects.all())
    undone = reverse("admin:ecommerce_sync_merge_undo", args=[record.pk])
    addresses = [PAIRS, MERGES, page(record), page(pair)]
    for address in addresses:
        html = root.get(address).content.decode()
        assert Tags(html).dangers == []
        assert EVIL not in html
        assert EVIL_ATTRIBUTE not in html
    root.post(undone)
    html = root.get(page(pair)).content.decode()
    assert "&lt;script&gt;" in html
    assert Tags(html).dangers == []


def test_both_rows_are_shown_side_by_side(root, pair):
    response = root.get(page(pair))
    assert response.status_code == 200
    fields = {field["name"]: field for field in response.context["differing"]}
    assert set(fields) == {"email", "phone", "company", "address"}
    assert (fields["email"]["side"], fields["email"]["conflict"]) == ("first", True)
    assert (fields["phone"]["side"], fields["phone"]["conflict"]) == ("second", False)
    assert fields["address"]["side"] == "both"
    assert ("status", "active") in response.context["equal"]


def test_the_row_that_survives_by_default_is_ticked(root, pair):
    order(1, Customer.objects.get(pk=pair.second_id))
    link(Customer.objects.get(pk=pair.second_id), "7")
    response = root.get(page(pair))
    assert response.context["survivor"].pk == pair.second_id
    fields = {field["name"]: field["side"] for field in response.context["differing"]}
    assert fields == {"email": "second", "phone": "second", "company": "first", "address": "both"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"survivor": "first"}, (0, "ab@gmail.com", EVIL, {"city": "Bonn", "street": EVIL})),
        (
            {"survivor": "first", "field-email": "second", "field-company": "second"},
            (0, "a.b@gmail.com", "", {"city": "Bonn", "street": EVIL}),
        ),
        (
            {"survivor": "second", "field-email": "first", "field-address": "first"},
            (1, "ab@gmail.com", EVIL, {"city": "Bonn"}),
        ),
        (
            {"survivor": "second", "field-address": "both", "field-company": "second"},
            (1, "a.b@gmail.com", "", {"street": EVIL, "city": "Bonn"}),
        ),
    ],
)
def test_a_merge_is_what_the_form_says(root, pair, form, expected):
    pks = [pair.first_id, pair.second_id]
    response = act(root, pair, "merge", versions=versions(pair), **form)
    record = Merge.objects.get()
    assert response.url == page(record)
    row = Customer.objects.get()
    assert (pks.index(row.pk), row.email, row.company, row.address) == expected
    assert record.merged_by == root.user


def test_a_form_that_shows_old_values_merges_nothing(root, pair):
    form = {"survivor": "first", "versions": versions(pair)}
    Customer.objects.get(pk=pair.second_id).save()
    response = act(root, pair, "merge", **form)
    assert response.url == page(pair)
    assert told(root.get(page(pair))) == ["The rows have changed meanwhile; look at them again."]
    assert not Merge.objects.exists()


def test_a_refusal_is_told(root, pair):
    form = {"survivor": "first", "versions": versions(pair)}
    Customer.objects.filter(pk=pair.second_id)._raw_delete("default")
    act(root, pair, "merge", **form)
    response = root.get(page(pair))
    assert told(response) == [f"Customer {pair.second_id} is not there any more."]
    assert "One of the two rows is not there any more." in response.content.decode()


def test_a_merge_is_undone_on_its_page(root, pair):
    before = picture()
    act(root, pair, "merge", versions=versions(pair))
    record = Merge.objects.get()
    html = root.get(page(record)).content.decode()
    assert "Undo the merge" in html
    assert "phone" in html
    assert root.get(MERGES).status_code == 200
    assert act(root, record, "undo").url == page(record)
    assert picture() == before
    assert "Undo the merge" not in root.get(page(record)).content.decode()
    act(root, record, "undo")
    assert told(root.get(page(record)))[-1] == f"Merge {record.pk} is undone already."


def test_that_a_merge_can_no_longer_be_undone_is_told(root, pair):
    act(root, pair, "merge", versions=versions(pair))
    expire(timezone.now())
    record = Merge.objects.get()
    html = root.get(page(record)).content.decode()
    assert "Undo the merge" not in html
    assert "The merge can no longer be undone" in html
    act(root, record, "undo")
    assert "can no longer be undone" in told(root.get(page(record)))[-1]


def test_a_pair_is_dismissed(root, pair):
    assert act(root, pair, "dismiss").url == PAIRS
    pair.refresh_from_db()
    assert (pair.state, pair.decided_by) == ("dismissed", root.user)
    act(root, pair, "dismiss")
    assert f"Pair {pair.pk} is not open any more." in told(root.get(page(pair)))


def test_many_pairs_are_dismissed_at_once(root, pair):
    other = propose(customer("x@example.com"), customer("y@example.com"))
    data = {"action": "dismiss_selected", "_selected_action": [pair.pk, other.pk]}
    assert root.post(PAIRS, data).status_code == 302
    assert set(MergeCandidate.objects.values_list("state", flat=True)) == {"dismissed"}


class TestTwoRowsOfAList:
    """The action the lists of customers and products have."""

    def run(self, rows, client):
        response = client.get(PAIRS)
        request = response.wsgi_request
        request._messages = Recorder()
        found = merge_selected(
            admin.site._registry[type(rows[0])], request, rows[0].__class__.objects.all()
        )
        return found, request._messages.texts

    def test_two_rows_are_put_side_by_side(self, root):
        rows = [product("A"), product("B")]
        response, _ = self.run(rows, root)
        assert response.url == page(MergeCandidate.objects.get())

    @pytest.mark.parametrize("number", [1, 3])
    def test_it_must_be_two(self, root, number):
        rows = [product(str(n)) for n in range(number)]
        response, texts = self.run(rows, root)
        assert response is None
        assert texts == ["Tick exactly two rows."]
        assert not MergeCandidate.objects.exists()


class Recorder:
    """Stands where the messages of a request are kept."""

    def __init__(self):
        self.texts = []

    def add(self, level, message, extra_tags=""):
        self.texts.append(str(message))


class TestPermissions:
    def test_who_may_not_see_the_rows_does_not_see_the_pairs(self, pair):
        product("A", gtin="4006381333931")
        product("B", gtin="4006381333931")
        find(Product)
        clerk = staff(*LOOK)
        assert clerk.get(PAIRS).context["cl"].result_count == 1
        other = MergeCandidate.objects.get(model="ecommerce_sync.product")
        assert clerk.get(page(other)).status_code == 302  # as for a pair that is not there
        assert staff("view_customer").get(PAIRS).status_code == 403

    @pytest.mark.parametrize(
        "missing", ["change_mergecandidate", "change_customer", "delete_customer"]
    )
    def test_a_merge_needs_the_rights_to_change_and_to_delete(self, pair, missing):
        clerk = staff(*set(MERGE) - {missing})
        assert act(clerk, pair, "merge", versions=versions(pair)).status_code == 403
        assert 'value="Merge"' not in clerk.get(page(pair)).content.decode()
        assert not Merge.objects.exists()
        assert 'value="Merge"' in staff(*MERGE).get(page(pair)).content.decode()

    @pytest.mark.parametrize("missing", ["change_merge", "change_customer", "add_customer"])
    def test_taking_it_back_needs_the_rights_to_change_and_to_add(self, pair, missing):
        record = merge(*Customer.objects.all())
        clerk = staff(*set(MERGE) - {missing})
        assert act(clerk, record, "undo").status_code == 403
        assert "Undo the merge" not in clerk.get(page(record)).content.decode()
        assert act(staff(*MERGE), record, "undo").status_code == 302

    def test_dismissing_needs_only_the_right_to_decide(self, pair):
        assert act(staff(*LOOK), pair, "dismiss").status_code == 403
        clerk = staff(*DECIDE)
        assert "They are two things" in clerk.get(page(pair)).content.decode()
        assert act(clerk, pair, "dismiss").status_code == 302

    def test_everything_that_changes_needs_a_post_and_a_token(self, root, pair):
        record = merge(customer("x@example.com"), customer("y@example.com"))
        addresses = [
            reverse("admin:ecommerce_sync_mergecandidate_merge", args=[pair.pk]),
            reverse("admin:ecommerce_sync_mergecandidate_dismiss", args=[pair.pk]),
            reverse("admin:ecommerce_sync_merge_undo", args=[record.pk]),
        ]
        assert [root.get(address).status_code for address in addresses] == [405] * 3
        root.handler.enforce_csrf_checks = True
        assert [root.post(address).status_code for address in addresses] == [403] * 3
        assert [Client().post(address).status_code for address in addresses] == [302] * 3

    def test_records_cannot_be_rewritten(self, root, pair):
        record = merge(customer("x@example.com"), customer("y@example.com"))
        for one in (pair, record):
            assert root.post(page(one), {"state": "merged"}).status_code == 403
            name = f"admin:ecommerce_sync_{one._meta.model_name}"
            assert root.get(reverse(f"{name}_add")).status_code == 403
            assert root.post(reverse(f"{name}_delete", args=[one.pk])).status_code == 403
