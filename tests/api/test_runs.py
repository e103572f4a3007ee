import csv
import io

import pytest

from django_ecommerce_sync.models import Product, SyncIssue, SyncRun

from .conftest import problem

FEED = "tests.api.feeds.ShopFeed"


@pytest.fixture(autouse=True)
def configured(settings):
    settings.ECOMMERCE_SYNC = {
        "RUNNER": "inline",
        "FEEDS": {
            "shop": {"BACKEND": FEED},
            "stock": {"BACKEND": "tests.api.feeds.StockFeed"},
        },
    }
    return settings


@pytest.fixture
def later(monkeypatch):
    """Runs stay queued, as with a worker that has not come to them yet."""
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda *runs: "deferred")


def refresh(client, body=None):
    return client.post("/api/refresh/", {} if body is None else body)


@pytest.mark.django_db(transaction=True)
def test_refresh_runs_every_feed(client, user):
    response = refresh(client)
    assert response.status_code == 202, response.content
    runs = response.json()["runs"]
    assert [run["feed"] for run in runs] == ["shop", "stock"]
    assert set(runs[0]) == {"id", "feed", "status", "url"}
    assert response["Location"] == runs[0]["url"]
    assert response["Location"] == f"http://testserver/api/sync-runs/{runs[0]['id']}/"

    run = client.get(response["Location"]).json()
    assert (run["status"], run["trigger"], run["requested_by"]) == ("partial", "api", "ann")
    assert run["counts"]["products"]["created"] == 1
    assert run["counts"]["products"]["rejected"] == 1
    assert run["issues_count"] == 1
    assert run["progress"] == 1.0
    assert run["seconds"] is not None
    assert run["error"] is None
    assert Product.objects.filter(sku="A").exists()


def test_wishes_reach_the_run(client, later):
    body = {"feeds": ["shop"], "streams": ["customers"], "full": True, "dry_run": True}
    assert refresh(client, body).status_code == 202
    run = SyncRun.objects.get()
    assert (run.feed, run.streams, run.full, run.dry_run) == ("shop", ["customers"], True, True)


def test_a_feed_that_is_queued_answers_with_its_run(client, later):
    first = refresh(client, {"feeds": ["shop"]}).json()
    assert refresh(client, {"feeds": ["shop", "shop"]}).json() == first
    assert SyncRun.objects.count() == 1


def test_feeds_nobody_named_are_left_out_without_the_stream(client, later):
    runs = refresh(client, {"streams": ["customers"]}).json()["runs"]
    assert [run["feed"] for run in runs] == ["shop"]


@pytest.mark.parametrize("feeds", [["nope"], ["shop", "nope"]])
def test_unknown_feeds_are_404_and_nothing_is_queued(client, later, feeds):
    document = problem(refresh(client, {"feeds": feeds}), 404, "feed_not_found")
    assert "'nope'" in document["detail"]
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"streams": ["nope"]}, "/streams/0"),
        ({"feeds": ["stock"], "streams": ["customers"]}, "/streams/0"),
        ({"feeds": ["shop"], "streams": ["products", "x"]}, "/streams/1"),
        ({"url": "http://169.254.169.254/"}, "/url"),
        ({"feed": "shop"}, "/feed"),
        ({"feeds": "shop"}, "/feeds"),
        ({"feeds": []}, "/feeds"),
        ({"feeds": [{"url": "http://x"}]}, "/feeds/0"),
        ({"full": "maybe"}, "/full"),
    ],
)
def test_bad_wishes_are_named_and_nothing_is_queued(client, later, body, pointer):
    document = problem(refresh(client, body), 400, "invalid")
    assert [entry["pointer"] for entry in document["errors"]] == [pointer]
    assert not SyncRun.objects.exists()


def test_without_feeds_there_is_nothing_to_refresh(client, settings):
    settings.ECOMMERCE_SYNC = {"FEEDS": {}}
    problem(refresh(client), 404, "feed_not_found")


def test_a_feed_that_is_misconfigured_is_told(client, settings):
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": {"BACKEND": "no.such.Feed"}}}
    for body in ({}, {"streams": ["products"]}):
        problem(refresh(client, body), 409, "feed_misconfigured")


def test_refresh_is_throttled_by_user(client, later, settings):
    settings.ECOMMERCE_SYNC |= {"API": {"THROTTLE_RATES": {"refresh": "2/hour"}}}
    assert [refresh(client).status_code for _ in range(3)] == [202, 202, 429]


