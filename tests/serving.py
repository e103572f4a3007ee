"""The demo as people start it, for tests that need a server: ``manage.py demo`` and its address."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import requests

from tests.test_demo import command, environment

PATIENCE = 60


class Shop(NamedTuple):
    """Where the demo answers, and whom it lets in."""

    url: str
    user: str
    password: str


@contextmanager
def demo_shop(database: Path) -> Iterator[Shop]:
    """The demo on a new database, until the end of the block."""
    with subprocess.Popen(
        command("demo"), env=environment(database), text=True, stdout=subprocess.PIPE
    ) as process:
        try:
            yield _announced(process)
        finally:
            process.terminate()


def _announced(process: subprocess.Popen[str]) -> Shop:
    told = ""
    for line in process.stdout or ():
        told += line
        if found := re.search(r"user (\S+), password (\S+)", line):
            address = re.search(r"(http://\S+)/swagger/", told)
            assert address, told
            shop = Shop(address[1], *found.groups())
            _wait_for(f"{shop.url}/api/health/ready/")
            return shop
    raise AssertionError(f"The demo says no password:\n{told}")


def _wait_for(address: str) -> None:
    deadline = monotonic() + PATIENCE
    while True:
        try:
            requests.get(address, timeout=10).raise_for_status()
            return
        except requests.ConnectionError:
            if monotonic() > deadline:
                raise
            sleep(0.1)
