"""What the environment and the ``.env`` file say, as settings read it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dj_database_url

SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}
MYSQL_OPTIONS = {
    "charset": "utf8mb4",
    "isolation_level": "read committed",
    "init_command": "SET sql_mode = 'STRICT_ALL_TABLES', innodb_lock_wait_timeout = 10",
}


def load_env(*paths: Path) -> None:
    """Put the ``NAME=value`` lines of the files into the environment, which wins over them."""
    for path in paths:
        if path.is_file():
            for name, value in parse_env(path.read_text(encoding="utf-8")).items():
                os.environ.setdefault(name, value)


def parse_env(text: str) -> dict[str, str]:
    """``NAME=value`` lines, without ``# comments``, ``export`` and quotes around values."""
    values = {}
    for line in text.splitlines():
        name, found, value = line.strip().removeprefix("export ").partition("=")
        if found and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    """Whether ``name`` is 1; the default where nothing is said."""
    value = environ.get(name)
    return value == "1" if value else default


def number(environ: Mapping[str, str], name: str, default: int) -> int:
    """The whole number that ``name`` is; the default where nothing is said."""
    return int(environ.get(name) or default)


def database(environ: Mapping[str, str], sqlite: Path) -> dict[str, Any]:
    """``DATABASE_URL``, else ``DB_NAME`` and its companions on MySQL, else the SQLite file."""
    if url := environ.get("DATABASE_URL"):
        config: dict[str, Any] = dict(dj_database_url.parse(url))
    elif name := environ.get("DB_NAME"):
        config = {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name,
            "USER": environ.get("DB_USER", "root"),
            "PASSWORD": environ.get("DB_PASSWORD", ""),
            "HOST": environ.get("DB_HOST", "127.0.0.1"),
            "PORT": environ.get("DB_PORT", "3306"),
        }
    else:
        config = {"ENGINE": "django.db.backends.sqlite3", "NAME": sqlite}
    config["OPTIONS"] = {**_options(config["ENGINE"]), **config.get("OPTIONS", {})}
    return config


def _options(engine: str) -> dict[str, Any]:
    if engine.endswith("mysql"):
        return MYSQL_OPTIONS
    return SQLITE_OPTIONS if engine.endswith("sqlite3") else {}


def secret_key(path: Path) -> str:
    """The key in the file, which is made at the first start and never leaves this machine."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    key = secrets.token_urlsafe(64)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)
    return key
