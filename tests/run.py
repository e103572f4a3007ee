#!/usr/bin/env python
"""Every test this machine can run: on SQLite and on MariaDB, then with Celery on Redis.

The databases are tested at the same time; what the second one says comes after the first.

``make test`` calls it. What a missing service leaves out is said at the end; with
``REQUIRE_SERVICES=1`` it is a failure. Further arguments go to pytest. ``DB_HOST``,
``DB_PORT``, ``DB_USER`` and ``DB_PASSWORD`` name the server, ``REDIS_URL`` the broker.
"""

import os
import socket
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import quote

import redis

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "example_project"))

from config.environment import load_env  # noqa: E402

PASSED, NO_TESTS_SELECTED = 0, 5
#: What knows no database is tested once.
WITHOUT_DATABASE = ("--ignore=tests/feeds", "--ignore=tests/clients")


def main() -> int:
    """Run what can be run, say what was left out; both a failure and a gap may fail the whole."""
    load_services()
    here = "not services and not chaos and not clients"
    parts = (
        ("SQLite", here, "sqlite://:memory:", ""),
        ("MariaDB", f"{here} and not slow", mariadb_url(), without_mariadb()),
        ("Celery", "services", mariadb_url(), without_mariadb() or without_redis()),
    )
    with TemporaryFile("w+") as later:
        second = None
        if not parts[1][3]:
            second = start_pytest(*parts[1][1:3], *WITHOUT_DATABASE, output=later)
        results = {"SQLite": run_pytest(*parts[0][:3])}
        results["MariaDB"] = told("MariaDB", second, later) if second else left_out(parts[1][3])
    name, markers, url, gap = parts[2]
    results[name] = left_out(gap) if gap else run_pytest(name, markers, url)
    for name, result in results.items():
        print(f"{name:<8} {result}")
    required = os.environ.get("REQUIRE_SERVICES") == "1"
    good = ("passed",) if required else ("passed", "left out")
    return 0 if all(result.startswith(good) for result in results.values()) else 1


def load_services() -> None:
    """Learn where MariaDB and Redis are; ``make services`` may have noted it."""
    load_env(ROOT / "example_project" / ".env", ROOT / ".env")
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:6379/0")


def run_pytest(name: str, markers: str, url: str) -> str:
    """Run the tests with these markers on this database, and say in a word how it went."""
    print(f"== {name}: pytest -m '{markers}'", flush=True)
    return outcome(start_pytest(markers, url).wait())


def start_pytest(
    markers: str, url: str, *options: str, output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    """Begin to run the tests with these markers on this database."""
    command = [sys.executable, "-m", "pytest", "-m", markers, *options, *sys.argv[1:]]
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
    )


def told(name: str, running: subprocess.Popen[bytes], output: IO[str]) -> str:
    """Wait for tests that run, and say what they have said meanwhile."""
    code = running.wait()
    output.seek(0)
    print(f"== {name}, meanwhile\n{output.read()}", flush=True)
    return outcome(code)


def left_out(gap: str) -> str:
    """How it went where something is missing."""
    return f"left out: {gap}"


def outcome(code: int) -> str:
    """What an exit code of pytest says."""
    if code == NO_TESTS_SELECTED and sys.argv[1:]:
        return "passed: your arguments select none of its tests"
    return "passed" if code == PASSED else f"FAILED: pytest ended with {code}"


def server() -> dict[str, str]:
    """Where MariaDB is, as ``DB_*`` say it: root without a password on this machine by default."""
    return {
        "host": os.environ.get("DB_HOST", "127.0.0.1"),
        "port": os.environ.get("DB_PORT", "3306"),
        "user": os.environ.get("DB_USER", "root"),
        "password": os.environ.get("DB_PASSWORD", ""),
    }


def mariadb_url() -> str:
    """The address for ``DATABASE_URL``; Django puts ``test_`` before the database's name."""
    at = server()
    login = f"{quote(at['user'], safe='')}:{quote(at['password'], safe='')}"
    return f"mysql://{login}@{at['host']}:{at['port']}/ecommerce_sync"


@cache
def without_mariadb() -> str:
    """Why the tests cannot use MariaDB, or nothing."""
    at = server()
    place = f"{at['host']}:{at['port']}"
    if not listens(at["host"], int(at["port"])):
        return f"no MariaDB answers at {place}"
    if not (find_spec("MySQLdb") or installed_mysqlclient()):
        return "mysqlclient cannot be built here (make services brings what it needs)"
    import MySQLdb  # it may have been installed only now

    try:
        MySQLdb.connect(**{**at, "port": int(at["port"])}, connect_timeout=5).close()
    except MySQLdb.Error as error:
        return f"MariaDB at {place} does not let {at['user']} in ({error.args[-1]})"
    return ""


def listens(host: str, port: int) -> bool:
    """Whether anything takes connections there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def installed_mysqlclient() -> bool:
    """Try to install mysqlclient, which needs a compiler and MariaDB's headers."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "mysqlclient>=2.2"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


@cache
def without_redis() -> str:
    """Why the tests cannot use Redis, or nothing."""
    url = os.environ["REDIS_URL"]
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return f"no Redis at {url.rpartition('@')[2]} ({type(error).__name__})"
    return ""


if __name__ == "__main__":
    sys.exit(main())
