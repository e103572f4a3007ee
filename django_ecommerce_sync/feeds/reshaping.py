"""Rows that belong together made one record, whatever lies between them; or taken apart."""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from ..exceptions import RecordError
from .mapping import converter, identifier
from .records import MISSING, BadRow, Payload
from .streams import Stream

Row = Payload | BadRow
#: What one record may be put together from, in bytes.
MAX_GROUP = 16 << 20
#: How many levels of children there may be below a row.
MAX_LEVEL = 10

_TABLES = """
    CREATE TABLE rows (position INTEGER PRIMARY KEY, row BLOB);
    CREATE TABLE names (position INTEGER PRIMARY KEY, name TEXT, parent TEXT);
    CREATE TABLE members (
        root INTEGER, position INTEGER, up INTEGER, level INTEGER, PRIMARY KEY (root, position)
    ) WITHOUT ROWID;
    CREATE TABLE links (position INTEGER PRIMARY KEY, up INTEGER);
"""
#: Every row with the first of its name; without a name, for itself.
_BY_NAME = """
    INSERT INTO members
    SELECT min(position) OVER (PARTITION BY name), position, NULL, 0 FROM names
    WHERE name IS NOT NULL
    UNION ALL SELECT position, position, NULL, 0 FROM names WHERE name IS NULL;
"""
#: Every row below the last of its parent's name. One that no root is above stays for itself.
_BY_PARENT = """
    CREATE INDEX by_name ON names (name, position);
    INSERT INTO links SELECT
        position,
        (SELECT max(above.position) FROM names above WHERE above.name = names.parent)
    FROM names WHERE parent IS NOT NULL;
    CREATE INDEX by_parent ON links (up);
    INSERT INTO members WITH RECURSIVE tree (root, position, up, level) AS (
        SELECT position, position, NULL, 0 FROM names WHERE parent IS NULL
        UNION ALL
        SELECT root, links.position, links.up, level + 1
        FROM tree JOIN links ON links.up = tree.position
    ) SELECT root, position, up, level FROM tree;
    CREATE INDEX by_position ON members (position);
    INSERT INTO members SELECT position, position, NULL, 0 FROM links
    WHERE NOT EXISTS (SELECT 1 FROM members WHERE members.position = links.position);
"""
_MEMBERS = """
    SELECT root, members.position, up, level, parent, row FROM members
    JOIN rows USING (position) JOIN names USING (position) ORDER BY root, members.position
"""


def reshaped(rows: Iterable[Row], stream: Stream) -> Iterator[Row]:
    """The stream's records, made of the rows as ``parent``, ``group_by`` and ``each`` say.

    In this order. All but ``each`` need the rows of the whole stream at once. Records come in
    the order in which their first rows appear; a row that cannot be used keeps its place.
    """
    if stream.parent:
        name = stream.external_id if isinstance(stream.external_id, str) else "id"
        rows = nested(rows, stream.parent, name)
    if stream.group_by:
        rows = grouped(rows, stream.group_by)
    if stream.each:
        rows = taken_apart(rows, stream.each)
    return iter(rows)


def grouped(rows: Iterable[Row], path: str) -> Iterator[Row]:
    """``{**first row, "rows": [all rows]}`` for each value at ``path``."""
    source = converter(path)

    def named(row: Payload) -> _Names:
        name = identifier(source.extract(row))
        if not name:
            message = f"The record has no value at '{path}' to be grouped by."
            raise RecordError("group_missing", message)
        return _Names(name)

    for members in _sorted(rows, named, _BY_NAME):
        payloads = [member.row for member in members]
        yield payloads[0] if isinstance(payloads[0], BadRow) else {**payloads[0], "rows": payloads}


def nested(rows: Iterable[Row], path: str, id_path: str) -> Iterator[Row]:
    """Each row without a value at ``path``, with its ``children``: the rows that have its id there.

    Children may have children. Of several rows with one id the last gets them. A row whose
    parent is nowhere is rejected.
    """
    parent, own = converter(path), converter(id_path)

    def named(row: Payload) -> _Names:
        return _Names(identifier(own.extract(row)) or None, identifier(parent.extract(row)) or None)

    for members in _sorted(rows, named, _BY_PARENT):
        root = members[0]
        if root.parent is not None:
            message = f"The record belongs to '{root.parent}', which is in no record of the feed."
            yield BadRow(RecordError("parent_missing", message, value=root.parent))
        else:
            yield _tree(members)


