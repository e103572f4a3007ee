"""Signals for host projects. Bulk writes send no ``post_save``; these are the public hook.

All are sent after the commit they speak of, never in a dry run, with ``sender`` the model
(``batch_synced``) or ``SyncRun`` (the others).
"""

import logging
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger(__name__)

#: A run has begun. Arguments: ``run``.
sync_started = Signal()
#: A batch was committed. Arguments: ``run`` (None for rows that came in bulk over the API),
#: ``stream`` (name), ``created`` (list of primary keys), ``updated`` (dict of primary key to the
#: tuple of field names that changed).
batch_synced = Signal()
#: A run has ended, in whatever state. Arguments: ``run``.
sync_finished = Signal()


def tell(signal: Signal, sender: Any, **arguments: Any) -> None:
    """Send a signal; a listener's mistake is its own, for what it hears of is committed."""
    for receiver, answer in signal.send_robust(sender, **arguments):
        if isinstance(answer, Exception):
            logger.error("%s failed on a sync signal", receiver, exc_info=answer)
