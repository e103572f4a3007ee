"""Secrets are remembered by value when they are used, and masked wherever they turn up."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
#: Shorter values are not masked: they stand in ordinary words and numbers, which would become
#: unreadable, and the holes would tell the secret.
MIN_LENGTH = 6

_formatter = logging.Formatter()


class _Memory:
    """Every secret this process has used, as one pattern, the longest first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    @property
    def holds_any(self) -> bool:
        return self._pattern is not None

    def add(self, secret: str) -> None:
        with self._lock:
            values = self._values.union(_spellings(secret))
            if values != self._values:
                longest_first = sorted(values, key=lambda value: (-len(value), value))
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
                self._values = values

    def mask(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


_memory = _Memory()


def remember(secret: str) -> None:
    """Mask this value from now on, plain, as in a URL and as in JSON."""
    if len(secret) >= MIN_LENGTH:
        _memory.add(secret)


def redacted(text: str) -> str:
    """The text with each remembered secret as ``•••``."""
    return _memory.mask(text)


class RedactingFilter(logging.Filter):
    """Masks secrets in a record's message and traceback; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _memory.holds_any:
            _mask_message(record)
            _mask_traceback(record)
            record.stack_info = redacted(record.stack_info or "") or None
        return True


def install() -> None:
    """Mask secrets in every log record of this process from now on, whoever handles it.

    A filter on handlers would miss those that are set up later, as Celery's are.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))


class _Factory:
    def __init__(self, make: Any) -> None:
        self._make = make
        self._filter = RedactingFilter()

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        self._filter.filter(record)
        return record


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield quote(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]


def _mask_message(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # a faulty call; logging would print all it has
        record.msg, record.args = redacted(f"{record.msg} {record.args}"), None
        return
    if redacted(message) != message:
        record.msg, record.args = redacted(message), None


def _mask_traceback(record: logging.LogRecord) -> None:
    if record.exc_info and not record.exc_text:
        text = _formatter.formatException(record.exc_info)
        if redacted(text) == text:
            return
        # Without it nobody can format the traceback again, with the secret.
        record.exc_text, record.exc_info = text, None
    if record.exc_text:
        record.exc_text = redacted(record.exc_text)
