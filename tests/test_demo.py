"""The demo from an empty directory: what it counts is derived from the catalogue itself."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "example_project"
sys.path.insert(0, str(EXAMPLE))

from demo.catalogue import Row, catalogue, faults  # noqa: E402
from demo.server import CatalogueServer, page  # noqa: E402

#: Our names for the streams of DummyJSON's shape.
STREAMS = {"products": "products", "users": "customers", "carts": "orders"}
OUTCOMES = ("read", "created", "updated", "unchanged", "duplicate", "skipped", "rejected")


def test_a_shop_moves_on_where_another_has_its_port():
    with CatalogueServer() as first, CatalogueServer.near(first.server_port) as second:
        assert second.server_port > first.server_port
        with urllib.request.urlopen(f"{second.url}products?limit=1") as answer:
            assert json.load(answer)["limit"] == 1


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Runs ``manage.py demo`` on a database of its own; keeps it for the tests of this module."""
    database = tmp_path_factory.mktemp("demo") / "demo.sqlite3"

    def run(*arguments: str) -> str:
        return manage(database, "demo", *arguments)

    run.database = database
    run.first = run("--no-serve")
    return run


def manage(database: Path, *arguments: str) -> str:
    """What ``manage.py`` of the example project prints."""
    done = subprocess.run(
        command(*arguments), env=environment(database), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLE / "manage.py"), *arguments]


def environment(database: Path) -> dict[str, str]:
    """The environment with SQLite and without a broker, whatever this machine's is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    return {
        **kept,
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }


def told(output: str) -> dict[str, dict[str, int]]:
    """The counts in the table that the demo prints."""
    names: list[str] = []
    counts = {}
    for line in output.splitlines():
        first, *cells = line.split()[:9] or [""]
        if first == "stream":
            names = cells
        elif names and first in STREAMS.values() and all(cell.isdecimal() for cell in cells):
            counts[first] = dict(zip(names, map(int, cells), strict=True))
    return counts


def broken(stream: str, version: int) -> set[int]:
    return {fault.id for fault in faults(version) if fault.stream == stream}


def whole(stream: str, version: int) -> dict[int, Row]:
    """The usable rows of a stream by id; of two with one id the last."""
    bad = broken(stream, version)
    return {row["id"]: row for row in catalogue(version)[stream] if row["id"] not in bad}


def expected(version: int, stored: int | None) -> dict[str, dict[str, int]]:
    """What a sync of ``version`` must count where ``stored`` has been synced before."""
    return {ours: expected_stream(theirs, version, stored) for theirs, ours in STREAMS.items()}


def expected_stream(stream: str, version: int, stored: int | None) -> dict[str, int]:
    rows, good = catalogue(version)[stream], whole(stream, version)
    before = whole(stream, stored) if stored else {}
    rejected = len(broken(stream, version))
    return {
        "read": len(rows),
        "created": len(good.keys() - before.keys()),
        "updated": sum(good[row] != before[row] for row in good.keys() & before.keys()),
        "unchanged": sum(good[row] == before[row] for row in good.keys() & before.keys()),
        "duplicate": len(rows) - len(good) - rejected,
        "skipped": 0,
        "rejected": rejected,
        "archived": 0,
    }


def test_catalogue_is_the_same_each_time_and_has_faults():
    assert catalogue(1) == catalogue(1)
    assert {name: len(rows) for name, rows in catalogue(1).items()} == {
        "products": 501,
        "users": 200,
        "carts": 1000,
    }
    assert 5 <= len(faults(1)) <= 8
    assert len(faults(2)) < len(faults(1))


def test_catalogue_moves_on():
    first, second = whole("products", 1), whole("products", 2)
    renamed = [row for row in first if first[row]["sku"] != second[row]["sku"]]
    repriced = [row for row in first if first[row]["price"] != second[row]["price"]]
    assert len(renamed) == 5
    assert len(repriced) >= 40
    assert len(second) > len(first)


def test_catalogue_names_nobody_real():
    hosts = {row["email"].partition("@")[2] for row in catalogue(2)["users"]}
    assert hosts == {"example.com", "example.org"}


def test_server_pages_as_shops_page():
    with CatalogueServer() as server:
        address = f"{server.url}products?limit=100&skip=450"
        with urllib.request.urlopen(address) as response:
            body = response.read()
        with pytest.raises(urllib.error.HTTPError, match="404") as missing:
            urllib.request.urlopen(f"{server.url}secrets")
        missing.value.close()
    assert body.count(b'"sku"') == 51
    assert page("users", catalogue()["users"], {})["limit"] == 30


@pytest.mark.parametrize("query", [{"limit": "many"}, {"skip": "-1"}])
def test_server_refuses_what_it_cannot_page(query):
    with pytest.raises(ValueError, match=r"^$|invalid literal"):
        page("users", [], query)


def test_first_demo_creates_the_catalogue(demo):
    assert told(demo.first) == expected(1, None)


def test_demo_tells_every_rejected_row(demo):
    listed = manage(demo.database, "ecommerce_sync", "issues", "1", "--format", "json")
    rejected = {(issue["stream"], issue["external_id"]) for issue in json.loads(listed)}
    assert rejected == {(STREAMS[fault.stream], str(fault.id)) for fault in faults(1)}
    told_rows = re.findall(r"^(\w+)\S*  .* at \d+  \w+: ", demo.first, re.MULTILINE)
    assert sorted(told_rows) == sorted(STREAMS[fault.stream] for fault in faults(1))


def test_demo_prints_where_to_go_and_a_random_password(demo):
    assert re.search(r"http://127\.0\.0\.1:\d+/swagger/", demo.first)
    first = re.search(r"user admin, password (\S{16})", demo.first)
    assert first
    assert first[1] not in demo("--no-serve")


def test_second_demo_changes_nothing(demo):
    with closing(sqlite3.connect(demo.database)) as database:
        before = updated_at(database)
    assert told(demo("--no-serve")) == expected(1, 1)
    with closing(sqlite3.connect(demo.database)) as database:
        assert updated_at(database) == before


def updated_at(database: sqlite3.Connection) -> list[tuple]:
    query = "SELECT id, updated_at, version FROM ecommerce_sync_product ORDER BY id"
    return database.execute(query).fetchall()


def test_second_catalogue_brings_its_changes_and_no_more(demo):
    assert told(demo("--no-serve", "--catalogue", "2")) == expected(2, 1)
    with closing(sqlite3.connect(demo.database)) as database:
        stored = dict(database.execute("SELECT sku, inventory_count FROM ecommerce_sync_product"))
    assert stored == {row["sku"]: row["stock"] for row in whole("products", 2).values()}
    assert told(demo("--no-serve", "--catalogue", "2")) == expected(2, 2)


def test_demo_serves_and_ends_with_ctrl_c(tmp_path):
    # Started in a shell's background, this process and so its children would not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command("demo"),
        env=environment(tmp_path / "served.sqlite3"),
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            addresses = (line.strip() for line in process.stdout if "/swagger/" in line)
            assert fetch(next(addresses, "")) == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0
        finally:
            process.kill()


def fetch(address: str) -> int:
    """The status of a page that may need a moment to be there."""
    deadline = monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                return response.status
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if monotonic() > deadline:
                raise
            sleep(0.2)
