"""A refresh by HTTP, carried out by a real Celery worker, seen to its end by polling."""

import pytest

from .conftest import wait_for

pytestmark = pytest.mark.services

#: Rows of the demo's catalogue that can be used: see tests/test_demo.py for how they are counted.
STREAMS = {"products": "products", "users": "customers", "carts": "orders"}
OVERDUE = """
from datetime import timedelta
from django.utils import timezone
from django_ecommerce_sync.models import SyncSchedule
due = {"cron": "0 0 1 1 *", "next_run_at": timezone.now() - timedelta(minutes=1)}
SyncSchedule.objects.update_or_create(feed="demo", defaults=due)
"""


def test_refresh_runs_in_the_worker(stack, catalogue_server):
    status, body = stack.call("POST", "/api/refresh/", {})
    assert status == 202, body
    (requested,) = body["runs"]
    assert requested["feed"] == "demo"
    run = stack.finished_run(requested["id"])
    assert run["status"] == "partial", (run, stack.log("worker"))
    rows = {ours: len(catalogue_server.rows[theirs]) for theirs, ours in STREAMS.items()}
    api = {name: stack.call("GET", f"/api/{name}/")[1]["count"] for name in rows}
    for name, count in rows.items():
        assert run["counts"][name]["read"] == count
        assert run["counts"][name]["created"] == api[name]
        assert run["counts"][name]["rejected"] > 0
    assert "succeeded" in stack.log("worker")


def test_second_refresh_changes_nothing(stack):
    status, body = stack.call("POST", "/api/refresh/", {"feeds": ["demo"]})
    assert status == 202, body
    run = stack.finished_run(body["runs"][0]["id"])
    for counts in run["counts"].values():
        assert (counts["created"], counts["updated"]) == (0, 0)


def test_command_line_hands_runs_to_the_worker(stack):
    stack.manage("ecommerce_sync", "run", "demo", "--background")
    runs = wait_for(
        lambda: stack.call("GET", "/api/sync-runs/")[1]["results"],
        lambda runs: runs[0]["status"] not in ("queued", "running"),
    )
    assert runs[0]["status"] == "partial"


def test_beat_starts_what_is_due(stack):
    stack.manage("shell", "-c", OVERDUE)
    runs = wait_for(
        lambda: stack.call("GET", "/api/sync-runs/")[1]["results"],
        lambda runs: runs[0]["trigger"] == "schedule" and runs[0]["status"] == "partial",
        patience=90,  # beat looks once a minute
    )
    assert (runs[0]["trigger"], runs[0]["status"]) == ("schedule", "partial"), stack.log("beat")
