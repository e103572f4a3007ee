"""The whole stack in one place: servers, proxy, feed, web, workers, beats; and the invariants."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from .processes import PATIENCE, Process, free_port, listens, wait_until
from .proxy import Proxy
from .servers import MariaDB, Redis
from .source import Oracle, Row, Source

ROOT = Path(__file__).resolve().parent.parent.parent
#: Found anywhere but in the feed's requests, it has leaked.
CANARY = "kanarienvogel-4711"
EXECUTE = "django_ecommerce_sync.tasks.execute_run"
FINAL = ("succeeded", "partial", "failed", "cancelled")
#: Seconds a worker may be silent here; so that nobody has to wait for a minute.
LEASE = 3
PREPARE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("admin", "admin@example.com", "chaos")
"""
#: Every batch that is committed leaves a line with the fence it was committed under.
AUDIT = (
    """CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, run BIGINT, batch INT, fence INT,
       attempts INT, at DATETIME(6))""",
    """CREATE TRIGGER note_batch AFTER UPDATE ON ecommerce_sync_syncrun FOR EACH ROW
       INSERT INTO audit (run, batch, fence, attempts, at)
       SELECT NEW.id, NEW.batch_number, NEW.fence, NEW.attempts, UTC_TIMESTAMP(6) FROM DUAL
       WHERE NEW.batch_number <> OLD.batch_number""",
    # Those of a partition are told by a number below zero.
    """CREATE TRIGGER note_partition AFTER UPDATE ON ecommerce_sync_syncpartition FOR EACH ROW
       INSERT INTO audit (run, batch, fence, attempts, at)
       SELECT -NEW.id, NEW.batch_number, NEW.fence, NEW.attempts, UTC_TIMESTAMP(6) FROM DUAL
       WHERE NEW.batch_number <> OLD.batch_number""",
)
OURS = (
    *("product", "synclink", "syncissue", "syncrun", "streamstate", "syncschedule"),
    *("customer", "order", "orderline", "syncpartition", "metinpartition", "metlinks"),
)


