"""The one transaction of a merge: its locks, and another try where the database asks for one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import OperationalError, models, router, transaction

from ...exceptions import MergeRefused
from ...models import ACTIVE, SyncRun
from ..faults import is_passing

#: How often a merge is tried that a deadlock or a locked database has turned away.
_ATTEMPTS = 5
#: The longest pause before the second attempt, in seconds; it doubles from there on.
_PAUSE = 0.1

Result = TypeVar("Result")


def in_one_go(model: type[models.Model], work: Callable[[], Result]) -> Result:
    """Do the work in one transaction, once more where the database only asks for patience."""
    alias = router.db_for_write(model)
    nested = transaction.get_connection(alias).in_atomic_block
    attempt = 1
    while True:
        try:
            with transaction.atomic(using=alias):
                return work()
        except OperationalError as error:
            if nested or attempt == _ATTEMPTS or not is_passing(error):
                raise
        time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311
        attempt += 1


def locked(model: type[models.Model], *pks: int) -> list[models.Model]:
    """The rows, locked in the order of their primary keys; no batch of a sync runs meanwhile.

    A batch that had looked up the link of a row before, and found the row gone, would create
    it anew.
    """
    list(SyncRun.objects.select_for_update().filter(status__in=ACTIVE).order_by("pk").values("pk"))
    rows = model._base_manager.select_for_update().filter(pk__in=pks).order_by("pk")
    found = {row.pk: row for row in rows}
    return [present(model, found, pk) for pk in pks]


def present(model: type[models.Model], found: Mapping[Any, models.Model], pk: int) -> models.Model:
    """The row of that primary key; raises ``MergeRefused`` if it is not there any more."""
    if pk not in found:
        raise MergeRefused("gone", f"{model.__name__} {pk} is not there any more.")
    return found[pk]
