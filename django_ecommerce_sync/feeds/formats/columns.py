"""The names of a table's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...exceptions import FeedError
from ..streams import Stream

_SHOWN = 20


def column_names(header: Sequence[str], stream: Stream, label: str) -> list[str]:
    """The names in a header: as written, but spelled as in the mapping where it has them.

    Raises ``FeedError`` where a name is there twice, or none is one the stream reads.
    """
    written = [cell.strip() for cell in header]
    twice = [name for name, number in Counter(written).items() if name and number > 1]
    if twice:
        raise FeedError("duplicate_header", f"{label} has the column '{twice[0]}' twice.")
    spelled = {path.casefold(): path for path in stream.paths if path not in written}
    names = [spelled.get(name.casefold(), name) for name in written]
    if written and stream.paths and not stream.paths & set(names):
        raise FeedError(
            "missing_columns",
            f"{label} has none of the mapped columns ({_listed(sorted(stream.paths))}); it has: "
            f"{_listed(written)}.",
        )
    return names


def _listed(names: Sequence[str]) -> str:
    """Names for a message, not too many."""
    shown = ", ".join(name[:40] for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
