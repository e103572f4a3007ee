"""A MariaDB and a Redis of our own, on ports and in folders of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import MySQLdb
import redis

from .processes import Process, free_port, wait_until

MARIADBD = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
INSTALL_DB = shutil.which("mariadb-install-db")
REDIS_SERVER = shutil.which("redis-server")

#: What the chaos needs that this machine has not.
MISSING = [
    name
    for name, path in {
        "mariadbd": MARIADBD,
        "mariadb-install-db": INSTALL_DB,
        "redis-server": REDIS_SERVER,
    }.items()
    if path is None
]


class MariaDB:
    """A private server; it can be killed, frozen and started again on the same data."""

    name = "chaos"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = str(folder / "s")
        self.options = options
        self.process: Process | None = None
        self.user = "root"
        folder.mkdir(parents=True)
        mine = [f"--user={self.user}"] if os.geteuid() == 0 else []
        self._as = mine
        subprocess.run(
            [
                str(INSTALL_DB),
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *mine,
            ],
            check=True,
            capture_output=True,
        )
        self.start()
        self.execute(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4", database="")
        # An account without the right to write where the server is read-only.
        self.execute("CREATE USER chaos@'127.0.0.1'")
        self.execute(f"GRANT ALL ON {self.name}.* TO chaos@'127.0.0.1'")

    def start(self) -> None:
        """Bring the server up and wait until it answers."""
        command = [
            str(MARIADBD),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.folder / 'pid'}",
            f"--tmpdir={self.folder}",
            "--innodb-buffer-pool-size=64M",
            # A killed process loses nothing it has handed to the system; only a power cut would.
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            *self._as,
            *self.options,
        ]
        self.process = Process("mariadbd", command, self.folder / "mariadbd.log", os.environ)
        wait_until(self.answers, why="mariadbd does not start")

    def answers(self) -> bool:
        with suppress(MySQLdb.Error):
            self.connect(database="").close()
            return True
        return False

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.thaw()
            self.process.kill()

    def connect(self, database: str = name) -> Any:
        return MySQLdb.connect(
            unix_socket=self.socket,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )

    def execute(self, sql: str, parameters: Any = None, *, database: str = name) -> Any:
        """The rows of one statement, on a connection of its own."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall()
        finally:
            connection.close()


class Redis:
    """A private server without persistence: whatever kills it empties it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        folder.mkdir(parents=True)
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        command = [
            str(REDIS_SERVER),
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(self.folder)),
        ]
        self.process = Process("redis", command, self.folder / "redis.log", os.environ)
        wait_until(self.answers, why="redis-server does not start")

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def answers(self) -> bool:
        with suppress(redis.RedisError, OSError), self.client() as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send(signal.SIGCONT)

    def command(self, *words: str) -> Any:
        with self.client() as client:
            return client.execute_command(*words)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            self.process.kill()
