"""Every error of the package, cut by what happens next.

EcommerceSyncError
├── ConfigurationError      a setting or a feed class is wrong: nothing can start
│   └── FeedNotFound        no feed has that alias
├── AlreadyRunning          another run holds the feed: nothing starts
├── MergeRefused            two rows cannot become one, or two again: nothing is written
├── RetryRefused            what is to be retried is not there: nothing starts
├── OrderRefused            an order's state does not allow it: nothing is written
│   ├── TransitionNotAllowed  its table has no such move
│   ├── OrderLocked           that part of it cannot be changed, or it cannot be deleted
│   └── InsufficientStock     a product has fewer units than are wanted
├── HistoryIsFinal          an entry of a history would be changed or deleted
├── PlanRefused             a plan cannot be carried out exactly: nothing more is written
├── LeaseLost               another worker took the run over: this one stops, writing nothing
├── FeedError               the feed cannot be read: the run fails
│   └── FeedUnreachable     no answer, or no permission: the run fails, a later one may succeed
└── RecordError             one record is bad: it is rejected, the run goes on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


class EcommerceSyncError(Exception):
    """Root of every error this package raises on purpose."""


class ConfigurationError(EcommerceSyncError):
    """A setting, a stream or a feed class is wrong; the message says which and how to mend it."""


class FeedNotFound(ConfigurationError):
    """No feed is configured under the alias asked for."""


class AlreadyRunning(EcommerceSyncError):
    """A run of the same feed is queued or running; ``run_id`` names it."""

    def __init__(self, feed: str, run_id: int) -> None:
        super().__init__(f"Feed '{feed}' is already queued or running as run {run_id}.")
        self.feed = feed
        self.run_id = run_id


class MergeRefused(EcommerceSyncError):
    """A merge or its undoing cannot be: nothing was written. ``code`` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RetryRefused(EcommerceSyncError):
    """What was asked to be retried is not there; ``issues`` are the numbers that do not exist."""

    def __init__(self, message: str, issues: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.issues = issues


class OrderRefused(EcommerceSyncError):
    """The state of an order, or of the stock, does not allow it; ``code`` is for programs."""

    code = "refused"


class TransitionNotAllowed(OrderRefused):
    """No such move leads away from the order's present state; ``allowed`` has those that do.

    ``field`` is the column that was to be changed by itself, or ``to``.
    """

    code = "transition_not_allowed"

    def __init__(self, message: str, allowed: Sequence[str], field: str = "to") -> None:
        super().__init__(message)
        self.allowed = list(allowed)
        self.field = field


class OrderLocked(OrderRefused):
    """The order is too far on its way for that; ``fields`` names what cannot be changed."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = list(fields)


@dataclass(frozen=True, slots=True)
class Shortage:
    """A product of which fewer units are free than an order wants."""

    sku: str
    wanted: int
    available: int

    def __str__(self) -> str:
        return f"{self.sku}: {self.wanted} wanted, {self.available} available."


class InsufficientStock(OrderRefused):
    """Products have fewer units than are wanted; ``shortages`` has each of them."""

    code = "insufficient_stock"

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        super().__init__(" ".join(map(str, shortages)))
        self.shortages = list(shortages)


class HistoryIsFinal(EcommerceSyncError):
    """An entry of a history is written once, and goes only with what it tells about."""


class PlanRefused(EcommerceSyncError):
    """A plan cannot be carried out, or not any more. ``code`` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LeaseLost(EcommerceSyncError):
    """Another worker holds the run now; the batch at hand must not be written."""


class FeedError(EcommerceSyncError):
    """The feed cannot be read any further: the run fails with ``code``.

    ``position`` says where: a byte offset, a line or a page, as the message spells out.
    """

    def __init__(self, code: str, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.position = position


class FeedUnreachable(FeedError):
    """The source did not answer, or answered that we may not read it."""


class RecordError(EcommerceSyncError):
    """One record cannot be used: it is rejected with ``code`` and the run goes on.

    ``field`` is the model's field, with a position inside a list: ``lines[2].quantity``.
    ``value`` is what the feed sent; it is shortened and masked before anyone sees it.
    """

    def __init__(self, code: str, message: str, *, field: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way takes its arguments by position only.
        fields = {"field": self.field, "value": self.value}
        return partial(RecordError, self.code, self.message, **fields), ()

    def within(self, prefix: str) -> RecordError:
        """The same error, seen from one level further out (``lines[2]``)."""
        dot = "." if self.field and not self.field.startswith("[") else ""
        field = f"{prefix}{dot}{self.field}"
        return RecordError(self.code, self.message, field=field, value=self.value)
