"""Rejected rows: kept, masked, and closed again when the row lands."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..feeds.redaction import redacted
from ..models import IssueState, SyncIssue, SyncRun
from .absence import Absent
from .report import Rejection, Report

_EXCERPT = 64
#: The code of an issue that is about no record: a person should decide.
NEEDS_ATTENTION = "needs_attention"
#: Fields whose values are nobody's business but the customer's.
PERSONAL = ("email", "name", "phone", "address", "company", "note")


def record(run: SyncRun, stream: str, rejections: Sequence[Rejection]) -> None:
    """Keep a batch's rejections with their run."""
    SyncIssue.objects.bulk_create(
        SyncIssue(
            run=run,
            feed=run.feed,
            stream=stream,
            position=rejection.position,
            external_id=rejection.external_id,
            key=_key(rejection),
            field=rejection.error.field[:191],
            code=rejection.error.code,
            message=redacted(rejection.error.message)[:500],
            excerpt=excerpt(rejection.error.field, rejection.error.value),
        )
        for rejection in rejections
    )


def resolve(run: SyncRun, stream: str, report: Report) -> None:
    """Close the open issues of rows that are in the database now."""
    open_issues = SyncIssue.objects.filter(feed=run.feed, stream=stream, state=IssueState.OPEN)
    ids = [external_id for external_id, _ in report.landed if external_id]
    closed = {"state": IssueState.RESOLVED, "resolved_by": run}
    open_issues.filter(external_id__in=ids).update(**closed)
    if run.retry_of_id is not None:
        positions = [position for _, position in report.landed]
        open_issues.filter(run=run.retry_of_id, external_id="", position__in=positions).update(
            **closed
        )


def has_open(feed: str, stream: str) -> bool:
    """Whether any row of the stream waits to land; looked up once, not for each batch."""
    return SyncIssue.objects.filter(feed=feed, stream=stream, state=IssueState.OPEN).exists()


def forget(run: SyncRun, stream: str, positions: Sequence[int]) -> None:
    """Drop this run's issues of rows that landed later in the same run."""
    SyncIssue.objects.filter(run=run, stream=stream, position__in=positions).delete()


def excerpt(field: str, value: Any) -> str:
    """A short, masked look at the value at fault, on one line."""
    if value is None:
        return ""
    try:
        text = str(value) if isinstance(value, int | Decimal) else repr(value)
        text = redacted(text)[:_EXCERPT]
    except (ValueError, RecursionError):  # thousands of digits or levels
        return "…"
    leaf = field.rpartition(".")[2]
    is_personal = any(word in leaf for word in PERSONAL) and leaf != "name"
    if is_personal or "@" in text:
        text = text[:3] + "…" if len(text) > 3 else "…"
    return text.encode("ascii", "backslashreplace").decode() if not text.isprintable() else text


def ask_about(run: SyncRun, stream: str, absent: Absent, max_ratio: float) -> None:
    """Too many rows are gone to be archived unasked: somebody should look at it."""
    names = ", ".join(absent.named) + (" …" if absent.number > len(absent.named) else "")
    SyncIssue.objects.create(
        run=run,
        feed=run.feed,
        stream=stream,
        code=NEEDS_ATTENTION,
        message=(
            f"{absent.number} rows are gone from the feed, {absent.ratio:.0%} of all; more than "
            f"{max_ratio:.0%} are not archived unasked. If that is right, run it once with "
            f"--allow-shrink. They are: {names}"
        )[:500],
    )


def settle_question(run: SyncRun, stream: str) -> None:
    """Whatever was asked about missing rows is answered now."""
    questions = SyncIssue.objects.filter(feed=run.feed, stream=stream, code=NEEDS_ATTENTION)
    questions.filter(state=IssueState.OPEN).update(state=IssueState.RESOLVED, resolved_by=run)


def _key(rejection: Rejection) -> str:
    key = rejection.key
    return key[:191] if key.isprintable() and "@" not in key else ""
