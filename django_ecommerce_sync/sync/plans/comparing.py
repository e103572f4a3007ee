"""Carrying out a plan: what is decided now must be what was planned, or nothing is written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connections, router

from ...exceptions import PlanRefused
from ...models import PlannedAction, PlannedChange, SyncLink, SyncRun
from ..absence import Absence
from ..changes import Changes
from ..landing import Landing
from ..ledger import Ledger
from ..report import Report
from ..table import Table
from .decisions import Created, Decision, Decisions
from .words import differing

#: What a plan writes.
_WRITING = (PlannedAction.CREATE.value, PlannedAction.UPDATE.value, PlannedAction.ARCHIVE.value)


class Comparison(Landing):
    """Lets land only what is in the plan, and in the end all of it; else raises ``PlanRefused``."""

    def __init__(
        self, landing: Landing, decisions: Decisions, run: SyncRun, ledger: Ledger | None
    ) -> None:
        """``ledger`` is that of a rehearsal, in which nothing is written."""
        self.landing = landing
        self.decisions = decisions
        self.run = run
        self.ledger = ledger
        self.plan: Any = run.plan_id
        self.target = decisions.target
        alias = router.db_for_write(PlannedChange)
        self.table = Table(PlannedChange, connections[alias])
        self.planned = PlannedChange.objects.using(alias).filter(
            run=self.plan, stream=decisions.stream
        )

    def apply(self, changes: Changes) -> Report:
        """Compare a batch's decisions with the plan, then let them land."""
        for rejection in changes.rejections:
            if rejection.error.code == "db_rejected":
                name = rejection.key or self.decisions.shown_id(rejection.external_id)
                raise self._outdated(name, rejection.position, "the database refuses it now")
        decided = list(self.decisions.of(changes, self._created(changes)))
        self._compare(decided)
        expected = len(changes.rejections)
        report = self.landing.apply(changes)
        for rejection in changes.rejections[expected:]:  # the model's own save() may refuse a row
            name = rejection.key or self.decisions.shown_id(rejection.external_id)
            said = f"its model refuses it ({rejection.error.code})"
            raise self._outdated(name, rejection.position, said)
        report.planned = Counter(decision.action for decision in decided)
        return report

    def archive(self, absence: Absence, rows: Mapping[Any, str]) -> Report:
        """Compare the rows to be archived with the plan, then archive them."""
        decided = list(self.decisions.archived(rows))
        self._compare(decided)
        report = self.landing.archive(absence, rows)
        report.planned = Counter(decision.action for decision in decided)
        return report

    def note(self, absence: Absence, links: Collection[int]) -> None:
        """Hand on what is missing: it is in no plan."""
        self.landing.note(absence, links)

    def end(self, run: SyncRun) -> None:
        """Whether all of the plan has landed, and in a rehearsal as much was rejected."""
        self.landing.end(run)
        stream = self.decisions.stream
        plan = SyncRun.objects.get(pk=self.plan)
        planned, landed = plan.plan_counts.get(stream, {}), run.plan_counts.get(stream, {})
        for action in _WRITING:
            if planned.get(action, 0) != landed.get(action, 0):
                raise self._missing(action, planned.get(action, 0), landed.get(action, 0))
        rejected = [part.counts_of(stream)["rejected"] for part in (plan, run)]
        if self.ledger is not None and rejected[0] != rejected[1]:
            raise outdated(
                self.plan,
                f"of stream '{stream}' it rejects {rejected[0]} records, now it would be "
                f"{rejected[1]}",
            )

    # -- comparing ---------------------------------------------------------------------------

    def _compare(self, decided: list[Decision]) -> None:
        digests = self._digests(decision.identity for decision in decided)
        for decision in decided:
            if decision.digest not in digests[decision.identity]:
                raise self._difference(decision)
        if self.ledger is not None:
            self.ledger.replan(decision.identity for decision in decided)

    def _digests(self, identities: Iterable[str]) -> dict[str, set[str]]:
        """What the plan says of these records; a record that comes twice has two digests."""
        digests: dict[str, set[str]] = defaultdict(set)
        columns = ("identity", "digest")
        wanted = sorted(set(identities))
        for identity, digest in self.table.find(columns, "identity", wanted, run_id=self.plan):
            digests[identity].add(digest)
        return digests

    def _created(self, changes: Changes) -> Created:
        """Of the rows that a batch is about or points to, those this run has created.

        In a rehearsal none is there; imagined rows tell of themselves.
        """
        if self.ledger is not None:
            return ()
        seal = self.decisions.seal
        rows = [
            (seal(stream, external_id), (label, pk))
            for label, stream, external_id, pk in self._new_links(changes)
        ]
        creating = PlannedChange.objects.using(self.planned.db).filter(
            run=self.plan,
            identity__in={identity for identity, _ in rows},
            action=PlannedAction.CREATE,
        )
        known = set(creating.values_list("identity", flat=True)) if rows else set()
        return {row for identity, row in rows if identity in known}

    def _new_links(self, changes: Changes) -> list[tuple[str, str, str, str]]:
        """Links made by this run to rows of the batch: model, stream, external id, key."""
        rows = defaultdict(set)
        for item in (*changes.create, *changes.update):
            for label, pk in self.decisions.related(item):
                rows[label].add(str(pk))
        columns = ("model", "stream", "external_id", "object_id")
        links = SyncLink.objects.using(self.target.connection.alias).filter(
            feed=self.run.feed, first_run=self.run.pk
        )
        return [
            link
            for label, pks in rows.items()
            for link in links.filter(model=label, object_id__in=pks).values_list(*columns)
        ]

    # -- what is wrong -----------------------------------------------------------------------

    def _difference(self, decision: Decision) -> PlanRefused:
        """How a decision differs from what the plan says of its record."""
        name = decision.key or decision.external_id
        found = self.planned.filter(identity=decision.identity, action__in=_WRITING)
        planned = found.filter(action=decision.action).first() or found.first()
        if planned is None:
            return self._outdated(
                name, decision.position, f"it has nothing to {decision.action} there, now there is"
            )
        if planned.action != decision.action:
            said = f"it says {planned.action}, now it would be {decision.action}"
            return self._outdated(name, decision.position, said)
        if planned.object_id != decision.object_id:
            rows = f"row {planned.object_id or 'of its own'}, now row {decision.object_id or 'new'}"
            return self._outdated(name, decision.position, f"it was {rows}")
        if decision.action == PlannedAction.ARCHIVE:
            return self._outdated(name, decision.position, "the row was changed since")
        return self._outdated(name, decision.position, differing(planned.changes, decision.changes))

    def _missing(self, action: str, planned: int, landed: int) -> PlanRefused:
        example = self._not_met(action)
        if example is not None:
            name = example.key or example.external_id
            said = f"it says {action}, now there is nothing to {action}"
            return self._outdated(name, example.position, said)
        return outdated(
            self.plan,
            f"of stream '{self.decisions.stream}' it has {planned} rows to {action}, "
            f"now there are {landed}",
        )

    def _not_met(self, action: str) -> PlannedChange | None:
        if self.ledger is None:
            return None
        rows = self.planned.filter(action=action).order_by("pk").iterator(chunk_size=1000)
        return next((row for row in rows if not self.ledger.has_replanned(row.identity)), None)

    def _outdated(self, name: str, position: int | None, what: str) -> PlanRefused:
        record = f"'{name}'" if name else f"record {position}"
        return outdated(self.plan, f"for {record} of stream '{self.decisions.stream}' {what}")


def outdated(plan: Any, what: str) -> PlanRefused:
    """The feed or the rows are not what they were when the plan was made."""
    return PlanRefused(
        "plan_outdated",
        f"The plan of run {plan} is out of date: {what}. Make a new plan.",
    )
