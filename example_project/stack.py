#!/usr/bin/env python
"""``make stack``: shop, web, worker and beat on MariaDB and Redis, one prefix per line.

Ctrl-C ends all of them; so does the end of any one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

from config.environment import load_env

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
CELERY = (PYTHON, "-m", "celery", "-A", "config")
PROCESSES = {
    "shop": (PYTHON, "manage.py", "demo_feed"),
    "web": (PYTHON, "manage.py", "runserver", "--noreload"),
    "worker": (*CELERY, "worker", "--loglevel", "INFO", "--concurrency", "2"),
    "beat": (*CELERY, "beat", "--loglevel", "INFO", "--schedule", "var/beat"),
}
#: The first run is only asked for here; the worker carries it out.
SET_UP = (
    ("migrate", "--verbosity", "0"),
    ("demo_user",),
    ("ecommerce_sync", "run", "demo", "--background"),
)
DEFAULTS = {"DB_NAME": "ecommerce_sync", "REDIS_URL": "redis://127.0.0.1:6379/0"}
#: Seconds a process has to end by itself.
GRACE = 10


def main() -> int:
    """Set the database up, start everything, and wait for Ctrl-C or for the first that ends."""
    set_defaults()
    create_database()
    for command in SET_UP:
        subprocess.run((PYTHON, "manage.py", *command), cwd=HERE, check=True)  # noqa: S603 - our own commands
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    children = {name: start(name, command) for name, command in PROCESSES.items()}
    try:
        while all(child.poll() is None for child in children.values()):
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nstack    | ending")
        return 0
    else:
        ended = [name for name, child in children.items() if child.poll() is not None]
        print(f"stack    | {', '.join(ended)} ended, so the others end too", file=sys.stderr)
        return 1
    finally:
        stop(children)


def set_defaults() -> None:
    """The environment and ``.env`` decide; what they leave open is MariaDB and Redis here."""
    load_env(HERE / ".env", HERE.parent / ".env")
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ["PYTHONUNBUFFERED"] = "1"


def create_database() -> None:
    """Create the database named by ``DB_NAME`` where it is missing."""
    if os.environ.get("DATABASE_URL"):
        return
    import MySQLdb  # only here: with DATABASE_URL the stack may run on another database

    connection = MySQLdb.connect(
        host=os.environ.get("DB_HOST", "127.0.0.1"),
        port=int(os.environ.get("DB_PORT", "3306")),
        user=os.environ.get("DB_USER", "root"),
        password=os.environ.get("DB_PASSWORD", ""),
    )
    name = os.environ["DB_NAME"].replace("`", "``")
    connection.cursor().execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
    connection.close()


def start(name: str, command: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process, in a group of its own so that Ctrl-C reaches it through us alone."""
    child = subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=HERE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    Thread(target=echo, args=(name, child), daemon=True).start()
    return child


def echo(name: str, child: subprocess.Popen[str]) -> None:
    """Print what the process says, each line under its name."""
    for line in child.stdout or ():
        print(f"{name:<8} | {line}", end="", flush=True)


def stop(children: dict[str, subprocess.Popen[str]]) -> None:
    """End every process, kindly first."""
    for child in children.values():
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + GRACE
    for child in children.values():
        try:
            child.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


if __name__ == "__main__":
    sys.exit(main())
