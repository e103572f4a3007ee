"""The slot of a feed: one queued or running run, whoever asks for more."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from ..exceptions import ConfigurationError
from ..models import SyncRun


def queue(wish: SyncRun) -> tuple[SyncRun, bool]:
    """The run, inserted, and True; or the feed's active run and False.

    The unique slot decides who was first.
    """
    for _ in range(3):
        try:
            with transaction.atomic():
                wish.save(force_insert=True)
            return wish, True
        except IntegrityError:
            active = SyncRun.objects.filter(feed=wish.feed, slot__isnull=False).first()
            if active is not None:
                return active, False
            wish.pk = None  # it ended just now: try once more
    raise ConfigurationError(f"Feed '{wish.feed}' could not be queued; try again.")
