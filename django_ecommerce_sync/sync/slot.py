"""The slot of a feed: one queued or running run, whoever asks for more."""

from __future__ import annotations

from functools import partial

from django.db import IntegrityError

from ..exceptions import ConfigurationError
from ..models import SyncRun
from .database import atomic
from .faults import tried_again
from .lease import lease_end


def queue(wish: SyncRun) -> tuple[SyncRun, bool]:
    """The run, inserted, and True; or the feed's active run and False.

    The unique slot decides who was first.
    """
    wish.lease_until = lease_end()  # the time its message has to be answered in
    for _ in range(3):
        try:
            tried_again(partial(_insert, wish))
            return wish, True
        except IntegrityError:
            active = _active(wish.feed)
            if active is not None:
                return active, False
            wish.pk = None  # it ended just now: try once more
    raise ConfigurationError(f"Feed '{wish.feed}' could not be queued; try again.")


@atomic()
def _insert(wish: SyncRun) -> None:
    wish.save(force_insert=True)
    wish.refresh_from_db(fields=["lease_until"])


@atomic()
def _active(feed: str) -> SyncRun | None:
    # A lock reads what is there now, also where the caller's transaction began before it.
    return SyncRun.objects.select_for_update().filter(feed=feed, slot__isnull=False).first()
