"""gunicorn with several processes, on a database of its own that is dropped afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import dj_database_url
import MySQLdb

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASE_URL = "mysql://root@127.0.0.1:3306/ecommerce_sync"
PATIENCE = 60


@dataclass(frozen=True)
class Server:
    """Where it answers, the token of somebody with every right, and what it wrote to its log."""

    url: str
    token: str
    log: Path
    environment: dict[str, str]


@contextmanager
def serving(*, workers: int = 2, threads: int = 1, throttles: bool = False) -> Iterator[Server]:
    """A server with rows in it, until the block ends."""
    with TemporaryDirectory() as folder, database() as url:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.live.settings",
            "LIVE_CACHE": f"{folder}/cache",
            "LIVE_THROTTLES": "1" if throttles else "0",
        }
        manage(environment, "-m", "django", "migrate", "--verbosity", "0")
        token = manage(environment, "-m", "tests.live.seed").strip()
        log = Path(folder, "gunicorn.log")
        port = free_port()
        command = ["gunicorn", "tests.live.wsgi", "--bind", f"127.0.0.1:{port}"]
        command += ["--workers", str(workers), "--threads", str(threads), "--timeout", "60"]
        command += ["--limit-request-line", "0"]  # so that long addresses reach us
        with log.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT, env=environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            wait_for(port, child, log)
            yield Server(f"http://127.0.0.1:{port}", token, log, environment)
        finally:
            child.terminate()
            child.wait(30)


@contextmanager
def database() -> Iterator[str]:
    """The address of a new database on the server that ``DATABASE_URL`` names."""
    base = os.environ.get("DATABASE_URL", DATABASE_URL)
    config = dj_database_url.parse(base)
    name = f"{config['NAME']}_live_{os.getpid()}"
    connection = MySQLdb.connect(
        host=config["HOST"], port=int(config["PORT"] or 3306),
        user=config["USER"], password=config["PASSWORD"],
    )  # fmt: skip
    cursor = connection.cursor()
    cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        yield urlunsplit(urlsplit(base)._replace(path=f"/{name}"))
    finally:
        cursor.execute(f"DROP DATABASE `{name}`")
        connection.close()


def manage(environment: dict[str, str], *arguments: str) -> str:
    """What a Python process prints in the server's environment."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"gunicorn does not answer: {log.read_text(errors='replace')}")
