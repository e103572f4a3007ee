"""What became of the records: counts that add up, and the rejections behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..exceptions import RecordError
from ..models import COUNTS, PlannedAction
from .reader import FeedRow


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was not applied, and why."""

    position: int
    external_id: str
    key: str
    error: RecordError
    #: Digests of what it waits for, as in ``SyncIssue``; none for most.
    waits_for: tuple[str, ...] = ()
    #: The row as the feed handed it over.
    origin: FeedRow | None = None


@dataclass(slots=True)
class Report:
    """What one batch did. ``counts`` may be negative where it corrects an earlier batch."""

    counts: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    created: list[Any] = field(default_factory=list)
    updated: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    #: External ids and positions of the records that are in the database now.
    landed: list[tuple[str, int]] = field(default_factory=list)
    #: Where there is a plan, how many rows of it the batch is about, by action.
    planned: Counter[str] = field(default_factory=Counter)


def add_counts(total: Mapping[str, int], batch: Mapping[str, int]) -> dict[str, int]:
    """Both together, every count named, in the order they are reported."""
    return {name: total.get(name, 0) + batch.get(name, 0) for name in COUNTS}


def add_actions(
    total: Mapping[str, Mapping[str, int]], stream: str, batch: Mapping[str, int]
) -> dict[str, Any]:
    """The planned changes of all streams with those of one stream's batch, without zeros."""
    before = total.get(stream, {})
    counts = {name: before.get(name, 0) + batch.get(name, 0) for name in PlannedAction.values}
    found = {name: count for name, count in counts.items() if count}
    others = {name: counts for name, counts in total.items() if name != stream}
    return {**others, stream: found} if found else others