def taken_apart(rows: Iterable[Row], path: str) -> Iterator[Row]:
    """``{**element, "parent": row}`` for each element of the list at ``path`` in each row."""
    source = converter(path)
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        elements = source.extract(row)
        if not isinstance(elements, list | tuple) or not elements:
            yield _without_elements(row, path, elements)
            continue
        outer = _without(row, path)
        for index, element in enumerate(elements):
            if isinstance(element, Mapping):
                yield {**element, "parent": outer}
            else:
                message = f"Element {index} at '{path}' must be an object."
                yield BadRow(RecordError("not_an_object", message, value=element))


def _without_elements(row: Payload, path: str, found: Any) -> BadRow:
    name = identifier(row.get("id", MISSING))
    who = f"The record '{name}'" if name else "The record"
    if found is MISSING or found is None or isinstance(found, list | tuple):
        return BadRow(RecordError("no_records", f"{who} has no elements at '{path}'."))
    return BadRow(RecordError("not_a_list", f"{who} has no list at '{path}'.", value=found))


def _without(row: Payload, path: str) -> dict[str, Any]:
    """The row less what is at the path."""
    if path in row:
        return {key: value for key, value in row.items() if key != path}
    step, _, rest = path.partition(".")
    inner = row.get(step)
    return {**row, step: _without(inner, rest)} if isinstance(inner, Mapping) else dict(row)


class _Names(NamedTuple):
    """What a row is called, and what the row is called that it belongs to."""

    name: str | None = None
    parent: str | None = None


class _Member(NamedTuple):
    """A row of a record: where it stood, the row it is directly below, how far from the first."""

    root: int
    position: int
    up: int | None
    level: int
    parent: str | None
    row: Any


def _tree(members: Sequence[_Member]) -> Row:
    """The first member with those below it as ``children``, at every level."""
    if isinstance(members[0].row, BadRow):
        return members[0].row
    if max(member.level for member in members) > MAX_LEVEL:
        message = f"The record has children more than {MAX_LEVEL} levels deep."
        return BadRow(RecordError("too_deep", message))
    rows = {member.position: {**member.row, "children": []} for member in members}
    for member in members:
        if member.up is not None:
            rows[member.up]["children"].append(rows[member.position])
    return rows[members[0].position]


def _sorted(
    rows: Iterable[Row], named: Callable[[Payload], _Names], sorting: str
) -> Iterator[list[_Member]]:
    """The rows of each record together; they wait in a temporary file, not in memory."""
    with (
        tempfile.TemporaryDirectory(prefix="ecommerce-sync-") as folder,
        closing(sqlite3.connect(Path(folder) / "rows", isolation_level=None)) as store,
    ):
        store.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
        store.execute("BEGIN")
        for position, row in enumerate(rows):
            names, content = _packed(row, named)
            store.execute("INSERT INTO names VALUES (?, ?, ?)", (position, *names))
            store.execute("INSERT INTO rows VALUES (?, ?)", (position, content))
        store.executescript(sorting)
        for _, members in groupby(store.execute(_MEMBERS), key=itemgetter(0)):
            yield _unpacked(members)


def _packed(row: Row, named: Callable[[Payload], _Names]) -> tuple[_Names, bytes]:
    """A row's names, and the row as bytes: a bad one where it cannot be named."""
    names = _Names()
    if not isinstance(row, BadRow):
        try:
            names = named(row)
        except RecordError as error:
            row = BadRow(error)
    return names, pickle.dumps(row, pickle.HIGHEST_PROTOCOL)


def _unpacked(found: Iterable[tuple[Any, ...]]) -> list[_Member]:
    """The members of one record, its root first; only a bad one where they are too many to hold."""
    members: list[_Member] = []
    size = root = 0
    for root, position, up, level, parent, content in found:
        size += len(content)
        if size <= MAX_GROUP:
            row = pickle.loads(content)  # noqa: S301 - we wrote it ourselves, a moment ago
            members.append(_Member(root, position, up, level, parent, row))
    if size > MAX_GROUP:
        message = f"The rows of the record have more than {MAX_GROUP:,} bytes together."
        bad = BadRow(RecordError("record_too_large", message))
        return [_Member(root, root, None, 0, None, bad)]
    members.sort(key=lambda member: member.position != member.root)
    return members
