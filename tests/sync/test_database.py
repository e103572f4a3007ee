"""Projects whose routers send runs, or the rows of streams, to a database of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = """
import json, sys
import django
from django.conf import settings

class Router:
    def db_for_read(self, model, **hints):
        label = model._meta.label_lower
        return "other" if label.startswith(sys.argv[1]) else None
    db_for_write = db_for_read

folder = sys.argv[2]
sqlite = {"ENGINE": "django.db.backends.sqlite3"}
settings.configure(
    SECRET_KEY="only-for-this-test-" * 3,
    USE_TZ=True,
    DATABASES={name: {**sqlite, "NAME": f"{folder}/{name}"} for name in ("default", "other")},
    DATABASE_ROUTERS=["__main__.Router"],
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django_ecommerce_sync",
    ],
)
django.setup()
from django.core.management import call_command
from django.db import OperationalError
from django_ecommerce_sync.checks import check_settings
from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import Product
from django_ecommerce_sync.sync import execute, execution, request_run

for name in ("default", "other"):
    call_command("migrate", database=name, verbosity=0)

ROWS = [{"sku": f"S{n}", "price": "1"} for n in range(30)]
STREAM = Stream("products", fields={"sku": "sku", "price": "price"}, currency="EUR")
feed = {"BACKEND": MemoryFeed, "OPTIONS": {"streams": [STREAM], "rows": {"products": ROWS}}}
settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": feed}, "BATCH_SIZE": 10}

account, batches = execution.StreamExecution._account, []
def once_refused(self, *args, **kwargs):
    batches.append(1)
    if len(batches) == 2:
        raise OperationalError("database is locked")
    return account(self, *args, **kwargs)
execution.StreamExecution._account = once_refused

run = execute(request_run("shop")[0].pk)
print(json.dumps({
    "status": run.status,
    "error": run.error,
    "counts": {name: n for name, n in run.counts_of("products").items() if n},
    "rows": Product.objects.count(),
    "database": run._state.db,
    "checks": [message.id.removeprefix("ecommerce_sync.") for message in check_settings()],
}))
"""


@pytest.fixture
def told(tmp_path):
    """What became of a run where the router sends models that begin so to another database."""

    def run(beginning):
        script = tmp_path / "project.py"
        script.write_text(PROJECT)
        done = subprocess.run(
            [sys.executable, script, beginning, tmp_path],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_all_of_it_may_be_elsewhere(told):
    """A batch that is tried again is counted once: it was one transaction, there."""
    found = told("ecommerce_sync.")
    assert (found["status"], found["database"]) == ("succeeded", "other")
    assert found["counts"] == {"read": 30, "created": 30}
    assert (found["rows"], "E037" in found["checks"]) == (30, False)


def test_rows_are_where_the_runs_are(told):
    found = told("ecommerce_sync.product")
    assert (found["status"], found["rows"]) == ("failed", 0)
    assert "'other', but the runs are in 'default'" in found["error"]
    assert "E037" in found["checks"]
