"""What a run learns of a stream's source beside its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ..feeds import Page


@dataclass(slots=True)
class Observation:
    """What the pages of a stream said so far; kept with the run, for the attempt may be cut off."""

    #: When the reading began, by the source's clock.
    clock: datetime | None = None
    #: The latest time at which the source changed any of the records.
    newest: datetime | None = None
    #: How many rows the source announces, and whether it announced another number before.
    total: int | None = None
    moved: bool = False
    #: Whether the source said that it left something out.
    partial: bool = False
    #: What tells the document from any other, and whether it is the one read last.
    validators: dict[str, str] = field(default_factory=dict)
    unchanged: bool = False

    @classmethod
    def restored(cls, kept: Any) -> Observation:
        """The observation an earlier attempt left behind, or a new one."""
        return msgspec.convert(kept or {}, cls)

    @classmethod
    def together(cls, kept: Iterable[Any]) -> Observation:
        """What several workers have seen of one source, as one."""
        whole = cls()
        for seen in map(cls.restored, kept):
            whole.take_page(
                Page(
                    (),
                    clock=seen.clock,
                    total=seen.total,
                    partial=seen.partial,
                    validators=seen.validators,
                )
            )
            whole.take_time(seen.newest)
            whole.moved |= seen.moved
        return whole

    def as_json(self) -> Any:
        """What ``restored`` takes."""
        return msgspec.to_builtins(self)

    def take_page(self, page: Page) -> None:
        """Note what a page says beside its rows."""
        if page.clock is not None and (self.clock is None or page.clock < self.clock):
            self.clock = page.clock
        if page.total is not None:
            self.moved |= self.total not in (None, page.total)
            self.total = page.total
        self.partial |= page.partial
        self.unchanged |= page.unchanged
        if page.validators:
            self.validators = dict(page.validators)

    def take_time(self, newest: datetime | None) -> None:
        """Note the latest source time among a batch's records."""
        if newest is not None and (self.newest is None or newest > self.newest):
            self.newest = newest

    def gaps(self, read: int) -> dict[str, str]:
        """Why the stream may not be complete though its pages came to an end, by code."""
        found = {}
        if self.partial:
            found["partial_page"] = "The source says that it left something out."
        if self.moved:
            found["total_moved"] = (
                "The number of rows changed while the pages were read; some may have slipped from "
                "one page to another."
            )
        elif self.total is not None and read < self.total:
            found["rows_missing"] = f"The source announces {self.total} rows, {read} came."
        return found
