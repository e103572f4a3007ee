"""Rejected rows: kept, masked, grouped, chosen for a retry, and closed when the row lands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from ..feeds.redaction import redacted
from ..models import IssueState, SyncIssue, SyncRun
from .absence import Absent
from .database import connection_of_runs
from .digest import content_of
from .report import Rejection
from .table import Table
from .target import defaults_of

_EXCERPT = 64
#: The code of an issue that is about no record: a person should decide.
NEEDS_ATTENTION = "needs_attention"
#: What the columns hold of an issue that waits for nothing.
_AWAITED = {"waits_for": "", "waits_for_key": ""}
#: Fields whose values are nobody's business but the customer's.
PERSONAL = ("email", "name", "phone", "address", "company", "note")


def record(run: SyncRun, stream: str, rejections: Sequence[Rejection]) -> None:
    """Keep a batch's rejections with their run; those of a dry run wait for nothing."""
    table = Table(SyncIssue, connection_of_runs())
    place = {"run_id": run.pk, "feed": run.feed, "stream": stream}
    rows = [
        {
            "position": rejection.position,
            "external_id": rejection.external_id,
            "key": _key(rejection),
            "field": rejection.error.field[:191],
            "code": rejection.error.code,
            "message": redacted(rejection.error.message)[:500],
            "excerpt": excerpt(rejection.error.field, rejection.error.value),
            "content": "" if rejection.external_id else content_of(rejection.origin),
            **_awaited(() if run.dry_run else rejection.waits_for),
        }
        for rejection in rejections
    ]
    names = rows[0].keys() if rows else ()
    defaults = {n: value for n, value in defaults_of(table).items() if n not in names}
    table.insert_rows(rows, {**defaults, **place})


def _awaited(digests: tuple[str, ...]) -> dict[str, str]:
    return _AWAITED | dict(zip(_AWAITED, digests, strict=False))


def supersede(run: SyncRun, stream: str, rejections: Sequence[Rejection]) -> None:
    """Records that waited have been read again, and rejected anew: that issue waits from now on."""
    ids = [rejection.external_id for rejection in rejections if rejection.external_id]
    if ids:
        rows = open_of(run.feed, stream).filter(Q(waits_for__gt="") | Q(arrived_at__isnull=False))
        rows = rows.filter(external_id__in=ids)
        rows.update(waits_for="", waits_for_key="", retried_in=run.pk)


def resolve(run: SyncRun, stream: str, landed: Iterable[tuple[str, int]]) -> None:
    """Close the open issues of records that are in the database now, by id and position.

    In this run only those of copies that came before: a later one that was rejected stays open.
    """
    places = {external_id: position for external_id, position in sorted(landed) if external_id}
    if not places:
        return
    open_issues = open_of(run.feed, stream).filter(external_id__in=list(places))
    close(run, open_issues.exclude(run=run))
    mine = open_issues.filter(run=run).values_list("pk", "external_id", "position")
    before = [pk for pk, external_id, place in mine if (place or 0) <= places[external_id]]
    if before:
        close(run, SyncIssue.objects.filter(pk__in=before))


def open_of(feed: str, stream: str) -> QuerySet[SyncIssue]:
    """The open issues of a stream."""
    return SyncIssue.objects.filter(feed=feed, stream=stream, state=IssueState.OPEN)


def close(run: SyncRun, rows: QuerySet[SyncIssue]) -> None:
    """The run has settled these."""
    rows.update(state=IssueState.RESOLVED, resolved_by=run, waits_for="", waits_for_key="")


def to_retry(run: SyncRun) -> QuerySet[SyncIssue]:
    """The open issues a retry is about, as its ``retry_choice`` says.

    ``{}`` are all of the run it retries, ``{"code": …, "field": …, "stream": …}`` some of them;
    ``{"issues": [ids]}`` may be of several runs; ``{"arrived": true}`` are those the retry was
    queued for by itself.
    """
    rows = SyncIssue.objects.filter(feed=run.feed, state=IssueState.OPEN)
    choice = dict(run.retry_choice)
    if choice.pop("arrived", False):
        return rows.filter(retried_in=run.pk)
    if "issues" not in choice:
        rows = rows.filter(run=run.retry_of_id)
    return chosen(rows, **choice)


