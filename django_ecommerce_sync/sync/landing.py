"""What may become of a batch's changes: written, imagined, planned, compared with a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from ..models import SyncRun
from .absence import Absence
from .changes import Changes
from .report import Report


class Landing(ABC):
    """Carries out what was decided about the batches of one stream."""

    @abstractmethod
    def apply(self, changes: Changes) -> Report:
        """Carry out a batch's changes, inside the caller's transaction."""

    @abstractmethod
    def archive(self, absence: Absence, rows: Mapping[Any, str]) -> Report:
        """Archive rows, given as {primary key: key}."""

    @abstractmethod
    def note(self, absence: Absence, links: Collection[int]) -> None:
        """Keep in mind that the records of these links, by primary key, are missing."""

    def end(self, run: SyncRun) -> None:  # noqa: B027
        """The stream has been read to its end; the caller saves the run."""
