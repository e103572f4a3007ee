"""What became of the records: counts that add up, and the rejections behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..exceptions import RecordError
from ..models import COUNTS


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was not applied, and why."""

    position: int
    external_id: str
    key: str
    error: RecordError
    #: Digests of what it waits for, as in ``SyncIssue``; none for most.
    waits_for: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """What one batch did. ``counts`` may be negative where it corrects an earlier batch."""

    counts: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    created: list[Any] = field(default_factory=list)
    updated: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    #: External ids and positions of the records that are in the database now.
    landed: list[tuple[str, int]] = field(default_factory=list)


def add_counts(total: Mapping[str, int], batch: Mapping[str, int]) -> dict[str, int]:
    """Both together, every count named, in the order they are reported."""
    return {name: total.get(name, 0) + batch.get(name, 0) for name in COUNTS}
