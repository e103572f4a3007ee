"""Rows that belong together made one record, whatever lies between them."""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..exceptions import RecordError
from .mapping import converter, identifier
from .records import BadRow, Payload


def grouped(rows: Iterable[Payload | BadRow], path: str) -> Iterator[Payload | BadRow]:
    """``{**first row, "rows": [all rows]}`` for each value at ``path``, in order of appearance.

    The rows wait in a temporary file: no group's last row is known before the feed's end.
    Rows that cannot be read, or have no value there, come first, each for itself.
    """
    source = converter(path)
    with tempfile.TemporaryDirectory(prefix="ecommerce-sync-") as folder:
        store = sqlite3.connect(Path(folder) / "rows", isolation_level=None)
        try:
            store.execute("PRAGMA journal_mode=OFF")
            store.execute("PRAGMA synchronous=OFF")
            store.execute("CREATE TABLE groups (name TEXT PRIMARY KEY, number INTEGER)")
            store.execute("CREATE TABLE rows (number INTEGER, position INTEGER, row BLOB)")
            store.execute("BEGIN")
            yield from _stored(store, rows, source)
            store.execute("CREATE INDEX by_group ON rows (number, position)")
            yield from _groups(store)
        finally:
            store.close()


def _stored(store: sqlite3.Connection, rows: Iterable[Any], source: Any) -> Iterator[BadRow]:
    """Put the rows away; what belongs to no group comes back at once."""
    for position, row in enumerate(rows):
        if isinstance(row, BadRow):
            yield row
            continue
        name = identifier(source.extract(row))
        if not name:
            message = f"The record has no value at '{source.path}' to be grouped by."
            yield BadRow(RecordError("group_missing", message))
            continue
        store.execute("INSERT OR IGNORE INTO groups VALUES (?, ?)", (name, position))
        store.execute(
            "INSERT INTO rows SELECT number, ?, ? FROM groups WHERE name = ?",
            (position, pickle.dumps(row, pickle.HIGHEST_PROTOCOL), name),
        )


def _groups(store: sqlite3.Connection) -> Iterator[Payload]:
    number: int | None = None
    members: list[Payload] = []
    for found, row in store.execute("SELECT number, row FROM rows ORDER BY number, position"):
        if found != number and members:
            yield {**members[0], "rows": members}
            members = []
        number = found
        members.append(pickle.loads(row))  # noqa: S301 - we wrote it ourselves, a moment ago
    if members:
        yield {**members[0], "rows": members}
