"""Whether the records still have the shape the mapping expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import FeedError
from ..feeds import Stream
from .changes import Changes
from .target import Target

#: Fewer records prove nothing.
_FEW = 10


def check_shape(stream: Stream, target: Target, changes: Changes) -> None:
    """Refuse a first batch of which most records lack the same field; raises ``FeedError``.

    A source that renames ``price`` would otherwise leave every price as it was, in silence.
    """
    lacking = Counter(
        name
        for item in (*changes.create, *changes.update, *changes.relink)
        for name in target.required
        if name not in item.values
    )
    lacking += Counter(
        rejection.error.field
        for rejection in changes.rejections
        if rejection.error.code == "required" and rejection.error.field in target.required
    )
    read = changes.counts["read"]
    for name, count in lacking.items():
        if read >= _FEW and count * 2 > read:
            raise FeedError(
                "schema_drift",
                f"{count} of the first {read} records of stream '{stream.name}' have no '{name}'. "
                "Has the source renamed it? Look at the mapping.",
            )


def renamed_paths(stream: Stream, payloads: Sequence[Any]) -> list[tuple[str, str]]:
    """Mapped names no record has, each with a name it has that differs in spelling only."""
    objects = [payload for payload in payloads if isinstance(payload, Mapping)]
    present = {name for payload in objects for name in payload}
    spelled = {_plain(name): name for name in present if isinstance(name, str)}
    missing = {path.partition(".")[0] for path in stream.paths if path not in present} - present
    return [(name, spelled[_plain(name)]) for name in sorted(missing) if _plain(name) in spelled]


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
