"""The database of runs: a batch is exactly once because all of it is one transaction there.

A project's routers say which it is. Rows that streams write must be in it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, router, transaction

from ..models import SyncRun


def alias_of_runs() -> str:
    """The alias of that database."""
    return router.db_for_write(SyncRun) or DEFAULT_DB_ALIAS


def connection_of_runs() -> Any:
    """This thread's connection to it."""
    return connections[alias_of_runs()]


@contextmanager
def atomic(*, savepoint: bool = True) -> Iterator[None]:
    """A transaction there; ``@atomic()`` puts a function into one."""
    with transaction.atomic(using=alias_of_runs(), savepoint=savepoint):
        yield