@pytest.fixture
def run(db):
    run = SyncRun.objects.create(
        feed="shop",
        status="partial",
        slot=None,
        counts={"products": {"read": 4, "rejected": 3}},
        totals={"products": 8, "customers": None},
    )
    for number, excerpt in enumerate(["=cmd|' /C calc'!A0", "+1", "plain"]):
        SyncIssue.objects.create(
            run=run,
            feed="shop",
            stream="products",
            position=number,
            external_id=str(number),
            code="invalid_decimal" if number else "required",
            message="It is, after all,\nno number.",
            excerpt=excerpt,
        )
    return run


def test_runs_are_listed_newest_first_and_filtered(client, run):
    SyncRun.objects.create(feed="stock", dry_run=True)
    feeds = [row["feed"] for row in client.get("/api/sync-runs/").json()["results"]]
    assert feeds == ["stock", "shop"]
    for query in ("feed=shop", "status=partial", "dry_run=false", "ordering=feed&page_size=1"):
        rows = client.get(f"/api/sync-runs/?{query}").json()["results"]
        assert [row["feed"] for row in rows] == ["shop"]
    problem(client.get("/api/sync-runs/?status=odd"), 400)


def test_a_run_keeps_its_inner_life_to_itself(client, run):
    row = client.get(f"/api/sync-runs/{run.pk}/").json()
    assert not {"owner", "fence", "lease_until", "slot", "cursor"} & set(row)
    assert (row["issues_count"], row["totals"]["products"]) == (3, 8)


@pytest.mark.parametrize(
    ("values", "progress"),
    [
        ({"status": "running"}, 0.5),
        ({"status": "running", "totals": {}}, None),
        ({"status": "running", "counts": {"products": {"read": 99}}}, 1.0),
        ({"status": "succeeded", "totals": {}}, 1.0),
        ({"status": "failed"}, 0.5),
    ],
)
def test_progress(client, run, values, progress):
    SyncRun.objects.update(**values)
    assert client.get(f"/api/sync-runs/{run.pk}/").json()["progress"] == progress


def test_error_of_a_failed_run(client, run):
    SyncRun.objects.update(error_code="truncated", error="The document ends at byte 7.")
    row = client.get(f"/api/sync-runs/{run.pk}/").json()
    assert row["error"] == {"code": "truncated", "message": "The document ends at byte 7."}


def test_issues_as_json(client, run):
    url = f"/api/sync-runs/{run.pk}/issues/"
    page = client.get(f"{url}?page_size=2").json()
    assert (page["count"], len(page["results"])) == (3, 2)
    assert page["results"][0]["code"] == "required"
    assert client.get(f"{url}?code=required").json()["count"] == 1
    assert client.get(f"{url}?state=resolved").json()["count"] == 0
    problem(client.get("/api/sync-runs/999999/issues/"), 404)


@pytest.mark.parametrize("ask", [{"HTTP_ACCEPT": "text/csv"}, {"QUERY_STRING": "format=csv"}])
def test_issues_as_csv_are_safe_in_a_spreadsheet(client, run, ask):
    response = client.get(f"/api/sync-runs/{run.pk}/issues/", **ask)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode())))
    assert [row["excerpt"] for row in rows] == ["'=cmd|' /C calc'!A0", "'+1", "plain"]
    assert rows[0]["message"] == "It is, after all,\nno number."


def test_csv_has_a_limit(client, run, settings):
    settings.ECOMMERCE_SYNC |= {"API": {"MAX_EXPORT_ROWS": 1}}
    response = client.get(f"/api/sync-runs/{run.pk}/issues/?format=csv&code=invalid_decimal")
    assert len(list(csv.reader(io.StringIO(response.getvalue().decode())))) == 2


def test_errors_are_problems_also_for_who_wants_csv(client, run):
    url = f"/api/sync-runs/{run.pk}/issues/?state=odd"
    problem(client.get(url, HTTP_ACCEPT="text/csv"), 400)


def test_cancel(client, db):
    run = SyncRun.objects.create(feed="shop")
    response = client.post(f"/api/sync-runs/{run.pk}/cancel/")
    assert response.status_code == 202
    assert response.json()["status"] == "cancelled"
    assert response["Location"].endswith(f"/api/sync-runs/{run.pk}/")
    problem(client.post("/api/sync-runs/999999/cancel/"), 404)


def test_retry_queues_a_run_of_what_was_rejected(client, run, later):
    response = client.post(f"/api/sync-runs/{run.pk}/retry/")
    assert response.status_code == 202, response.content
    new = response.json()
    assert (new["retry_of"], new["status"], new["trigger"]) == (run.pk, "queued", "api")
    assert response["Location"] == new["url"]
    assert client.post(f"/api/sync-runs/{run.pk}/retry/").json()["id"] == new["id"]


