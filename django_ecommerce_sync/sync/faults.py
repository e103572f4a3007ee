"""What a database error means for the work that met it, and how long to try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)

from .database import connection_of_runs

T = TypeVar("T")

#: MySQL and MariaDB: servers that restart, are full of clients or away, and links that broke.
_AWAY_MYSQL = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
#: Lock waits, deadlocks, snapshots gone stale.
_BUSY_MYSQL = frozenset({1020, 1180, 1205, 1213})
#: Read-only, as during a failover, or no room left.
_NOT_WRITABLE = frozenset({1021, 1114, 1290, 1836})
_BUSY_WORDS = (
    "database is locked",
    "database table is locked",
    "deadlock",
    "could not serialize",
)
#: A statement is longer than the server takes; fewer rows make a shorter one.
PACKET_TOO_LARGE = 1153
#: The same work is tried this often where somebody else is in the way ...
_TRIES = 8
#: ... and for so many seconds where the server is away, or takes no writes.
_SECONDS = 60.0
#: So many seconds are left for another try where a client waits for the answer.
_HASTE_SECONDS = 10.0


def is_about_a_row(error: DatabaseError) -> bool:
    """Whether some row of the batch is at fault, so that the others may land without it."""
    return isinstance(error, IntegrityError | DataError) or _number(error) == PACKET_TOO_LARGE


def named(error: DatabaseError) -> str:
    """An error's kind and number; its text may repeat the row's values."""
    return f"{type(error).__name__} {_number(error) or ''}".rstrip()


def is_away(error: DatabaseError) -> bool:
    """Whether the server cannot be reached, so that nobody can tell whether a COMMIT landed."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    return _number(error) in _AWAY_MYSQL or "connection" in str(error).lower()


def is_lock_conflict(error: DatabaseError) -> bool:
    """Whether others had locked what the work wanted, or changed what it had read."""
    if not isinstance(error, OperationalError):
        return False
    text = str(error).lower()
    return _number(error) in _BUSY_MYSQL or any(words in text for words in _BUSY_WORDS)


def is_passing(error: DatabaseError) -> bool:
    """Whether the same batch may succeed a moment later."""
    if is_away(error) or is_lock_conflict(error):
        return True
    return isinstance(error, OperationalError) and _number(error) in _NOT_WRITABLE


def code_of(error: DatabaseError) -> str:
    """The error code of a run that could not go on for it."""
    if is_away(error):
        return "db_unreachable"
    if _number(error) in _NOT_WRITABLE:
        return "db_not_writable"
    return "db_lock_timeout" if is_passing(error) else "db_error"


class Patience:
    """How often and how long one piece of work is tried again."""

    def __init__(self) -> None:
        self._tries = 0
        self._began = monotonic()

    def wait(self, error: DatabaseError) -> None:
        """Wait before the next try; raises ``error`` where there is no point in one."""
        self._tries += 1
        if not self._lasts(error):
            raise error
        self.pause()

    def _lasts(self, error: DatabaseError) -> bool:
        is_long = is_away(error) or _number(error) in _NOT_WRITABLE  # as long as a failover takes
        has_time = is_long and self._seconds < _SECONDS
        return is_passing(error) and (has_time or self._tries < _TRIES)

    @property
    def _seconds(self) -> float:
        return monotonic() - self._began

    def pause(self) -> None:
        """Let others finish: up to a growing limit, at random, so that nobody waits in step."""
        connection = connection_of_runs()
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        limit = min(0.05 * 2 ** min(self._tries, 7), 5)
        time.sleep(random.uniform(0, limit))  # noqa: S311


class Haste(Patience):
    """The same where a client waits for the answer: only locks are waited for, and not for long.

    They are known before a COMMIT, so the work was not done: it need not bear being done twice.
    """

    def _lasts(self, error: DatabaseError) -> bool:
        has_time = self._tries < _TRIES and self._seconds < _HASTE_SECONDS
        return is_lock_conflict(error) and has_time


def tried_again(work: Callable[[], T], patience: Patience | None = None) -> T:
    """What ``work`` returns, tried as a whole until the database takes it or patience ends.

    The answer to a COMMIT may be lost, so ``work`` must do no harm when it is done twice.
    """
    patience = patience or Patience()
    while True:
        try:
            return work()
        except DatabaseError as error:
            patience.wait(error)


def _number(error: DatabaseError) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None
