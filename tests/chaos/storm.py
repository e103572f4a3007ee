#!/usr/bin/env python
"""A storm: feeds are synced again and again while workers, database and broker are killed.

    python -m tests.chaos.storm --kills 200            until so many processes were killed
    python -m tests.chaos.storm --kills 200 --seed 4   the same storm once more

Random, but from a seed. After each round the tables, counts, issues and links are compared with
a replay of the feeds in plain Python; the first difference ends it with 1, and the logs stay.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .processes import Process, wait_until
from .source import first_rows, next_rows
from .world import FINAL, World

FEEDS = ("shop", "pages", "ranges", "split")
ROWS = 1200
#: Seconds from one blow to the next.
LULL = (0.2, 1.6)
#: Seconds until a round must be over once the storm leaves it alone.
CALM = 120.0
SETTINGS = {"BATCH_SIZE": 20, "LEASE_SECONDS": 2, "MAX_ATTEMPTS": 100}
WORKERS = 3


class Storm:
    """Blows at random; each is counted by its name."""

    def __init__(self, world: World, seed: int, slowness: float = 1.0) -> None:
        self.world = world
        self.slowness = slowness
        self.chance = random.Random(seed)
        self.blows: Counter[str] = Counter()
        self.frozen: list[tuple[float, Process]] = []
        #: What kills a process with SIGKILL, and how often it is chosen.
        self.kills: dict[Callable[[], bool], int] = {
            self.kill_child: 10,
            self.kill_worker: 5,
            self.kill_database: 3,
            self.kill_broker: 2,
        }
        self.others: dict[Callable[[], bool], int] = {
            self.freeze_worker: 2,
            self.end_worker: 1,
            self.reset_links: 2,
            self.swallow_commits: 3,
        }

    @property
    def killed(self) -> int:
        """Processes killed so far."""
        return sum(n for name, n in self.blows.items() if name.startswith("kill"))

    def blow(self) -> None:
        """One blow."""
        choice = {**self.kills, **self.others}
        what = self.chance.choices(list(choice), list(choice.values()))[0]
        if what():
            self.blows[what.__name__.replace("_", " ")] += 1
        self.thaw()

    def thaw(self, *, all: bool = False) -> None:
        """Wake those who have slept for longer than a lease."""
        for waking in [item for item in self.frozen if all or item[0] < time.monotonic()]:
            waking[1].thaw()
            self.frozen.remove(waking)

    def _any_worker(self) -> Process | None:
        asleep = [worker for _, worker in self.frozen]
        awake = [worker for worker in self.world.workers() if worker not in asleep]
        return self.chance.choice(awake) if awake else None

    def kill_child(self) -> bool:
        worker = self._any_worker()
        children = worker.children() if worker else []
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, 9)
        return bool(children)

    def kill_worker(self) -> bool:
        if worker := self._any_worker():
            worker.kill()
        return worker is not None

    def kill_database(self) -> bool:
        self.world.database.kill()
        time.sleep(self.chance.uniform(0, 1))
        self.world.database.start()
        return True

    def kill_broker(self) -> bool:
        self.world.redis.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self.world.redis.start()
        return True

    def freeze_worker(self) -> bool:
        if worker := self._any_worker():
            worker.freeze()
            waking = time.monotonic() + self.chance.uniform(0.5, 2) * SETTINGS["LEASE_SECONDS"]
            self.frozen.append((waking, worker))
        return worker is not None

    def end_worker(self) -> bool:
        if worker := self._any_worker():
            worker.send(15)
        return worker is not None

    def reset_links(self) -> bool:
        self.world.proxy.cut_all()
        return True

    def swallow_commits(self) -> bool:
        until = time.monotonic() + 1
        self.world.proxy.after_commit = lambda link: (
            time.monotonic() > until or self.chance.random() < 0.5
        )
        return True

    def supervise(self) -> None:
        """Start again what has ended, without waiting for it."""
        for process in [p for p in self.world.processes if not p.is_alive]:
            self.frozen = [item for item in self.frozen if item[1] is not process]
            self.world.end(process)
            if process.name.startswith("beat"):
                self.world.start_beat()
            elif process.name.endswith("@chaos"):
                self.world.start_worker(ready=False, **SETTINGS)


def round_of(world: World, storm: Storm, number: int, most: int) -> tuple[int, int]:
    """One delivery of every feed, brought in while the storm blows; runs and rows."""
    expected = {}
    for feed in FEEDS:
        rows = world.source.rows.get(feed)
        new = next_rows(rows, feed, seed=number) if rows else first_rows(feed, ROWS)
        expected[feed] = world.deliver(feed, new)
    world.proxy.delay = 0.05
    runs = dict(zip(world.refresh(*FEEDS), FEEDS, strict=True))

    def over() -> bool:
        return world.database.answers() and all(world.run(n)["status"] in FINAL for n in runs)

    while not over() and storm.killed < most:
        time.sleep(storm.chance.uniform(*LULL) * storm.slowness)
        storm.blow()
        storm.supervise()
    storm.thaw(all=True)
    world.proxy.calm()
    wait_until(lambda: storm.supervise() or over(), patience=CALM, step=0.5, why=f"{runs}")
    world.check({run: expected[feed] for run, feed in runs.items()}, again=False)
    return len(runs), sum(counts["read"] for counts in expected.values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Sync feeds in a storm of kills.")
    parser.add_argument("--kills", type=int, default=200, help="processes to kill")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another storm")
    parser.add_argument("--slowness", type=float, default=1, help="longer lulls, on a busy machine")
    parser.add_argument("--folder", type=Path, help="where the logs go")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="storm-", dir=options.folder))
    began, rounds, runs, rows = time.monotonic(), 0, 0, 0
    world = World(folder)
    storm = Storm(world, options.seed, options.slowness)
    try:
        world.log_in()
        for _ in range(WORKERS):
            world.start_worker(**SETTINGS)
        world.start_beat(**SETTINGS)
        while storm.killed < options.kills:
            new_runs, new_rows = round_of(world, storm, options.seed * 1000 + rounds, options.kills)
            rounds, runs, rows = rounds + 1, runs + new_runs, rows + new_rows
            print(f"round {rounds}: {storm.killed} kills, {runs} runs, {rows} rows", flush=True)
        storm.supervise()
        last = dict.fromkeys(FEEDS)
        for feed in FEEDS:
            sql = "SELECT MAX(id) FROM ecommerce_sync_syncrun WHERE feed = %s"
            last[feed] = world.database.execute(sql, [feed])[0][0]
        world.check_again({number: {} for number in last.values()})
        (attempts,) = world.database.execute("SELECT SUM(attempts) FROM ecommerce_sync_syncrun")[0]
        (batches,) = world.database.execute("SELECT COUNT(*) FROM audit")[0]
    except BaseException:
        print(f"The storm of seed {options.seed} did harm; the logs are in {folder}")
        raise
    finally:
        world.close()
    shutil.rmtree(folder)
    for name, number in storm.blows.most_common():
        print(f"{number:5}  {name}")
    print(
        f"{storm.killed} kills in {time.monotonic() - began:.0f} s: {runs} runs in {attempts} "
        f"attempts, {batches} batches, {rows} rows; 0 lost, 0 doubled, 0 miscounted"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