@dataclass
class World:
    """Everything that is started; ``folder`` keeps the logs."""

    folder: Path
    package: Path = ROOT
    oracle: Oracle = field(default_factory=Oracle)
    processes: list[Process] = field(default_factory=list)
    #: Open transactions of somebody else, on the same rows.
    visitors: list[Any] = field(default_factory=list)
    token: str = ""
    web: Process | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()

    def _build(self, stack: ExitStack) -> None:
        """Start everything; what has been started is ended in any case."""
        self.database = MariaDB(self.folder / "mariadb")
        stack.callback(self.database.stop)
        self.redis = Redis(self.folder / "redis")
        stack.callback(self.redis.stop)
        self.proxy = Proxy(self.database.port)
        stack.callback(self.proxy.close)
        self.source = Source()
        stack.callback(self.source.close)
        stack.callback(self._end_all)
        done = subprocess.run(
            [sys.executable, "-c", PREPARE],
            env=self.environment(direct=True),
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        for sql in AUDIT:
            self.database.execute(sql)
        self.start_web()

    # -- processes ---------------------------------------------------------------------------

    def environment(self, *, direct: bool = False, **more: Any) -> dict[str, str]:
        """What every process is started with; ``direct`` ones pass by the proxy."""
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join([str(self.package), str(ROOT)]),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_DB_PORT": str(self.database.port if direct else self.proxy.port),
            "CHAOS_REDIS_URL": self.redis.url,
            "CHAOS_FEED_URL": self.source.url,
            "CHAOS_FEED_FOLDER": str(self.folder),
            "CHAOS_TOKEN": CANARY,
            "CHAOS_LEASE_SECONDS": str(LEASE),
            **{f"CHAOS_{name}": str(value) for name, value in more.items()},
        }

    def _start(self, name: str, *command: str, direct: bool = False, **more: Any) -> Process:
        log = self.folder / f"{name}.log"
        number = sum(process.name.startswith(name) for process in self.processes)
        environment = self.environment(direct=direct, **more)
        process = Process(f"{name}-{number}", [sys.executable, *command], log, environment)
        self.processes.append(process)
        return process

    def start_web(self, **more: Any) -> Process:
        """A web process of Django's own kind; it does not go through the proxy."""
        port = free_port()
        command = ("-m", "tests.chaos.manage", "runserver", "--noreload", f"127.0.0.1:{port}")
        return self._serving(port, command, **more)

    def start_gunicorn(self, **more: Any) -> Process:
        """Web processes as projects run them: two, of four threads each."""
        port = free_port()
        size = ("--workers", "2", "--threads", "4")
        command = ("-m", "gunicorn", *size, "--bind", f"127.0.0.1:{port}", "tests.chaos.wsgi")
        return self._serving(port, command, **more)

    def _serving(self, port: int, command: Sequence[str], **more: Any) -> Process:
        web = self._start("web", *command, direct=True, **more)
        web.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        if self.web is None:
            self.web = web
        wait_until(lambda: listens(port) or not web.is_alive, why="the web process does not answer")
        assert web.is_alive, self.log("web")
        return web

    def start_worker(
        self, *, ready: bool = True, concurrency: int = 1, prefix: Sequence[str] = (), **more: Any
    ) -> Process:
        """A Celery worker; ``prefix`` is a command that starts it with less than all."""
        log = self.folder / "worker.log"
        before = log.read_text(errors="replace").count(" ready.") if log.exists() else 0
        options = ("--concurrency", str(concurrency), "--loglevel", "INFO")
        name = f"w{len(self.processes)}@chaos"
        celery = ("-m", "celery", "-A", "tests.chaos.project", "worker", *options, "-n", name)
        environment = self.environment(**more)
        worker = Process(name, [*prefix, sys.executable, *celery], log, environment)
        self.processes.append(worker)
        if ready:
            wait_until(
                lambda: log.read_text(errors="replace").count(" ready.") > before,
                why="the worker does not start",
            )
        return worker

    def start_beat(self, **more: Any) -> Process:
        """The clock that looks for what is due and what was lost, once a second."""
        schedule = self.folder / f"beat-{len(self.processes)}"
        celery = ("-m", "celery", "-A", "tests.chaos.project", "beat", "--loglevel", "INFO")
        return self._start("beat", *celery, "--schedule", str(schedule), direct=True, **more)

    def supervise(self) -> None:
        """Start what has ended by itself, as any service manager does."""
        for process in [p for p in self.processes if not p.is_alive]:
            self.end(process)
            if process.name.endswith("@chaos"):
                self.start_worker()
            elif process.name.startswith("beat"):
                self.start_beat()

    def end(self, *processes: Process) -> None:
        """End processes we started, whatever state they are in."""
        for process in processes:
            process.thaw()
            process.kill()
            self.processes.remove(process)

    def visitor(self) -> Any:
        """Somebody else's connection, with a transaction that lasts until it is closed."""
        connection = self.database.connect()
        connection.autocommit(False)
        self.visitors.append(connection)
        return connection

    def reset(self) -> None:
        """As it was before the first run: servers up, nobody at work, tables and broker empty."""
        while self.visitors:
            with suppress(Exception):  # closed already
                self.visitors.pop().close()
        self.proxy.calm()
        self.source.pause = 0.0
        self.source.rows.clear()
        self.source.requests.clear()
        self.end(*[p for p in self.processes if p is not self.web])
        self.proxy.cut_all()
        self.oracle = Oracle()
        if not self.redis.answers():
            self.redis.stop()
            self.redis.start()
        self.redis.command("FLUSHALL")
        if not self.database.answers():
            self.database.stop()
            self.database.start()
        connection = self.database.connect()
        with connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0, lock_wait_timeout = 20")
            for table in OURS:
                cursor.execute(f"TRUNCATE ecommerce_sync_{table}")
            cursor.execute("TRUNCATE audit")
        connection.close()

    def _end_all(self) -> None:
        self.end(*self.processes)

    def close(self) -> None:
        """End everything that was started."""
        self._stack.close()
        shutil.rmtree(self.folder / "mariadb" / "data", ignore_errors=True)

    # -- asking and looking ------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, timeout: float = 30, web: Any = None
    ) -> tuple[int, Any]:
        """The status and the JSON of an API call."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        address = f"{(web or self.web).url}{path}"
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def log_in(self) -> None:
        """Get a token that is good for the whole session."""
        login = {"username": "admin", "password": "chaos"}
        status, tokens = self.call("POST", "/api/token/", login)
        assert status == 200, tokens
        self.token = tokens["access"]

    def refresh(self, *feeds: str, web: Any = None) -> list[int]:
        """Ask for runs; their numbers."""
        status, body = self.call("POST", "/api/refresh/", {"feeds": feeds}, web=web)
        assert status == 202, body
        return [run["id"] for run in body["runs"]]

    def run(self, number: int) -> dict[str, Any]:
        """A run as it stands in its table."""
        connection = self.database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM ecommerce_sync_syncrun WHERE id = %s", [number])
                names = [column[0] for column in cursor.description]
                row = dict(zip(names, cursor.fetchone(), strict=True))
        finally:
            connection.close()
        for name in ("counts", "cursor"):
            row[name] = json.loads(row[name])
        return row

    def counts(self, run: dict[str, Any]) -> dict[str, int]:
        """What became of the products, without the zeros."""
        return {name: n for name, n in run["counts"].get("products", {}).items() if n}

    def finished(self, number: int, *, patience: float = PATIENCE) -> dict[str, Any]:
        """The run once it is over; that it ends in time is the fourth invariant."""
        wait_until(
            lambda: self.database.answers() and self.run(number)["status"] in FINAL,
            patience=patience,
            why=f"run {number} does not end",
            step=0.2,
        )
        return self.run(number)

    def ring(self, number: Any) -> None:
        """Send a run's message by hand, as anybody could who reaches the broker."""
        self._celery().send_task(EXECUTE, args=[number])

    def _celery(self) -> Celery:
        app = Celery("visitor", broker=self.redis.url, set_as_current=False)
        app.conf.task_ignore_result = True
        return app

    def idle(self) -> None:
        """Wait until every message has been taken and carried out."""
        wait_until(lambda: not self.redis.command("LLEN", "celery"), why="messages are left")
        time.sleep(1)

    def log(self, name: str = "worker") -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def deliver(self, feed: str, rows: list[Row]) -> dict[str, int]:
        """Put the feed's next delivery on the shelf; what it must come to."""
        self.source.rows[feed] = rows
        (self.folder / f"{feed}.jsonl").write_bytes(self.source.body(f"/{feed}.jsonl", {}))
        return self.oracle.replay(feed, rows)

    def workers(self) -> list[Process]:
        return [p for p in self.processes if p.name.endswith("@chaos") and p.is_alive]

    # -- invariants --------------------------------------------------------------------------

    def check(self, runs: dict[int, dict[str, int]], *, again: bool = True) -> None:
        """All that must hold whatever happened; ``runs`` are those that ended well, with counts.

        ``again`` brings the same feeds in once more without faults: nothing may change.
        """
        for number, expected in runs.items():
            run = self.run(number)
            assert run["status"] == ("partial" if expected.get("rejected") else "succeeded"), run
            assert self.counts(run) == expected, (number, self.counts(run), expected)  # I3
            self._check_issues(run)
        self.check_tables()
        self._check_audit()
        self._check_secrets()
        if again and runs:
            self.check_again(runs)

    def check_tables(self) -> None:
        """I1, I2: the tables hold what the replay holds, each row once."""
        found = self.database.execute(
            "SELECT sku, name, price, inventory_count FROM ecommerce_sync_product"
        )
        stored = {sku: tuple(values) for sku, *values in found}
        assert len(stored) == len(found)
        wrong = {
            key: (stored.get(key), self.oracle.stored.get(key))
            for key in stored.keys() | self.oracle.stored.keys()
            if stored.get(key) != self.oracle.stored.get(key)
        }
        assert not wrong, (len(wrong), list(wrong.items())[:5])
        links = self.database.execute(
            """SELECT feed, external_id, sku FROM ecommerce_sync_synclink
               LEFT JOIN ecommerce_sync_product p ON p.id = object_id"""
        )
        assert {(feed, id): sku for feed, id, sku in links} == self.oracle.links
        assert len(links) == len(self.oracle.links)

    def _check_issues(self, run: dict[str, Any]) -> None:
        """Each rejected row is told of once."""
        found = self.database.execute(
            "SELECT position FROM ecommerce_sync_syncissue WHERE run_id = %s", [run["id"]]
        )
        positions = sorted(position for (position,) in found)
        assert len(positions) == self.counts(run).get("rejected", 0)
        if run["id"] == self._last_run(run["feed"]):
            assert positions == self.oracle.rejected[run["feed"]]

    def _last_run(self, feed: str) -> int:
        sql = "SELECT MAX(id) FROM ecommerce_sync_syncrun WHERE feed = %s"
        return int(self.database.execute(sql, [feed])[0][0])

    def _check_audit(self) -> None:
        """I5: a run's batches are numbered without a gap or a repeat, under fences that rise."""
        last: dict[int, tuple[int, int]] = {}
        for run, batch, fence in self.database.execute(
            "SELECT run, batch, fence FROM audit ORDER BY id"
        ):
            before, lowest = last.get(run, (0, 0))
            assert batch == before + 1, (run, before, batch)
            assert fence >= lowest, (run, lowest, fence)
            last[run] = batch, fence

    def _check_secrets(self) -> None:
        """I7: the feed's token is in no log and no table."""
        for path in self.folder.glob("*.log"):
            assert CANARY not in path.read_text(errors="replace"), path
        for (table,) in self.database.execute("SHOW TABLES"):
            rows = self.database.execute(f"SELECT * FROM `{table}`")
            assert not re.search(CANARY, repr(rows)), table

    def check_again(self, runs: dict[int, dict[str, int]]) -> None:
        """I6: the same deliveries once more, undisturbed, change nothing."""
        self.proxy.calm()
        if not self.workers():
            self.start_worker()
        feeds = sorted({self.run(number)["feed"] for number in runs})
        expected = {feed: self.oracle.replay(feed, self.source.rows[feed]) for feed in feeds}
        for number, feed in zip(self.refresh(*feeds), feeds, strict=True):
            counts = self.counts(self.finished(number))
            assert counts == expected[feed], (counts, expected[feed])
            assert not counts.keys() & {"created", "updated"}, counts
        self.check_tables()


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.monotonic()
