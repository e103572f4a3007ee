"""What a dry run would have written, so that its later batches can build on it.

A private database file that disappears with the run: a dry run of any length needs no memory
and leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


class Ledger:
    """Remembers, for each stream, the ids and keys that exist by now, in imagination."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (stream, id, outcome, PRIMARY KEY (stream, id))")
        self._db.execute("CREATE TABLE taken (model, key, PRIMARY KEY (model, key))")

    def note(self, stream: str, outcomes: Iterable[tuple[str, str]]) -> None:
        """Records were seen: pairs of external id and outcome."""
        rows = [(stream, external_id, outcome) for external_id, outcome in outcomes]
        self._db.executemany(
            # A record that was met in an older state only may still become something.
            "INSERT INTO seen VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET outcome = excluded.outcome WHERE outcome = 'skipped'",
            rows,
        )

    def take(self, model: str, keys: Iterable[str]) -> None:
        """Rows with these keys would exist now."""
        self._db.executemany(
            "INSERT OR IGNORE INTO taken VALUES (?, ?)", [(model, k) for k in keys]
        )

    def seen(self, stream: str, external_id: str) -> str:
        """What became of a record earlier in this run, or ""."""
        row = self._db.execute(
            "SELECT outcome FROM seen WHERE stream = ? AND id = ?", (stream, external_id)
        ).fetchone()
        return row[0] if row else ""

    def is_taken(self, model: str, key: str) -> bool:
        """Whether a row with that key would exist."""
        found = self._db.execute(
            "SELECT 1 FROM taken WHERE model = ? AND key = ?", (model, key)
        ).fetchone()
        return found is not None

    def close(self) -> None:
        """Forget everything."""
        self._db.close()
