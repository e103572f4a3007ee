"""A progress bar for each stream, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self, TextIO

import click

from ...models import SyncRun


class Bars:
    """One bar at a time, since streams are read one after another; call it after each batch."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self._stack = ExitStack()
        self._stream = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __call__(self, run: SyncRun, stream: str) -> None:
        if stream != self._stream:
            self._begin(run, stream)
        self._bar.update(run.counts.get(stream, {}).get("read", 0) - self._bar.pos)

    def _begin(self, run: SyncRun, stream: str) -> None:
        self._stack.close()
        self._stream = stream
        rows: Iterator[int] = count()  # a bar without length must be given something to count
        self._bar = self._stack.enter_context(
            click.progressbar(
                rows,
                length=expected(run, stream),
                label=f"{run.feed} {stream}",
                show_pos=True,
                file=self.file,
            )
        )


def expected(run: SyncRun, stream: str) -> int | None:
    """How many rows will be read, as far as the source says."""
    total: int | None = run.totals.get(stream)
    return total if total is None or run.limit is None else min(total, run.limit)
