"""What every subcommand is, and how it finds what its arguments name."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandError

from ...models import SyncRun
from .console import Console
from .outcomes import USAGE

Options = Mapping[str, Any]


class Subcommand(ABC):
    """One word after ``manage.py ecommerce_sync``."""

    name: ClassVar[str]
    help: ClassVar[str]
    #: What ``--format`` offers; the first is the default.
    formats: ClassVar[tuple[str, ...]] = ("text", "json")
    #: Whether Django's system checks must pass first.
    checked: ClassVar[bool] = True

    def add_arguments(self, parser: ArgumentParser) -> None:  # noqa: B027
        """Declare the arguments beside ``--format``, which all have."""

    @abstractmethod
    def handle(self, console: Console, options: Options) -> int:
        """Do it, print it, and return the exit code."""


def await_threads() -> None:
    """See the runs through that the runner has put into threads: they would die with us.

    A run that ends may start another one, for rows that waited for what it brought.
    """
    while threads := [t for t in threading.enumerate() if t.name.startswith("sync-run-")]:
        for thread in threads:
            thread.join()


def usage_error(message: str) -> CommandError:
    """A complaint about the arguments: exit code 2."""
    return CommandError(message, returncode=USAGE)


def find_run(run_id: int) -> SyncRun:
    """The run of that number."""
    run = SyncRun.objects.select_related("requested_by").filter(pk=run_id).first()
    if run is None:
        latest = SyncRun.objects.order_by("-pk").first()
        known = f"the latest is {latest.pk}." if latest else "there are none yet."
        raise usage_error(f"There is no run {run_id}; {known}")
    return run
