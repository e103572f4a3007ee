"""What a database error means for the batch that met it."""

from __future__ import annotations

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError

#: MySQL and MariaDB: lock waits, deadlocks, snapshots gone stale, servers restarting or away.
_PASSING_MYSQL = frozenset({1020, 1040, 1053, 1180, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055})
_PASSING_WORDS = (
    "database is locked",
    "database table is locked",
    "deadlock",
    "could not serialize",
)


def is_about_a_row(error: DatabaseError) -> bool:
    """Whether some row of the batch is at fault, so that the others may land without it."""
    return isinstance(error, IntegrityError | DataError)


def named(error: DatabaseError) -> str:
    """An error's kind and number; its text may repeat the row's values."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else ""
    return f"{type(error).__name__} {number}".rstrip()


def is_passing(error: DatabaseError) -> bool:
    """Whether the same batch may succeed a moment later."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    if error.args and error.args[0] in _PASSING_MYSQL:
        return True
    text = str(error).lower()
    return any(words in text for words in _PASSING_WORDS) or "connection" in text
