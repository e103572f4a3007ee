"""Keeping the plan of a dry run, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connections, router

from ...conf import settings
from ...models import PlannedAction, PlannedChange, SyncIssue, SyncRun
from ..absence import Absence
from ..changes import Changes
from ..issues import NEEDS_ATTENTION
from ..landing import Landing
from ..report import Report, add_actions
from ..table import Row, Table
from .decisions import Decision, Decisions


class Planner(Landing):
    """Stores what it hands on; a plan's rejected records are those of its run."""

    def __init__(self, landing: Landing, decisions: Decisions, run: SyncRun) -> None:
        self.landing = landing
        self.decisions = decisions
        self.run = run
        alias = router.db_for_write(PlannedChange)
        self.table = Table(PlannedChange, connections[alias])
        self.stored = PlannedChange.objects.using(alias).filter(run=run, stream=decisions.stream)

    def apply(self, changes: Changes) -> Report:
        """Store a batch's decisions, then let them land."""
        planned = [*self.decisions.of(changes), *self.decisions.skipped(changes)]
        overtaken = self._forget_skipped(changes)
        report = self.landing.apply(changes)
        self._store(planned)
        report.planned = Counter(decision.action for decision in planned)
        report.planned[PlannedAction.SKIP.value] -= overtaken
        return report

    def archive(self, absence: Absence, rows: Mapping[Any, str]) -> Report:
        """Store that rows would be archived."""
        planned = list(self.decisions.archived(rows))
        report = self.landing.archive(absence, rows)
        self._store(planned)
        report.planned = Counter(decision.action for decision in planned)
        return report

    def note(self, absence: Absence, links: Collection[int]) -> None:
        """Hand on what is missing: it is in no plan."""
        self.landing.note(absence, links)

    def end(self, run: SyncRun) -> None:
        """Store what was rejected, now that no later part of the stream can mend it."""
        self.landing.end(run)
        planned: Counter[str] = Counter()
        last = 0
        issues = run.issues.filter(stream=self.decisions.stream).exclude(code=NEEDS_ATTENTION)
        while found := list(issues.filter(pk__gt=last).order_by("pk")[: settings.BATCH_SIZE]):
            last = found[-1].pk
            rejected = [self._rejected(issue) for issue in found]
            self._store(rejected)
            planned.update(decision.action for decision in rejected)
        run.plan_counts = add_actions(run.plan_counts, self.decisions.stream, planned)

    def _rejected(self, issue: SyncIssue) -> Decision:
        is_conflict = issue.code == "identity_conflict"
        action = PlannedAction.CONFLICT if is_conflict else PlannedAction.REJECT
        return Decision(
            action=action.value,
            identity=self.decisions.identity(issue.external_id, issue.position),
            digest=self.decisions.seal(action, issue.code),
            position=issue.position,
            external_id=self.decisions.shown_id(issue.external_id),
            key=issue.key,
            reason=issue.code,
        )

    def _forget_skipped(self, changes: Changes) -> int:
        """Drop the skipped copies of records of which a newer one has come."""
        landed = (*changes.create, *changes.update, *changes.relink, *changes.seen)
        identities = [
            self.decisions.identity(item.external_id, item.position)
            for item in landed
            if item.earlier == "skipped" and not item.is_stale
        ]
        if not identities:
            return 0
        skipped = self.stored.filter(identity__in=identities, action=PlannedAction.SKIP)
        return delete(skipped)

    def _store(self, planned: Sequence[Decision]) -> None:
        constants: Row = {
            "run_id": self.run.pk,
            "stream": self.decisions.stream,
            "model": self.decisions.target.label,
        }
        self.table.insert_rows([decision.as_row() for decision in planned], constants)


def forget(run: SyncRun) -> None:
    """Drop all that is stored of a run's plan."""
    delete(PlannedChange.objects.filter(run=run))


def delete(planned: Any) -> int:
    """Delete planned changes at once: nobody listens for them, nothing refers to them."""
    return int(planned._raw_delete(planned.db))
