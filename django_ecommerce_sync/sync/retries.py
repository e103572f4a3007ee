"""Retries: runs that read a feed again and apply only what was rejected before.

People choose the rows; those that waited for another row are chosen by its arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from ..conf import settings
from ..exceptions import RetryRefused
from ..feeds import get_feed
from ..models import IssueState, SyncIssue, SyncRun
from .arrivals import to_land
from .issues import chosen
from .slot import queue

#: The ``trigger`` of a retry that nobody asked for: what its rows waited for is there.
ARRIVAL = "arrival"
#: Rejected rows that can be named for one retry; the run keeps their numbers.
MAX_CHOSEN = 1000
#: What a primary key can be; SQLite knows no larger number.
_LARGEST = 2**63 - 1


def retry(
    run: SyncRun,
    *,
    issues: Sequence[int] | None = None,
    stream: str | None = None,
    code: str | None = None,
    field: str | None = None,
    trigger: str = "cli",
    requested_by: Any = None,
) -> tuple[SyncRun, bool]:
    """A new queued run that reads the feed again and applies only rows rejected in ``run``.

    All that are open, or those that fit everything given: primary keys of issues, a stream, a
    code, a field (``lines[].quantity``; numbers of lines do not count). The active run and False
    if the feed is busy.

    Raises ConfigurationError for a feed that is gone, RetryRefused for issues that ``run`` does
    not have and for a choice that no open row fits.
    """
    _must_exist(run.feed)
    wishes = {"issues": issues, "stream": stream, "code": code, "field": field}
    choice: dict[str, Any] = {name: wish for name, wish in wishes.items() if wish is not None}
    _check_issues(run, issues or ())
    rows = chosen(run.issues.filter(state=IssueState.OPEN), **choice)
    if choice and not rows.exists():
        raise RetryRefused(f"Run {run.pk} has no open rejected row like that.")
    return queue(_wish(run, rows, choice, trigger, requested_by))


def _must_exist(feed: str) -> None:
    with get_feed(feed):
        pass


def _check_issues(run: SyncRun, issues: Sequence[int]) -> None:
    if len(issues) > MAX_CHOSEN:
        raise RetryRefused(
            f"These are {len(issues)} rows, more than the {MAX_CHOSEN} that can be named; choose "
            "them by code and field."
        )
    possible = [pk for pk in issues if pk <= _LARGEST]
    known = set(run.issues.filter(pk__in=possible).values_list("pk", flat=True))
    if unknown := [pk for pk in dict.fromkeys(issues) if pk not in known]:
        named = ", ".join(map(str, unknown[:20])) + (" …" if len(unknown) > 20 else "")
        raise RetryRefused(f"Run {run.pk} has no rejected row {named}.", unknown)


def retry_rows(
    rows: QuerySet[SyncIssue], *, trigger: str, requested_by: Any = None
) -> list[tuple[SyncRun, bool]]:
    """As ``retry`` for rejected rows of any runs: a run for each feed, for those that are open.

    Raises as ``retry`` does.
    """
    rows = rows.filter(state=IssueState.OPEN).order_by()
    number = rows.count()
    if not number:
        raise RetryRefused("None of these rows is open.")
    if number > MAX_CHOSEN:
        raise RetryRefused(f"These are {number} rows; at most {MAX_CHOSEN} can be chosen at once.")
    wishes = []
    for feed in sorted(rows.values_list("feed", flat=True).distinct()):
        _must_exist(feed)
        mine = rows.filter(feed=feed)
        if latest := _latest_run(mine):
            choice = {"issues": sorted(mine.values_list("pk", flat=True))}
            wishes.append(_wish(latest, mine, choice, trigger, requested_by))
    return [queue(wish) for wish in wishes]


def retry_arrived() -> list[SyncRun]:
    """Queue a run for each feed that has rows which waited for another one that is there now.

    It reads only these. A feed that is busy is left to the next call. Returns the new runs.
    """
    feeds = sorted(to_land().order_by().values_list("feed", flat=True).distinct())
    queued = [_retry_arrived_of(feed) for feed in feeds if feed in settings.FEEDS]
    return [run for run in queued if run is not None]


@transaction.atomic
def _retry_arrived_of(feed: str) -> SyncRun | None:
    rows = to_land().filter(feed=feed).order_by()
    latest = _latest_run(rows)
    if latest is None:
        return None
    run, is_new = queue(_wish(latest, rows, {"arrived": True}, ARRIVAL, None))
    if not is_new:
        return None
    # By primary key, in order: a batch that announces arrivals locks the same rows.
    pks = sorted(rows.values_list("pk", flat=True))
    claimed = [
        SyncIssue.objects.filter(pk__in=pks[start : start + MAX_CHOSEN]).update(retried_in=run.pk)
        for start in range(0, len(pks), MAX_CHOSEN)
    ]
    if not sum(claimed):  # another process was quicker, and its run is over
        run.delete()
        return None
    return run


def _latest_run(rows: QuerySet[SyncIssue]) -> SyncRun | None:
    return SyncRun.objects.filter(pk__in=rows.values("run")).order_by("pk").last()


def _wish(
    run: SyncRun,
    rows: QuerySet[SyncIssue],
    choice: dict[str, Any],
    trigger: str,
    requested_by: Any,
) -> SyncRun:
    """A run that is to read ``rows`` again, which ``choice`` describes."""
    streams = sorted(rows.order_by().values_list("stream", flat=True).distinct())
    return SyncRun(
        feed=run.feed,
        streams=streams or run.streams,
        retry_of=run,
        retry_choice=choice,
        trigger=trigger,
        requested_by=requested_by,
    )
