"""Which rows are compared at all: those that share a key, found in a file, not in memory.

A million rows make half a billion pairs. Only rows in one block, that is with one key in
common, are compared, and blocks that say nothing because they are too large are left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self


class SkippedBlocks(NamedTuple):
    """Blocks of one rule that are too large to compare: how many, and their largest."""

    rule: str
    blocks: int
    largest: int
    #: A row of the largest one.
    example: int

    def as_dict(self) -> dict[str, str | int]:
        """The numbers for scripts."""
        return self._asdict()

    def __str__(self) -> str:
        return (
            f"{self.blocks} × {self.rule}: the largest has {self.largest} rows, "
            f"among them {self.example}"
        )


class Blocks:
    """Keys of rows, and the pairs of rows they make.

    Of the keys only hashes are kept, so no personal data gets into the file.
    """

    def __init__(self, largest: int) -> None:
        """``largest`` is the number of rows from which on a block is left out."""
        self.largest = largest
        self._rules: list[str] = []
        self._directory = TemporaryDirectory(prefix="ecommerce-sync-")
        path = Path(self._directory.name) / "blocks.sqlite3"
        self._file = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> Self:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute("CREATE TABLE block (key INTEGER, row INTEGER, rule INTEGER)")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._directory.cleanup()

    def add(self, keys: Iterable[tuple[str, str, int]]) -> None:
        """Take in rule, key and primary key of rows."""
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT INTO block VALUES (?, ?, ?)",
            ((_hash(rule, key), row, self._number(rule)) for rule, key, row in keys),
        )
        self._file.execute("COMMIT")

    def sort(self) -> None:
        """Build the blocks, once every row is in."""
        self._file.execute("CREATE INDEX block_key ON block (key, row)")
        self._file.execute(
            "CREATE TABLE size AS SELECT key, count(DISTINCT row) AS rows FROM block "
            "GROUP BY key HAVING rows > 1"
        )

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every two rows that share a block, once, the smaller primary key first."""
        return iter(
            self._file.execute(
                "SELECT DISTINCT one.row, other.row FROM size JOIN block one ON one.key = size.key "
                "JOIN block other ON other.key = size.key AND other.row > one.row "
                "WHERE size.rows <= ? ORDER BY one.row, other.row",
                [self.largest],
            )
        )

    def skipped(self) -> list[SkippedBlocks]:
        """The blocks that are too large, by rule."""
        found = self._file.execute(
            "SELECT rule, count(*), max(rows), example FROM (SELECT block.rule AS rule, "
            "size.rows AS rows, min(block.row) AS example FROM size "
            "JOIN block ON block.key = size.key WHERE size.rows > ? GROUP BY size.key) "
            "GROUP BY rule ORDER BY rule",
            [self.largest],
        )
        return [SkippedBlocks(self._rules[rule], *numbers) for rule, *numbers in found]

    def _number(self, rule: str) -> int:
        if rule not in self._rules:
            self._rules.append(rule)
        return self._rules.index(rule)


def _hash(rule: str, key: str) -> int:
    digest = blake2b(f"{rule}|{key}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
