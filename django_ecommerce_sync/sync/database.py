"""The database of runs: a batch is exactly once because all of it is one transaction there.

A project's routers say which it is. Rows that streams write must be in it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, router, transaction

from ..models import SyncRun


def alias_of(model: type[models.Model]) -> str:
    """The alias of the database a model's rows are written to."""
    return router.db_for_write(model) or DEFAULT_DB_ALIAS


def alias_of_runs() -> str:
    """That of the runs."""
    return alias_of(SyncRun)


def misplaced(model: type[models.Model]) -> str:
    """What is wrong with where a model's rows are, or "".

    What is written to two databases can be committed in one and lost in the other.
    """
    mine, runs = alias_of(model), alias_of_runs()
    if mine == runs:
        return ""
    return f"writes {model.__name__} to the database '{mine}', but the runs are in '{runs}'"


def connection_of_runs() -> Any:
    """This thread's connection to it."""
    return connections[alias_of_runs()]


@contextmanager
def atomic(*, savepoint: bool = True) -> Iterator[None]:
    """A transaction there; ``@atomic()`` puts a function into one."""
    with transaction.atomic(using=alias_of_runs(), savepoint=savepoint):
        yield
