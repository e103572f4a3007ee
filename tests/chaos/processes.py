"""Processes of our own: each in a group of its own, its output in a file, ended by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Seconds to wait for what should take one or two.
PATIENCE = 60.0


class Process:
    """A program that runs until we end it."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def is_alive(self) -> bool:
        return self.child.poll() is None

    def send(self, number: int) -> None:
        """A signal to the process alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_all(self, number: int) -> None:
        """A signal to the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def freeze(self) -> None:
        self.send_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send_all(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9 for the whole group."""
        self.send_all(signal.SIGKILL)
        self.child.wait()

    def terminate(self, patience: float = 15.0) -> bool:
        """SIGTERM, then SIGKILL; whether the first was enough."""
        self.send(signal.SIGTERM)
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self.send_all(signal.SIGKILL)  # children that were left behind
        return True

    def children(self) -> list[int]:
        """The ids of its direct children."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with suppress(OSError):
            return [int(pid) for pid in path.read_text().split()]
        return []


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    look: Callable[[], Any], *, patience: float = PATIENCE, why: str = "", step: float = 0.05
) -> Any:
    """What ``look`` returns as soon as it is true; raises where patience ends (in seconds)."""
    deadline = time.monotonic() + patience
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {patience:.0f} s in vain{why and ': ' + why}")
        time.sleep(step)