def chosen(
    rows: QuerySet[SyncIssue],
    *,
    issues: Sequence[int] | None = None,
    stream: str | None = None,
    code: str | None = None,
    field: str | None = None,
) -> QuerySet[SyncIssue]:
    """Of the rows, those that fit; None leaves a matter open, "" is a row without a field."""
    if issues is not None:
        rows = rows.filter(pk__in=issues)
    if stream is not None:
        rows = rows.filter(stream=stream)
    if code is not None:
        rows = rows.filter(code=code)
    if field is not None:
        spelled = rows.order_by().values_list("field", flat=True).distinct()
        wanted = numberless(field)
        rows = rows.filter(field__in=[name for name in spelled if numberless(name) == wanted])
    return rows


def numberless(field: str) -> str:
    """A field's path without the numbers of lines: ``lines[].quantity``."""
    return re.sub(r"\[[0-9]*\]", "[]", field)


@dataclass(frozen=True, slots=True)
class IssueGroup:
    """Rows of one stream that were rejected for the same reason in the same field."""

    stream: str
    #: Without the numbers of lines: ``lines[].quantity``.
    field: str
    code: str
    #: How many rows there are, and how many of them have not landed since.
    count: int
    open: int
    #: The first of them, and whether the others have its very message.
    example: SyncIssue
    uniform: bool

    def as_dict(self) -> dict[str, Any]:
        """The group for scripts; ``message`` is that of its example."""
        names = ("stream", "field", "code", "count", "open")
        shown = ("id", "position", "external_id", "key", "field", "excerpt")
        return {
            **{name: getattr(self, name) for name in names},
            "message": self.example.message,
            "example": {name: getattr(self.example, name) for name in shown},
        }

    @property
    def reason(self) -> str:
        """What all have in common: the sentence, or the code where sentences differ."""
        message = self.example.message
        return message if self.uniform else f"{self.code}, for example: {message}"


def issue_groups(run: SyncRun) -> list[IssueGroup]:
    """The run's rejected rows, most frequent first; lines of an order count as one field."""
    rows = (
        run.issues.order_by()
        .values("stream", "field", "code")
        .annotate(
            count=Count("pk"),
            open=Count("pk", filter=Q(state=IssueState.OPEN)),
            first=Min("pk"),
            sentence=Min("message"),
            sentences=Count("message", distinct=True),
        )
    )
    groups: dict[tuple[str, str, str], list[Any]] = {}
    for row in rows:
        key = (row["stream"], numberless(row["field"]), row["code"])
        groups.setdefault(key, []).append(row)
    firsts = {key: min(row["first"] for row in rows) for key, rows in groups.items()}
    examples = SyncIssue.objects.in_bulk(list(firsts.values()))
    found = [
        IssueGroup(
            *key,
            count=sum(row["count"] for row in rows),
            open=sum(row["open"] for row in rows),
            example=examples[firsts[key]],
            uniform=_is_uniform(rows),
        )
        for key, rows in groups.items()
    ]
    return sorted(found, key=lambda group: (-group.count, group.stream, group.field, group.code))


def _is_uniform(rows: Sequence[Any]) -> bool:
    return {(row["sentences"], row["sentence"]) for row in rows} == {(1, rows[0]["sentence"])}


def has_open(feed: str, stream: str, *, before: int | None = None) -> bool:
    """Whether any row of the stream waits to land; looked up once, not for each batch.

    With ``before``, only those that were rejected in runs before that one.
    """
    waiting = open_of(feed, stream)
    return (waiting if before is None else waiting.filter(run__lt=before)).exists()


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
        content=absent.digest,
        message=(
            f"{absent.number} rows are gone from the feed, {absent.ratio:.0%} of all; more than "
            f"{max_ratio:.0%} are not archived unasked. If that is right, run it once with "
            f"--allow-shrink. They are: {names}"
        )[:500],
    )


def is_answer(run: SyncRun, stream: str, absent: Absent) -> bool:
    """Whether the run's consent is to these rows, where any were asked about."""
    asked = _questions(run, stream).filter(run__dry_run=False)
    contents = set(asked.values_list("content", flat=True))
    return not contents or absent.digest in contents


def asking_since(run: SyncRun, stream: str) -> int:
    """The first run that asked what nobody has answered yet, else this one."""
    asked = _questions(run, stream).filter(run__dry_run=False).order_by("run")
    first: int | None = asked.values_list("run", flat=True).first()
    return first or run.pk


def settle_question(run: SyncRun, stream: str) -> None:
    """Whatever was asked about missing rows is answered now."""
    _questions(run, stream).update(state=IssueState.RESOLVED, resolved_by=run)


def _questions(run: SyncRun, stream: str) -> QuerySet[SyncIssue]:
    return open_of(run.feed, stream).filter(code=NEEDS_ATTENTION)


def _key(rejection: Rejection) -> str:
    key = rejection.key
    return key[:191] if key.isprintable() and "@" not in key else ""
