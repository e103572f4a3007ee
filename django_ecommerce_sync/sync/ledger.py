"""What a dry run would have written, so that its later batches can build on it.

A private database file that disappears with the run: a dry run of any length needs no memory
and leaves no trace.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .changes import Link
from .table import Row

_TABLES = """
PRAGMA journal_mode=OFF;
CREATE TABLE link (stream, id, model, object_id, link, PRIMARY KEY (stream, id));
CREATE INDEX link_object ON link (object_id, model);
CREATE TABLE row (model, pk, key, row, PRIMARY KEY (model, pk));
CREATE INDEX row_key ON row (model, key);
CREATE TABLE met (stream, id, PRIMARY KEY (stream, id));
CREATE TABLE missing (link PRIMARY KEY);
CREATE TABLE replanned (identity PRIMARY KEY);
"""


class Imagined(str):
    """The primary key of a row that does not exist yet."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ImaginedRow:
    """A row as it would be by now, with its child rows where they would be new, too."""

    row: Row
    children: dict[str, list[Row]]


class Ledger:
    """Links and rows as they would be by now; what it does not hold is as the database has it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    # -- links -------------------------------------------------------------------------------

    def put_links(self, stream: str, links: Iterable[Link]) -> None:
        """Links of a stream as they would be now."""
        rows = [
            (stream, link.external_id, link.model, str(link.object_id), pickle.dumps(link))
            for link in links
        ]
        self._db.executemany("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", rows)

    def links(self, stream: str, external_ids: Iterable[str]) -> dict[str, Link]:
        """The links it holds of these records."""
        found = ((external_id, self.link(stream, external_id)) for external_id in external_ids)
        return {external_id: link for external_id, link in found if link}

    def link(self, stream: str, external_id: str) -> Link | None:
        """The link of a record."""
        found = self._db.execute(
            "SELECT link FROM link WHERE stream = ? AND id = ?", (stream, external_id)
        ).fetchone()
        link: Link | None = self._read(found)
        return link

    def holders(self, model: str, object_id: str) -> list[tuple[str, Link]]:
        """The links it holds to a row, with their streams."""
        found = self._db.execute(
            "SELECT stream, link FROM link WHERE object_id = ? AND model = ?", (object_id, model)
        )
        return [(stream, self._read((link,))) for stream, link in found]

    def records(self, stream: str, model: str, object_ids: Iterable[str]) -> dict[str, str]:
        """Of these rows, those that are a record of the stream: {primary key: external id}.

        But for records that came with a row which was merged into that one.
        """
        return {
            object_id: link.external_id
            for object_id in object_ids
            for known, link in self.holders(model, object_id)
            if known == stream and link.merged_row is None
        }

    def meet(self, stream: str, external_ids: Iterable[str]) -> None:
        """Records of a stream were met."""
        rows = [(stream, external_id) for external_id in external_ids]
        self._db.executemany("INSERT OR IGNORE INTO met VALUES (?, ?)", rows)

    def has_met(self, stream: str, external_id: str) -> bool:
        """Whether the record was met in this run."""
        return self._has("SELECT 1 FROM met WHERE stream = ? AND id = ?", stream, external_id)

    def miss(self, link_ids: Iterable[int]) -> None:
        """Stored links whose records a complete stream no longer has."""
        rows = [(link_id,) for link_id in link_ids]
        self._db.executemany("INSERT OR IGNORE INTO missing VALUES (?)", rows)

    def is_missing(self, link_id: int) -> bool:
        """Whether a stored link's record would be noted as missing by now."""
        return self._has("SELECT 1 FROM missing WHERE link = ?", link_id)

    # -- rows --------------------------------------------------------------------------------

    def put_row(self, model: str, pk: Any, key: Any, row: ImaginedRow) -> None:
        """A row as it would be now."""
        self._db.execute(
            "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)",
            (model, str(pk), _text(key), pickle.dumps(row)),
        )

    def row(self, model: str, pk: Any) -> ImaginedRow | None:
        """The row with this primary key, if it would be new or another one by now."""
        found = self._db.execute(
            "SELECT row FROM row WHERE model = ? AND pk = ?", (model, str(pk))
        ).fetchone()
        row: ImaginedRow | None = self._read(found)
        return row

    def owner(self, model: str, key: Any) -> ImaginedRow | None:
        """The row that would have this key by now, if this run would have written it."""
        found = self._db.execute(
            "SELECT row FROM row WHERE model = ? AND key = ?", (model, _text(key))
        ).fetchone()
        row: ImaginedRow | None = self._read(found)
        return row

    def over(
        self,
        model: str,
        pk: str,
        stored: Iterable[Row],
        wanted: Collection[Any],
        keys: Iterable[Any],
    ) -> list[Row]:
        """The stored rows as they would be now, with those it holds of ``wanted`` and ``keys``.

        ``pk`` names the column of the primary key; ``wanted`` are such, also imagined ones.
        """
        rows = {row[pk]: row for row in stored}
        found = [self.row(model, number) for number in {*rows, *wanted}]
        found += [self.owner(model, key) for key in keys]
        rows |= {imagined.row[pk]: imagined.row for imagined in found if imagined}
        return list(rows.values())

    # -- plans -------------------------------------------------------------------------------

    def replan(self, identities: Iterable[str]) -> None:
        """Decisions of a plan that were made again."""
        rows = [(identity,) for identity in identities]
        self._db.executemany("INSERT OR IGNORE INTO replanned VALUES (?)", rows)

    def has_replanned(self, identity: str) -> bool:
        """Whether a decision of a plan was made again."""
        return self._has("SELECT 1 FROM replanned WHERE identity = ?", identity)

    def _has(self, query: str, *values: Any) -> bool:
        return self._db.execute(query, values).fetchone() is not None

    def _read(self, found: Any) -> Any:
        # Our own file of a moment ago, which nobody else can open.
        return pickle.loads(found[0]) if found else None  # noqa: S301


def _text(key: Any) -> str | None:
    return None if key is None else str(key)
