#!/usr/bin/env python
"""How much faster a feed comes in with more Celery workers on one database.

    python benchmarks/scaling.py --database mysql://user:secret@127.0.0.1/bench \\
        --redis redis://127.0.0.1:6379/9 --rows 200000 --workers 1 2 4

The database is used up, and so is that database of Redis. Each figure is that of a fresh set of
worker processes which read one JSON Lines file in byte ranges; ``as one`` is the same file
without partitions. Beside the rates, the processor time that workers and server took for a row,
and what a batch waited for otherwise: the constants of ``simulation.py``, which ``--json`` keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from syncing import changed, prepare, write_feeds

HERE = Path(__file__).resolve().parent
SCENARIOS = ("first", "unchanged", "10%")
#: Of a process: its processor time is counted in these.
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 900.0


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        write_feeds(Path(folder), options.rows)
        feed = Path(folder) / "feed.jsonl"
        prepare(options.database)
        results = [
            {"run": run, "workers": workers, "partitions": partitions, **found}
            for run in range(options.runs)
            for workers, partitions in [(1, 0), *((n, options.partitions) for n in options.workers)]
            for found in measured(options, feed, f"{folder}/{options.rows}", workers, partitions)
        ]
    print_table(results)
    constants = derived(results, options.rows)
    print(json.dumps(constants, indent=2))
    if options.json:
        options.json.write_text(json.dumps(constants, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--database", required=True, help="a DATABASE_URL")
    parser.add_argument("--redis", required=True, help="a broker's address")
    parser.add_argument("--json", type=Path, help="where to write the constants")
    return parser.parse_args()


# -- measuring -----------------------------------------------------------------------------------


def measured(
    options: argparse.Namespace, feed: Path, stem: str, workers: int, partitions: int
) -> list[dict[str, Any]]:
    """All scenarios with one set of workers, on tables that are empty at first."""
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0)
    wish = {
        "database": options.database,
        "redis": options.redis,
        "feed": str(feed),
        "partitions": partitions,
    }
    environment = {**os.environ, "BENCHMARK": json.dumps(wish)}
    pool = [start(number, environment) for number in range(workers)]
    found = []
    try:
        for scenario in SCENARIOS:
            source = f"{stem}-{'first' if scenario == 'unchanged' else scenario}.jsonl"
            feed.write_bytes(Path(source).read_bytes())
            found.append({"scenario": scenario, **one_run(pool, environment)})
            check(options.rows, scenario)
    finally:
        for worker in pool:
            worker.terminate()
        for worker in pool:
            worker.wait()
    return found


def start(number: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A worker that does one task at a time, in its own process."""
    options = ["--pool", "solo", "--loglevel", "ERROR", "-n", f"w{number}@benchmark"]
    more = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    celery = [sys.executable, "-m", "celery", "-q", "-A", "workers", "worker", *options, *more]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(celery, cwd=HERE, env=environment, **silent)


def one_run(pool: list[subprocess.Popen[bytes]], environment: dict[str, str]) -> dict[str, Any]:
    """One run of the feed: how long, and who worked how long."""
    from django.db import connection

    from django_ecommerce_sync.models import StreamState, SyncRun

    StreamState.objects.update(validators={})  # else an unchanged file is not even read
    server = server_pid()
    before = [seconds_of(process.pid) for process in pool], seconds_of(server)
    subprocess.run([sys.executable, __file__, "--ask"], env=environment, check=True, cwd=HERE)
    connection.close()
    began = time.monotonic()
    while (run := SyncRun.objects.order_by("pk").last()) is None or run.is_active:
        connection.close()
        time.sleep(0.1)
        if time.monotonic() - began > PATIENCE:
            raise SystemExit("The run does not end.")
    if run.status != "succeeded":
        raise SystemExit(f"The run ended {run.status}: {run.error}")
    after = [seconds_of(process.pid) for process in pool], seconds_of(server)
    return {
        "seconds": run.seconds,
        "client": sum(after[0]) - sum(before[0]),
        "server": after[1] - before[1],
        "batches": sum(p.batch_number for p in run.partitions.all()) or run.batch_number,
    }


def ask() -> None:
    """Queue the run, as any process of the project would."""
    import workers  # noqa: F401  # sets Django up

    from django_ecommerce_sync.sync import dispatch, request_run

    dispatch(request_run("shop")[0])


def server_pid() -> int:
    """The process of a MariaDB or MySQL server on this machine; else 0."""
    from django.db import connection

    if connection.vendor != "mysql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@pid_file")
        path = Path(cursor.fetchone()[0])
    try:
        return int(path.read_text())
    except OSError:
        return 0


def seconds_of(pid: int) -> float:
    """The processor time a process has taken so far."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def check(rows: int, scenario: str) -> None:
    """Whether the table is what the feed says."""
    from django.db.models import Sum

    from django_ecommerce_sync.models import Product

    expected = sum(int(str(changed(number, scenario)["stock"])) for number in range(rows))
    found = Product.objects.aggregate(stock=Sum("inventory_count"))["stock"]
    if (Product.objects.count(), found) != (rows, expected):
        raise SystemExit(f"{scenario}: {Product.objects.count()} rows, {found}, not {expected}")


# -- what it comes to ----------------------------------------------------------------------------


def print_table(results: list[dict[str, Any]]) -> None:
    """Seconds and speed-up of each set of workers."""
    print(f"{'':12}" + "".join(f"{scenario:>22}" for scenario in SCENARIOS))
    for workers, partitions in dict.fromkeys((r["workers"], r["partitions"]) for r in results):
        name = f"{workers} worker{'s' * (workers > 1)}" if partitions else "as one"
        cells = []
        for scenario in SCENARIOS:
            one = seconds(results, 1, scenario)
            mine = seconds(results, workers, scenario, whole=not partitions)
            cells.append(f"{mine:.1f} s (× {one / mine:.2f})")
        print(f"{name:12}" + "".join(f"{cell:>22}" for cell in cells))


def seconds(
    results: list[dict[str, Any]], workers: int, scenario: str, *, whole: bool = False
) -> float:
    """The median of one kind of run."""
    return statistics.median(
        r["seconds"]
        for r in results
        if (r["workers"], r["scenario"], not r["partitions"]) == (workers, scenario, whole)
    )


def derived(results: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    """The constants of the simulation, from the runs of one worker; and what they must explain."""
    found: dict[str, Any] = {"rows": rows, "cores": os.cpu_count(), "scenarios": {}}
    for scenario in SCENARIOS:
        mine = [r for r in results if r["scenario"] == scenario and r["partitions"]]
        alone = [r for r in mine if r["workers"] == 1]
        client, server, spent, batches = (
            statistics.median(r[name] for r in alone)
            for name in ("client", "server", "seconds", "batches")
        )
        workers = sorted({r["workers"] for r in mine})
        found["scenarios"][scenario] = {
            "client_us": round(client / rows * 1e6, 2),
            "server_us": round(server / rows * 1e6, 2),
            "wait_ms": round(max(0.0, spent - client - server) / batches * 1e3, 2),
            "batch": round(rows / batches),
            "measured": {str(n): round(seconds(results, n, scenario), 2) for n in workers},
        }
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["--ask"]:
        ask()
    else:
        sys.exit(main())
