"""The last copies of records that a feed has more than once, until the stream has ended."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterable, Iterator

from .changes import Item
from .reader import NumberedRow


class Repeats:
    """A private file of records by external id; a later copy replaces an earlier one."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE copy (id TEXT PRIMARY KEY, position, row)")

    def put(self, items: Iterable[Item]) -> None:
        """Keep these copies instead of earlier ones."""
        rows = [(item.external_id, item.position, pickle.dumps(item.origin)) for item in items]
        self._db.executemany("INSERT OR REPLACE INTO copy VALUES (?, ?, ?)", rows)

    def batches(self, size: int) -> Iterator[list[NumberedRow]]:
        """What is kept, in the feed's order."""
        found = self._db.execute("SELECT position, row FROM copy ORDER BY position")
        while rows := found.fetchmany(size):
            # Our own file of a moment ago, which nobody else can open.
            yield [(position, pickle.loads(row)) for position, row in rows]  # noqa: S301

    def close(self) -> None:
        """Forget everything."""
        self._db.close()
