"""Duplicates and merges over HTTP: for those who may touch the rows concerned."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from django_ecommerce_sync.models import Customer, Merge, MergeCandidate, Product
from django_ecommerce_sync.sync.merging import expire, find, merge
from tests.api.conftest import APIClient, client, problem, user
from tests.merging.conftest import customer, order, picture, product

__all__ = ["client", "user"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(db):
    name = {"first_name": "Ann", "last_name": "Bee"}
    customer("ab@gmail.com", **name)
    customer("a.b@gmail.com", **name, phone="0170 1234567")
    product("A", gtin="4006381333931")
    product("B", gtin="4006381333931")
    find(Customer)
    find(Product)
    return MergeCandidate.objects.get(model="ecommerce_sync.customer")


def someone_with(*codenames):
    user = get_user_model().objects.create_user(f"u{get_user_model().objects.count()}")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_pairs_are_listed_the_surest_first_with_names_and_reasons(client, pair):
    MergeCandidate.objects.filter(pk=pair.pk).update(score=98)
    first, second = client.get("/api/duplicates/").json()["results"]
    assert (first["model"], second["model"]) == ("customers", "products")
    assert (first["score"], first["state"], first["merge"]) == (98, "open", None)
    assert first["first"] == {"id": pair.first_id, "name": "ab@gmail.com"}
    assert first["reasons"][0]["code"] == "same_mailbox"


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("model=customers", 1),
        ("state=open", 2),
        ("state=dismissed", 0),
        ("score_min=98", 0),
        ("score_max=97", 2),
        ("model=products&ordering=score", 1),
    ],
)
def test_pairs_can_be_filtered(client, pair, query, number):
    assert client.get(f"/api/duplicates/?{query}").json()["count"] == number


def test_a_wrong_filter_is_a_problem(client, pair):
    problem(client.get("/api/duplicates/?model=orders"), 400)


def test_a_list_asks_no_more_of_the_database_for_more_pairs(
    client, pair, django_assert_num_queries
):
    for number in range(8):
        customer(f"a.b+{number}@gmail.com")
    find(Customer)
    with django_assert_num_queries(6):  # two for the rights, count, pairs, rows of two models
        assert client.get("/api/duplicates/").json()["count"] == 46


def test_a_pair_in_full_shows_what_a_merge_would_do(client, pair):
    shown = client.get(f"/api/duplicates/{pair.pk}/").json()
    assert shown["survivor"] == pair.first_id
    fields = {field["name"]: field for field in shown["fields_that_differ"]}
    assert set(fields) == {"email", "phone"}
    assert fields["phone"] == {
        "name": "phone",
        "survivor": "",
        "other": "0170 1234567",
        "merged": "0170 1234567",
        "conflict": False,
        "side": "other",
    }
    assert fields["email"]["conflict"] is True


def test_a_pair_of_a_row_that_is_gone_can_be_looked_at(client, pair):
    Customer.objects.filter(pk=pair.second_id)._raw_delete("default")
    shown = client.get(f"/api/duplicates/{pair.pk}/").json()
    assert shown["second"] == {"id": pair.second_id, "name": None}
    assert (shown["survivor"], shown["fields_that_differ"]) == (None, [])
    problem(client.post(f"/api/duplicates/{pair.pk}/merge/", {}), 409, "gone")


def test_a_pair_is_merged_and_the_merge_taken_back(client, user, pair):
    order(1, Customer.objects.get(pk=pair.second_id))
    before = picture()
    body = {"survivor": pair.second_id, "choices": {"email": "other"}}
    response = client.post(f"/api/duplicates/{pair.pk}/merge/", body)
    assert response.status_code == 201, response.content
    made = response.json()
    assert (made["survivor"], made["other"]) == (pair.second_id, pair.first_id)
    assert (made["changed"], made["merged_by"]) == (["email"], "ann")
    assert response["Location"] == f"http://testserver/api/merges/{made['id']}/"
    assert client.get(response["Location"]).json() == made
    assert client.get(f"/api/duplicates/{pair.pk}/").json()["merge"] == made["id"]
    problem(client.post(f"/api/duplicates/{pair.pk}/merge/", {}), 409, "decided")

    undone = client.post(f"/api/merges/{made['id']}/undo/").json()
    assert (undone["undone_by"], undone["changed"]) == ("ann", [])
    assert picture() == before
    problem(client.post(f"/api/merges/{made['id']}/undo/"), 409, "undone")
    assert client.get(f"/api/duplicates/{pair.pk}/").json()["state"] == "dismissed"


def test_whether_a_merge_can_be_undone_is_told(client, pair):
    made = client.post(f"/api/duplicates/{pair.pk}/merge/", {}).json()
    assert (made["can_be_undone"], made["expired_at"]) == (True, None)
    expire(timezone.now())
    address = f"/api/merges/{made['id']}/"
    shown = client.get(address).json()
    assert shown["can_be_undone"] is False
    assert shown["expired_at"]
    assert (
        "can no longer be undone"
        in problem(client.post(f"{address}undo/"), 409, "expired")["detail"]
    )


def test_what_the_merged_row_was_like_is_not_shown(client, pair):
    made = client.post(f"/api/duplicates/{pair.pk}/merge/", {}).json()
    assert b"a.b@gmail.com" not in client.get(f"/api/merges/{made['id']}/").content


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"choices": {"nose": "other"}}, "/choices"),
        ({"choices": {"phone": "mine"}}, "/choices"),
        ({"choices": "other"}, "/choices"),
        ({"survivor": 999_999}, "/survivor"),
        ({"survivor": "x"}, "/survivor"),
        ({"into": 1}, "/into"),
    ],
)
def test_what_is_wrong_with_a_wish_is_named(client, pair, body, pointer):
    before = picture()
    document = problem(client.post(f"/api/duplicates/{pair.pk}/merge/", body), 400)
    assert [entry["pointer"] for entry in document["errors"]] == [pointer]
    assert picture() == before


def test_a_pair_is_dismissed(client, pair):
    response = client.post(f"/api/duplicates/{pair.pk}/dismiss/")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["decided_by"]) == ("dismissed", "ann")
    problem(client.post(f"/api/duplicates/{pair.pk}/dismiss/"), 409, "decided")


def test_any_two_rows_can_be_put_side_by_side(client, pair):
    one, two = customer("x@example.com"), customer("y@example.com")
    body = {"model": "customers", "first": two.pk, "second": one.pk}
    response = client.post("/api/duplicates/", body)
    assert response.status_code == 201
    proposed = response.json()
    assert (proposed["first"]["id"], proposed["score"]) == (one.pk, 0)
    assert client.get(response["Location"]).json() == proposed
    problem(client.post("/api/duplicates/", {**body, "first": one.pk}), 409, "same_row")
    problem(client.post("/api/duplicates/", {**body, "first": 999_999}), 404)
    problem(client.post("/api/duplicates/", {**body, "model": "orders"}), 400)


def test_merges_are_listed_the_latest_first_and_filtered(client):
    first = merge(customer("a@example.com"), customer("b@example.com"))
    second = merge(product("A"), product("B"))
    rows = client.get("/api/merges/").json()["results"]
    assert [row["id"] for row in rows] == [second.pk, first.pk]
    for query, pk in (
        ("model=products", second.pk),
        (f"model=customers&survivor={first.survivor_id}", first.pk),
    ):
        assert [row["id"] for row in client.get(f"/api/merges/?{query}").json()["results"]] == [pk]
    assert client.get("/api/merges/?undone=true").json()["count"] == 0


class TestRights:
    """For the candidate or merge itself, and for the rows it is about."""

    def test_to_look_at_pairs_one_must_be_allowed_to_look_at_the_rows(self, pair):
        clerk = someone_with("view_mergecandidate", "view_customer")
        assert clerk.get("/api/duplicates/?model=customers").json()["count"] == 1
        assert clerk.get(f"/api/duplicates/{pair.pk}/").status_code == 200
        problem(clerk.get("/api/duplicates/"), 403)
        problem(clerk.get("/api/duplicates/?model=products"), 403)
        other = MergeCandidate.objects.get(model="ecommerce_sync.product")
        problem(clerk.get(f"/api/duplicates/{other.pk}/"), 403)
        problem(someone_with("view_customer", "view_product").get("/api/duplicates/"), 403)

    @pytest.mark.parametrize(
        "missing",
        ["change_mergecandidate", "view_customer", "change_customer", "delete_customer"],
    )
    def test_a_merge_needs_the_rights_to_change_and_to_delete(self, pair, missing):
        needed = {
            "change_mergecandidate",
            "view_customer",
            "change_customer",
            "delete_customer",
        }
        address = f"/api/duplicates/{pair.pk}/merge/"
        problem(someone_with(*needed - {missing}).post(address, {}), 403)
        assert not Merge.objects.exists()
        assert someone_with(*needed).post(address, {}).status_code == 201

    @pytest.mark.parametrize(
        "missing", ["change_merge", "view_customer", "change_customer", "add_customer"]
    )
    def test_taking_it_back_needs_the_rights_to_change_and_to_add(self, missing):
        record = merge(customer("a@example.com"), customer("b@example.com"))
        needed = {"change_merge", "view_customer", "change_customer", "add_customer"}
        address = f"/api/merges/{record.pk}/undo/"
        problem(someone_with(*needed - {missing}).post(address), 403)
        assert someone_with(*needed).post(address).status_code == 200

    def test_dismissing_and_proposing_need_rights_too(self, pair):
        viewer = someone_with("view_mergecandidate", "view_customer", "view_product")
        problem(viewer.post(f"/api/duplicates/{pair.pk}/dismiss/"), 403)
        body = {"model": "customers", "first": pair.first_id, "second": pair.second_id}
        problem(viewer.post("/api/duplicates/", body), 403)
        clerk = someone_with("add_mergecandidate", "change_mergecandidate", "view_customer")
        assert clerk.post(f"/api/duplicates/{pair.pk}/dismiss/").status_code == 200
        problem(clerk.post("/api/duplicates/", body), 403)

    def test_nobody_may_change_or_delete_them_directly(self, client, pair):
        address = f"/api/duplicates/{pair.pk}/"
        for method in (client.put, client.patch, client.delete):
            problem(method(address, {}), 405)
