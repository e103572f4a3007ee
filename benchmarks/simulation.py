#!/usr/bin/env python
"""What more workers and more databases bring, from constants that ``scaling.py`` measured.

    python benchmarks/simulation.py                          beside what was measured, and further
    python benchmarks/simulation.py --constants mine.json    with the constants of your machine
    python benchmarks/simulation.py --rows 1e9 --workers 64 --shards 8 --cores 8

A worker takes a batch through three stages: its own processor time, the database's, and a wait
that costs nobody anything (commits, round trips). Processors are shared evenly by all who want
them. Everything else follows: batches, the partitions they are of, queues, who is idle. Plain
Python, no packages; discrete events, so a thousand batches stand for as many as there are.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

#: Written by ``scaling.py --json``; see docs/explanation/scaling.md for where they come from.
CONSTANTS = Path(__file__).resolve().parent / "constants.json"
#: Batches simulated; more give the same rates.
BATCHES = 2000
#: Rows of a partition, and what it takes to lay it out, to lease it and to end it, in seconds.
PARTITION_ROWS = 1_000_000
PARTITION_SECONDS = 0.05


@dataclass(slots=True)
class Processors:
    """Cores shared by all the work that is there, one core for a piece of work at most."""

    cores: float
    #: Worker → seconds of work left.
    work: dict[int, float] = field(default_factory=dict)
    busy: float = 0.0

    @property
    def speed(self) -> float:
        """How fast each piece of work goes on."""
        return min(1.0, self.cores / len(self.work)) if self.work else 0.0

    def next_end(self) -> float:
        """How long until the shortest piece of work is done."""
        return min(self.work.values()) / self.speed if self.work else math.inf

    def go_on(self, seconds: float) -> list[int]:
        """Work so long; the workers that are through."""
        speed = self.speed
        self.busy += seconds * speed * len(self.work)
        done = []
        for worker in self.work:
            self.work[worker] -= seconds * speed
            if self.work[worker] <= 1e-12:
                done.append(worker)
        for worker in done:
            del self.work[worker]
        return done


@dataclass(frozen=True, slots=True)
class Plant:
    """Who works where."""

    workers: int
    #: Cores that the workers have, and that each database has; on one machine they share.
    client_cores: float
    server_cores: float
    shards: int = 1
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation."""

    rows_per_second: float
    #: The part of their time that the workers' and the databases' cores were at work.
    client_busy: float
    server_busy: float

    @property
    def limit(self) -> str:
        """What there should be more of."""
        if self.server_busy > 0.9:
            return "databases"
        return "cores of workers" if self.client_busy > 0.9 else "workers"


def simulate(plant: Plant, batch: float, client: float, server: float, wait: float) -> Outcome:
    """Send ``BATCHES`` batches through the plant; times are seconds for a batch of ``batch`` rows.

    Each worker's partitions lie on one shard after the other, as rows do that are spread by key.
    """
    clients = Processors(plant.client_cores)
    shards = [Processors(plant.server_cores) for _ in range(plant.shards)]
    if plant.shared:
        shards = [clients]
    waits = Processors(math.inf)
    pools = [clients, *(s for s in shards if s is not clients), waits]
    stage = dict.fromkeys(range(plant.workers), 0)
    # They do not begin in step, nor go on so.
    clients.work = {n: client * (n + 1) / plant.workers for n in range(plant.workers)}
    done, now, turn = 0, 0.0, 0
    while done < BATCHES:
        step = min(pool.next_end() for pool in pools)
        now += step
        for worker in [w for pool in pools for w in pool.go_on(step)]:
            stage[worker] = (stage[worker] + 1) % 3
            if stage[worker] == 1:
                turn += 1
                shards[turn % len(shards)].work[worker] = server
            elif stage[worker] == 2:
                waits.work[worker] = max(wait, 1e-9)
            else:
                done += 1
                clients.work[worker] = client
    busy = sum(shard.busy for shard in shards) / (now * plant.server_cores * len(shards))
    return Outcome(BATCHES * batch / now, clients.busy / (now * plant.client_cores), busy)


def of_scenario(plant: Plant, constants: dict[str, float]) -> Outcome:
    """The plant at work on one of the scenarios that were measured."""
    batch = constants["batch"]
    client, server = constants["client_us"] * batch / 1e6, constants["server_us"] * batch / 1e6
    return simulate(plant, batch, client, server, constants["wait_ms"] / 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constants", type=Path, default=CONSTANTS)
    parser.add_argument("--rows", type=float, default=1e9)
    parser.add_argument("--scenario", default="first")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--cores", type=float, default=8, help="of each database server")
    options = parser.parse_args()
    constants = json.loads(options.constants.read_text())
    validate(constants)
    predict(constants["scenarios"][options.scenario], options)


def validate(constants: dict[str, object]) -> None:
    """Beside what was measured, on the machine where workers and server share the cores."""
    cores, rows = float(constants["cores"]), float(constants["rows"])  # type: ignore[arg-type]
    print(f"One machine of {cores:.0f} cores, {rows:,.0f} rows; seconds measured and simulated:")
    scenarios: dict[str, dict[str, float]] = constants["scenarios"]  # type: ignore[assignment]
    for name, scenario in scenarios.items():
        measured: dict[str, float] = scenario["measured"]  # type: ignore[assignment]
        for workers, seconds in measured.items():
            plant = Plant(int(workers), cores, cores, shared=True)
            expected = rows / of_scenario(plant, scenario).rows_per_second
            off = f"{expected / seconds - 1:+.0%}"
            print(f"  {name:10}{workers:>3} workers {seconds:8.1f} {expected:8.1f}  {off:>5}")


def predict(scenario: dict[str, float], options: argparse.Namespace) -> None:
    """A feed of many rows, on workers with a core each and databases with cores of their own."""
    print(f"\n{options.rows:,.0f} rows, {options.cores:.0f} cores for each database:")
    print(f"{'databases':>10}{'workers':>9}{'rows/s':>12}{'hours':>8}{'busy':>12}  more of")
    around = options.rows / PARTITION_ROWS * PARTITION_SECONDS
    for shards in options.shards:
        for workers in options.workers:
            plant = Plant(workers, workers, options.cores, shards)
            found = of_scenario(plant, scenario)
            hours = (options.rows / found.rows_per_second + around) / 3600
            busy = f"{found.client_busy:.0%}/{found.server_busy:.0%}"
            print(
                f"{shards:>10}{workers:>9}{found.rows_per_second:>12,.0f}{hours:>8.1f}"
                f"{busy:>12}  {found.limit}"
            )


if __name__ == "__main__":
    main()
