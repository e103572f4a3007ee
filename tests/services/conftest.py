"""The example project as it runs in earnest: web, worker and beat on MariaDB and Redis."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dj_database_url
import pytest
import redis

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "example_project"
sys.path.insert(0, str(EXAMPLE))

from demo.server import CatalogueServer  # noqa: E402

#: A Redis database nobody else is likely to use; it is emptied before and after.
REDIS_DATABASE = 13
PATIENCE = 60


@dataclass
class Stack:
    """Where the running project is, and how to talk to it."""

    environment: dict[str, str]
    folder: Path
    password: str = ""
    url: str = ""
    token: str = ""
    children: dict[str, subprocess.Popen] = field(default_factory=dict)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=EXAMPLE, env=self.environment, text=True, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str, *arguments: str) -> subprocess.Popen:
        """A process in a group of its own, with its output in a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=EXAMPLE, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.children[name] = child
        return child

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the JSON of an API call."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("http") else f"{self.url}{path}"
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def finished_run(self, run_id: int) -> dict[str, Any]:
        """The run, once it is over."""
        return wait_for(
            lambda: self.call("GET", f"/api/sync-runs/{run_id}/")[1],
            lambda run: run["status"] not in ("queued", "running"),
        )


def wait_for(
    look: Callable[[], Any], good: Callable[[Any], bool], *, patience: float = PATIENCE
) -> Any:
    """What ``look`` sees once it is good, or as it is when patience (in seconds) ends."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if good(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.25)


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A MariaDB database of our own, dropped afterwards."""
    MySQLdb = pytest.importorskip("MySQLdb")
    url = os.environ.get("DATABASE_URL", "mysql://root@127.0.0.1:3306/ecommerce_sync")
    config = dj_database_url.parse(url)
    name = f"{config['NAME']}_services_{os.getpid()}"
    connection = MySQLdb.connect(
        host=config["HOST"], port=int(config["PORT"] or 3306),
        user=config["USER"], password=config["PASSWORD"],
    )  # fmt: skip
    cursor = connection.cursor()
    cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    cursor.execute(f"DROP DATABASE `{name}`")
    connection.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis database of our own, emptied before and after."""
    base = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
    url = urlunsplit(urlsplit(base)._replace(path=f"/{REDIS_DATABASE}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def catalogue_server() -> Iterator[CatalogueServer]:
    with CatalogueServer() as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory, database_url, redis_url, catalogue_server) -> Iterator[Stack]:
    """Web, worker and beat, migrated and with an administrator who is logged in."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DEMO_FEED_URL": catalogue_server.url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }
    stack = Stack(environment, tmp_path_factory.mktemp("stack"))
    stack.manage("migrate", "--verbosity", "0")
    stack.password = stack.manage("demo_user").split()[-1]
    try:
        start_all(stack)
        yield stack
    finally:
        stack.stop()


def start_all(stack: Stack) -> None:
    port = free_port()
    stack.url = f"http://127.0.0.1:{port}"
    celery = ("-m", "celery", "-A", "config")
    stack.start("web", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    stack.start("worker", *celery, "worker", "--loglevel", "INFO", "--concurrency", "2")
    schedule = str(stack.folder / "beat")
    stack.start("beat", *celery, "beat", "--loglevel", "INFO", "--schedule", schedule)
    wait_for(lambda: answers(port), bool)
    wait_for(lambda: " ready." in stack.log("worker"), bool)
    login = {"username": "admin", "password": stack.password}
    status, tokens = stack.call("POST", "/api/token/", login)
    assert status == 200, tokens
    stack.token = tokens["access"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
