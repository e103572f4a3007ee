"""Plans over HTTP: asked for, looked at, exported, applied."""

import csv
import io

import pytest

from django_ecommerce_sync.models import PlannedChange, Product, SyncRun
from django_ecommerce_sync.sync import execute, request_run

from .conftest import problem
from .test_access import someone_with
from .test_runs import configured, later, refresh

__all__ = ["configured", "later"]

CHANGED = {"key": "=1+1", "stream": "products", "model": "ecommerce_sync.product"}


@pytest.fixture
def planned(db):
    """A dry run with a plan, made by the engine: one created, one rejected; one customer."""
    run, _ = request_run("shop", plan=True)
    return execute(run.pk)


def plan_url(run):
    return f"/api/sync-runs/{run.pk}/plan/"


def apply(client, run):
    return client.post(f"/api/sync-runs/{run.pk}/apply/")


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_asked_for_looked_at_and_applied(client):
    response = refresh(client, {"feeds": ["shop"], "plan": True})
    run = client.get(response["Location"]).json()
    assert (run["dry_run"], run["planned"], run["plan"]) == (True, True, None)
    assert run["plan_counts"] == {
        "products": {"create": 1, "reject": 1},
        "customers": {"create": 1},
    }
    assert not Product.objects.exists()

    page = client.get(f"{response['Location']}plan/").json()
    assert page["count"] == 3
    assert page["results"][0] == {
        "id": page["results"][0]["id"],
        "stream": "products",
        "position": 1,
        "action": "create",
        "key": "A",
        "external_id": "A",
        "model": "ecommerce_sync.product",
        "object_id": "",
        "reason": "",
        "changes": {
            "sku": [None, "A"],
            "price": [None, "1.0000"],
            "currency": [None, "EUR"],
        },
    }

    response = client.post(f"{response['Location']}apply/")
    assert response.status_code == 202
    applied = response.json()
    assert (applied["plan"], applied["dry_run"]) == (run["id"], False)
    assert response["Location"] == applied["url"]
    applied = client.get(response["Location"]).json()
    assert (applied["status"], applied["trigger"]) == ("partial", "api")
    assert applied["plan_counts"] == {"products": {"create": 1}, "customers": {"create": 1}}
    assert list(Product.objects.values_list("sku", flat=True)) == ["A"]
    assert client.get(f"/api/sync-runs/?plan={run['id']}").json()["count"] == 1
    assert client.get("/api/sync-runs/?planned=false").json()["count"] == 0


def test_personal_values_are_in_no_answer(client, planned):
    person = client.get(f"{plan_url(planned)}?stream=customers").json()["results"][0]
    assert (person["key"], person["external_id"]) == ("", "")
    assert person["changes"] == {"email": [None, None]}


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 3),
        ("stream=products", 2),
        ("action=create", 2),
        ("action=create&stream=customers", 1),
        ("action=archive", 0),
        ("search=a", 1),
        ("search=nothing", 0),
        ("page_size=1", 3),
    ],
)
def test_filters_and_search(client, planned, query, number):
    page = client.get(f"{plan_url(planned)}?{query}").json()
    assert page["count"] == number
    assert len(page["results"]) == (1 if "page_size" in query else number)


def test_bad_queries_are_told(client, planned):
    problem(client.get(f"{plan_url(planned)}?action=odd"), 400, "invalid")
    problem(client.get("/api/sync-runs/999999/plan/"), 404)


@pytest.mark.parametrize("ask", [{"HTTP_ACCEPT": "text/csv"}, {"QUERY_STRING": "format=csv"}])
def test_csv_is_safe_in_a_spreadsheet(client, planned, ask):
    changes = {"price": ["-1.50", "+2"], "name": ["@x", None]}
    PlannedChange.objects.create(run=planned, action="update", changes=changes, **CHANGED)
    response = client.get(plan_url(planned), **ask)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert f"run-{planned.pk}-plan.csv" in response["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode())))
    assert [(row["key"], row["field"], row["old"], row["new"]) for row in rows[-2:]] == [
        ("'=1+1", "price", "-1.50", "+2"),
        ("'=1+1", "name", "'@x", ""),
    ]
    assert {row["action"] for row in rows} == {"create", "reject", "update"}


def test_csv_has_a_limit(client, planned, settings):
    settings.ECOMMERCE_SYNC |= {"API": {"MAX_EXPORT_ROWS": 1}}
    lines = client.get(f"{plan_url(planned)}?format=csv").getvalue().decode().splitlines()
    assert {line.split(",")[3] for line in lines[1:]} == {"A"}


def test_a_run_without_a_plan(client, db):
    run = SyncRun.objects.create(feed="shop", status="succeeded", slot=None)
    row = client.get(f"/api/sync-runs/{run.pk}/").json()
    assert (row["planned"], row["plan"], row["plan_counts"]) == (False, None, None)
    assert client.get(plan_url(run)).json()["count"] == 0
    problem(apply(client, run), 409, "no_plan")


def test_what_cannot_be_applied_is_a_conflict_and_nothing_is_queued(client, planned, later):
    problem(client.post("/api/sync-runs/999999/apply/"), 404)
    SyncRun.objects.filter(pk=planned.pk).update(status="failed")
    document = problem(apply(client, planned), 409, "plan_unfinished")
    assert "is not complete" in document["detail"]
    SyncRun.objects.filter(pk=planned.pk).update(status="partial")
    other = SyncRun.objects.create(feed="shop")
    assert f"run {other.pk}" in problem(apply(client, planned), 409, "already_running")["detail"]
    other.delete()
    done = {"stream": "products", "done": True}
    SyncRun.objects.create(feed="shop", plan=planned, slot=None, status="succeeded", cursor=done)
    problem(apply(client, planned), 409, "plan_applied")
    assert not SyncRun.objects.filter(slot="A").exists()


def test_a_plan_of_a_feed_that_is_gone(client, planned, settings):
    settings.ECOMMERCE_SYNC = {"FEEDS": {}}
    problem(apply(client, planned), 409, "feed_misconfigured")


def test_a_plan_that_is_queued_answers_with_its_run(client, planned, later):
    first = apply(client, planned).json()
    assert (first["status"], first["plan"]) == ("queued", planned.pk)
    assert apply(client, planned).json()["id"] == first["id"]


@pytest.mark.django_db(transaction=True)
def test_an_outdated_plan_fails_its_run(client, planned):
    Product.objects.create(sku="A", price=7)
    applied = apply(client, planned).json()
    applied = client.get(applied["url"]).json()
    assert (applied["status"], applied["error"]["code"]) == ("failed", "plan_outdated")
    assert "'A' of stream 'products'" in applied["error"]["message"]
    assert Product.objects.get().price == 7


def test_rights(planned):
    viewer = someone_with("view_syncrun", "view_syncissue")
    problem(viewer.get(plan_url(planned)), 403, "permission_denied")
    problem(apply(viewer, planned), 403, "permission_denied")


def test_who_may_see_plans_may_not_apply_them(planned):
    viewer = someone_with("view_syncrun", "view_plannedchange")
    assert viewer.get(plan_url(planned)).json()["count"] == 3
    problem(apply(viewer, planned), 403, "permission_denied")


def test_query_counts_do_not_grow(client, planned, django_assert_num_queries):
    client.get(plan_url(planned))
    with django_assert_num_queries(3):  # run, count, planned changes
        assert client.get(plan_url(planned)).json()["count"] == 3
