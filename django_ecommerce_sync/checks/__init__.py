"""System checks of the ``ECOMMERCE_SYNC`` setting: every typo found before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import settings
from ..sync.infile import may_send_files
from .feeds import cron_complaint, feeds, plain_http
from .messages import error, warning
from .orders import orders
from .values import installed, names, runner, time_zones, values

__all__ = [
    "charset_complaint",
    "check_database",
    "check_deployment",
    "check_settings",
    "cron_complaint",
]


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Everything that can be seen without the database and without asking a feed."""
    configured: Any = getattr(django_settings, "ECOMMERCE_SYNC", {})
    if not isinstance(configured, Mapping):
        return [error("001", "ECOMMERCE_SYNC must be a dict.", 'ECOMMERCE_SYNC = {"FEEDS": {…}}')]
    return [
        *names(configured),
        *values(configured),
        *runner(),
        *feeds(configured),
        *orders(configured),
        *time_zones(),
        *installed(),
    ]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is wrong for production only (``check --deploy``): feeds that anybody can listen to."""
    configured: Any = getattr(django_settings, "ECOMMERCE_SYNC", {})
    found = configured.get("FEEDS", {}) if isinstance(configured, Mapping) else None
    return list(plain_http(found)) if isinstance(found, Mapping) else []


def check_database(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Whether MySQL and MariaDB can store every name there is (``check --database``)."""
    found: list[CheckMessage | None] = []
    for alias in databases or ():
        found += [charset_complaint(connections[alias]), infile_complaint(connections[alias])]
    return [message for message in found if message]


def charset_complaint(connection: BaseDatabaseWrapper) -> CheckMessage | None:
    """Whether the database and the connection store every character, or what they lack."""
    if connection.vendor != "mysql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database, @@character_set_client")
        found = cursor.fetchone()
    if set(found) <= {"utf8mb4"}:
        return None
    message = (
        f"Database '{connection.alias}' does not speak utf8mb4 throughout: {', '.join(found)}."
    )
    hint = "ALTER DATABASE … CHARACTER SET utf8mb4, and OPTIONS = {'charset': 'utf8mb4'}."
    return warning("002", message, hint)


def infile_complaint(connection: BaseDatabaseWrapper) -> CheckMessage | None:
    """Whether rows are to be sent as files, and the connection or its server does not do so."""
    if not settings.LOCAL_INFILE or may_send_files(connection):
        return None
    message = f"ECOMMERCE_SYNC['LOCAL_INFILE'] does nothing for database '{connection.alias}'."
    hint = (
        "On MySQL: OPTIONS = {'local_infile': True}, and local_infile=1 in the server's settings."
    )
    return warning("010", message, hint)
