"""A sign of life while a source takes its time: between two batches nothing renews the lease."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from types import TracebackType
from typing import Generic, Self

from django.db import DatabaseError

from ..conf import settings
from .database import connection_of_runs
from .faults import code_of
from .lease import J, Lease, lease_end

logger = logging.getLogger(__name__)

#: Seconds without a batch after which a worker is taken to hang, whatever its heart does.
MAX_SILENCE = 3600.0


class Heartbeat(threading.Thread, Generic[J]):
    """Renews a lease, thrice in its time, as long as batches come within ``MAX_SILENCE``.

    A frozen or dead worker's heart stops with it. The connection is the thread's own and is
    closed after each beat, so that none is held while a feed is read. Inside a transaction of the
    caller's it stands still: nobody else sees the lease, and a beat would wait for the row.
    """

    def __init__(self, lease: Lease[J]) -> None:
        super().__init__(name=f"sync-heartbeat-{lease.pk}", daemon=True)
        self.lease = lease
        self._stopped = threading.Event()
        self._batch = -1
        self._progress = monotonic()

    def __enter__(self) -> Self:
        if not connection_of_runs().in_atomic_block:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._stopped.wait(settings.LEASE_SECONDS / 3):
            try:
                self._beat()
            except DatabaseError as error:  # the next beat, or the next batch, will tell
                logger.warning("A lease could not be renewed: %s", code_of(error))
            finally:
                connection_of_runs().close()

    def _beat(self) -> None:
        batch = self.lease.mine.values_list("batch_number", flat=True).first()
        if batch != self._batch:
            self._batch, self._progress = batch or 0, monotonic()
        if monotonic() - self._progress < MAX_SILENCE:
            self._renew()

    def _renew(self) -> None:
        self.lease.mine.update(lease_until=lease_end())
