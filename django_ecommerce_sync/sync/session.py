"""The database session of a run: whatever a project's own are set to, these rules hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.signals import connection_created

from ..conf import settings
from .database import connection_of_runs

#: Seconds to wait for somebody else's row lock before the batch is tried anew.
LOCK_SECONDS = 10
#: Seconds a connection may well be unused: while a source of the project's own takes its time.
_UNUSED = 900


@contextmanager
def own_session() -> Iterator[None]:
    """Use a connection of our own for a run, and any that must be opened while it lasts.

    Inside a transaction of the caller's there is nothing to choose: its connection is used.
    """
    connection = connection_of_runs()
    if connection.in_atomic_block:
        yield
        return

    def prepare(connection: Any, **kwargs: Any) -> None:
        if connection is mine:
            for sql in _rules(connection):
                with connection.cursor() as cursor:
                    cursor.execute(sql)

    mine = connection
    connection.close()
    connection_created.connect(prepare)
    try:
        yield
    finally:
        connection_created.disconnect(prepare)
        connection.close()


def let_go() -> None:
    """Close the connection while somebody else takes their time; the next query opens another."""
    connection = connection_of_runs()
    if not connection.in_atomic_block:
        connection.close()


def _rules(connection: Any) -> list[str]:
    """Isolation, strictness, and an end to the locks of a worker that says nothing any more."""
    silence = int(settings.LEASE_SECONDS)
    if connection.vendor == "mysql":
        # MySQL ends silent transactions only together with connections that are merely unused.
        kind = "idle_transaction_timeout" if connection.mysql_is_mariadb else "wait_timeout"
        silence = silence if connection.mysql_is_mariadb else max(silence, _UNUSED)
        return [
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES'), "
            f"innodb_lock_wait_timeout = {LOCK_SECONDS}, {kind} = {silence}",
        ]
    if connection.vendor == "postgresql":
        return [
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            f"SET idle_in_transaction_session_timeout = '{silence}s'",
        ]
    return []
