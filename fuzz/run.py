#!/usr/bin/env python
"""Feed damaged documents to every parser, guided by the code they reach.

    python fuzz/run.py --minutes 10                 every target, one after the other
    python fuzz/run.py --minutes 1 --jobs 2 csv xml

Exits with 1 where a target raised what it must not, hung, or took more than 512 MB; the input is
kept. Needs the dependency group ``fuzz``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from django.conf import settings

settings.configure()

from targets import TARGETS, Target  # noqa: E402 - the package needs settings

HERE = Path(__file__).resolve().parent
RSS_MB = 512
#: Seconds for one input.
TIMEOUT = 10
MAX_LENGTH = 4096
#: Seconds a child has after its time to say what it found.
GRACE = 120
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
_RAISED = re.compile(r"Uncaught Python exception: ===\n(.*)==\d+==", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a target fared."""

    name: str
    seconds: float
    executions: int
    peak_mb: int
    #: The inputs that broke it, and what became of them.
    broken_by: Sequence[Path]
    trouble: str = ""

    @property
    def is_sound(self) -> bool:
        return not self.broken_by and not self.trouble

    def __str__(self) -> str:
        rate = self.executions / self.seconds
        found = "no findings" if self.is_sound else "BROKEN"
        lines = [
            f"{self.name:10} {self.executions:>11,} executions  {rate:>8,.0f}/s  "
            f"{self.peak_mb:>5} MB  {found}"
        ]
        lines += [f"    {path}" for path in self.broken_by]
        return "\n".join([*lines, self.trouble]) if self.trouble else "\n".join(lines)


def main() -> int:
    options = _options()
    print("target      executions              rate     peak RSS", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        running = [
            pool.submit(fuzz, name, options.minutes * 60, options.crashes)
            for name in options.targets
        ]
        outcomes = []
        for future in running:
            outcomes.append(future.result())
            print(outcomes[-1], flush=True)
    return int(not all(outcome.is_sound for outcome in outcomes))


def fuzz(name: str, seconds: float, crashes: Path) -> Outcome:
    """Run a target in a process of its own for so many seconds, or until an input breaks it."""
    kept = crashes / name
    kept.mkdir(parents=True, exist_ok=True)
    before = set(kept.iterdir())
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        command = [sys.executable, str(HERE / "child.py"), name, *_arguments(Path(folder), name)]
        command += [f"-max_total_time={seconds:.0f}", f"-artifact_prefix={kept}/"]
        log = Path(folder) / "log"
        begun = monotonic()
        with log.open("wb") as file:
            status = _status(command, file, seconds + GRACE)
        took = monotonic() - begun
        said = log.read_text(errors="replace")
    figures = {statistic: int(value) for statistic, value in _STATISTIC.findall(said)}
    return Outcome(
        name,
        took,
        figures.get("number_of_executed_units", 0),
        figures.get("peak_rss_mb", 0),
        sorted(set(kept.iterdir()) - before),
        _trouble(status, said),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--crashes", type=Path, default=HERE / "crashes", help="where they go")
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(
            f"no target is called {', '.join(sorted(unknown))}; there is {', '.join(TARGETS)}"
        )
    options.targets = options.targets or list(TARGETS)
    return options


def _arguments(folder: Path, name: str) -> list[str]:
    """The corpus to begin with, written into the folder, and the limits."""
    target = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text(_dictionary(target))
    return [
        str(corpus),
        *([f"-dict={words}"] if target.words else []),
        f"-rss_limit_mb={RSS_MB}",
        f"-timeout={TIMEOUT}",
        f"-max_len={MAX_LENGTH}",
        "-print_final_stats=1",
    ]


def _dictionary(target: Target) -> str:
    """The target's words as libFuzzer reads them."""
    return "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words
    )


def _status(command: Sequence[str], log: IO[bytes], seconds: float) -> int | None:
    """The exit status of a child, None of one that had to be stopped."""
    child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None


def _trouble(status: int | None, said: str) -> str:
    """What went wrong, as the child tells it; "" where nothing did."""
    if status == 0:
        return ""
    raised = _RAISED.search(said)
    reason = (raised[1] if raised else said[-2000:]).rstrip()
    return f"{reason}\nIt did not end and was stopped." if status is None else reason


if __name__ == "__main__":
    sys.exit(main())