@pytest.mark.parametrize(
    "choice",
    [
        {"code": "invalid_decimal"},
        {"stream": "products", "field": ""},
        {"code": "required", "stream": "products"},
    ],
)
def test_retry_of_some(client, run, later, choice):
    response = client.post(f"/api/sync-runs/{run.pk}/retry/", choice)
    assert response.status_code == 202, response.content
    assert response.json()["retry_choice"] == choice
    assert SyncRun.objects.get(pk=response.json()["id"]).retry_choice == choice


def test_retry_of_rows_by_their_ids(client, run, later):
    pks = list(run.issues.values_list("pk", flat=True))
    response = client.post(f"/api/sync-runs/{run.pk}/retry/", {"issues": pks[:2]})
    assert response.json()["retry_choice"] == {"issues": pks[:2]}


def test_rows_the_run_does_not_have_are_named(client, run, later):
    other = SyncRun.objects.create(feed="stock", slot=None)
    elsewhere = SyncIssue.objects.create(run=other, feed="stock", stream="products", code="x")
    mine = run.issues.first().pk
    body = {"issues": [elsewhere.pk, mine, 2**63 - 1]}
    document = problem(client.post(f"/api/sync-runs/{run.pk}/retry/", body), 404, "not_found")
    told = [(e["pointer"], e["code"], e["detail"]) for e in document["errors"]]
    assert told == [
        ("/issues/0", "unknown_issue", f"This run has no rejected row {elsewhere.pk}."),
        ("/issues/2", "unknown_issue", f"This run has no rejected row {2**63 - 1}."),
    ]
    assert SyncRun.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"issues": []}, "/issues"),
        ({"issues": "all"}, "/issues"),
        ({"issues": [0]}, "/issues/0"),
        ({"issues": [10**30]}, "/issues/0"),
        ({"issues": ["x"]}, "/issues/0"),
        ({"issues": list(range(1, 1002))}, "/issues"),
        ({"code": ""}, "/code"),
        ({"codes": ["required"]}, "/codes"),
    ],
)
def test_bad_choices_are_named_and_nothing_is_queued(client, run, later, body, pointer):
    response = client.post(f"/api/sync-runs/{run.pk}/retry/", body)
    document = problem(response, 400, "invalid")
    assert [entry["pointer"] for entry in document["errors"]] == [pointer]
    assert SyncRun.objects.count() == 1


def test_a_choice_that_nothing_open_fits(client, run, later):
    run.issues.filter(code="required").update(state="resolved")
    url = f"/api/sync-runs/{run.pk}/retry/"
    for body in ({"code": "required"}, {"field": "price"}, {"stream": "orders"}):
        problem(client.post(url, body), 409, "nothing_to_retry")
    assert SyncRun.objects.count() == 1


def test_groups_of_issues(client, run):
    run.issues.filter(code="required").update(state="resolved", field="lines[3].sku")
    url = f"/api/sync-runs/{run.pk}/issues/groups/"
    page = client.get(url).json()
    first = run.issues.get(external_id="1")
    assert (page["count"], page["next"]) == (2, None)
    assert page["results"][0] == {
        "stream": "products",
        "field": "",
        "code": "invalid_decimal",
        "count": 2,
        "open": 2,
        "message": "It is, after all,\nno number.",
        "example": {
            "id": first.pk,
            "position": 1,
            "external_id": "1",
            "key": "",
            "field": "",
            "excerpt": "+1",
        },
    }
    second = client.get(f"{url}?page=2&page_size=1").json()["results"][0]
    assert (second["field"], second["count"], second["open"]) == ("lines[].sku", 1, 0)
    problem(client.get("/api/sync-runs/999999/issues/groups/"), 404)


def test_an_issue_tells_that_its_row_has_arrived(client, run):
    run.issues.update(arrived_at="2026-01-02T03:04:05Z", retried_in=77)
    row = client.get(f"/api/sync-runs/{run.pk}/issues/").json()["results"][0]
    assert (row["arrived_at"], row["retried_in"]) == ("2026-01-02T03:04:05Z", 77)


def test_retry_of_a_feed_that_is_gone(client, run, settings):
    settings.ECOMMERCE_SYNC = {"FEEDS": {}}
    problem(client.post(f"/api/sync-runs/{run.pk}/retry/"), 409, "feed_misconfigured")


def test_query_counts_do_not_grow(client, run, user, django_assert_num_queries):
    SyncRun.objects.bulk_create(SyncRun(feed=f"f{n}", requested_by=user) for n in range(20))
    with django_assert_num_queries(4):  # two for the rights, count, runs
        assert len(client.get("/api/sync-runs/").json()["results"]) == 21
    with django_assert_num_queries(1):
        client.get(f"/api/sync-runs/{run.pk}/")
    with django_assert_num_queries(3):  # run, count, issues
        client.get(f"/api/sync-runs/{run.pk}/issues/")
