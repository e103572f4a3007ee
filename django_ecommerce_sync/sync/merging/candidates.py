"""Likely duplicates: found, kept, put forward and dismissed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.utils import timezone

from ...exceptions import MergeRefused
from ...models import CandidateState, Customer, MergeCandidate, Product
from .blocks import Blocks, SkippedBlocks
from .customers import CustomerRules
from .likeness import Likeness, Reason, Rules
from .products import ProductRules

#: The models whose rows can be merged, under the names the doors give them.
MERGEABLE: dict[str, type[models.Model]] = {"customers": Customer, "products": Product}
#: Pairs that are less alike are not worth anybody's time.
LEAST_SCORE = 70
#: Rows from which on a block says nothing: ten thousand products called "Gift card".
LARGEST_BLOCK = 100
#: Rows read, and pairs compared, at a time.
_ROWS, _PAIRS = 5000, 400
#: How often a pair is looked up again that another search has just written.
_ATTEMPTS = 3

_RULES: dict[type[models.Model], Rules[Any]] = {Customer: CustomerRules(), Product: ProductRules()}
Found = tuple[int, int, Likeness]


@dataclass(slots=True)
class Search:
    """What a search for duplicates of one model came to.

    ``found`` are all pairs that are open now, ``new`` those among them nobody had seen before,
    ``dropped`` those that were open and are alike no more.
    """

    model: type[models.Model]
    rows: int = 0
    compared: int = 0
    found: int = 0
    new: int = 0
    dropped: int = 0
    skipped_blocks: list[SkippedBlocks] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The search for scripts."""
        names = ("rows", "compared", "found", "new", "dropped", "seconds")
        return {
            "model": name_of(self.model),
            **{name: getattr(self, name) for name in names},
            "skipped_blocks": [skipped.as_dict() for skipped in self.skipped_blocks],
        }


def name_of(model: type[models.Model]) -> str:
    """``customers`` or ``products``; raises ``MergeRefused`` for what cannot be merged."""
    for name, known in MERGEABLE.items():
        if known is model:
            return name
    known_names = " and ".join(MERGEABLE)
    raise MergeRefused(
        "not_mergeable", f"Only {known_names} can be merged, no {model._meta.verbose_name_plural}."
    )


def model_of(label: str) -> type[models.Model]:
    """The model of a candidate's or a merge's ``model``."""
    return next(model for model in MERGEABLE.values() if model._meta.label_lower == label)


def find(
    model: type[models.Model], *, least: int = LEAST_SCORE, largest: int = LARGEST_BLOCK
) -> Search:
    """Look for duplicates among all rows of a model, and keep those found as candidates.

    Dismissed pairs stay dismissed; open ones that are alike no more are dropped. It reads the
    table once, in constant memory, and compares only rows that share a key: see ``blocks``.
    """
    name_of(model)
    rules, search, began = _RULES[model], Search(model), timezone.now()
    with Blocks(largest) as blocks:
        for chunk in _chunks(model, ("pk", *rules.key_columns)):
            search.rows += len(chunk)
            blocks.add((rule, key, row[0]) for row in chunk for rule, key in rules.keys(row[1:]))
        blocks.sort()
        search.skipped_blocks = blocks.skipped()
        pending = blocks.pairs()
        while pairs := list(islice(pending, _PAIRS)):
            search.compared += len(pairs)
            alike = [pair for pair in _compared(rules, pairs) if pair[2].score >= least]
            _keep(search, alike, began)
    # Those that score less were put side by side by somebody, who has yet to decide.
    gone = MergeCandidate.objects.filter(
        model=model._meta.label_lower,
        state=CandidateState.OPEN,
        found_at__lt=began,
        score__gte=least,
    )
    search.dropped, _ = gone.delete()
    search.seconds = round((timezone.now() - began).total_seconds(), 3)
    return search


def propose(first: models.Model, second: models.Model) -> MergeCandidate:
    """The pair of two rows somebody has put side by side, whatever the rules say of them."""
    rules = _RULES.get(type(first))
    if rules is None or type(second) is not type(first):
        name_of(type(first))
        raise MergeRefused("different_models", "Only rows of one model can be merged.")
    if first.pk == second.pk:
        raise MergeRefused("same_row", "A row cannot be merged with itself.")
    pair = min(first.pk, second.pk), max(first.pk, second.pk)
    alike = next(_compared(rules, [pair]), None)
    if alike is None:
        raise MergeRefused("gone", "One of the two rows is not there any more.")
    score, reasons = alike[2]
    proposed = Reason(0, "proposed", "Somebody has put them side by side.")
    candidate, _new = MergeCandidate.objects.get_or_create(
        model=type(first)._meta.label_lower,
        first_id=pair[0],
        second_id=pair[1],
        defaults={
            "score": score,
            "reasons": [reason.as_dict() for reason in (*reasons, proposed)],
            "found_at": timezone.now(),
        },
    )
    return candidate


def dismiss(candidate: MergeCandidate, *, by: Any = None) -> None:
    """Say that the two rows are two things: the pair is not found again."""
    done = MergeCandidate.objects.filter(pk=candidate.pk, state=CandidateState.OPEN).update(
        state=CandidateState.DISMISSED, decided_by=by, decided_at=timezone.now()
    )
    if not done:
        raise MergeRefused("decided", f"Pair {candidate.pk} is not open any more.")
    candidate.refresh_from_db()


def _chunks(
    model: type[models.Model], columns: tuple[str, ...]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """All rows, in the order of their primary keys; no driver then keeps the whole result."""
    rows = model._base_manager.order_by("pk").values_list(*columns)
    last = -1
    while chunk := list(rows.filter(pk__gt=last)[:_ROWS]):
        yield chunk
        last = chunk[-1][0]


def _compared(rules: Rules[Any], pairs: Sequence[tuple[int, int]]) -> Iterator[Found]:
    """Each pair with its likeness; pairs of rows that are gone are left out."""
    wanted = sorted({pk for pair in pairs for pk in pair})
    rows = rules.model._base_manager.filter(pk__in=wanted).values("pk", *rules.columns)
    profiles = {row["pk"]: rules.profile(row) for row in rows}
    for first, second in pairs:
        if first in profiles and second in profiles:
            yield first, second, rules.compare(profiles[first], profiles[second])


def _keep(search: Search, pairs: Sequence[Found], began: datetime) -> None:
    """Write the pairs as candidates; once more if another search was faster with one of them."""
    alias = router.db_for_write(MergeCandidate)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic(using=alias):
                found, new = _write(search.model._meta.label_lower, pairs, began)
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
        else:
            search.found += found
            search.new += new
            return


def _write(label: str, pairs: Sequence[Found], began: datetime) -> tuple[int, int]:
    """Add new pairs and renew those that are open; how many are open, and how many are new."""
    known = _known(label, pairs)
    fresh, still_open = [], []
    for first, second, (score, reasons) in pairs:
        values = {"score": score, "reasons": [reason.as_dict() for reason in reasons]}
        candidate = known.get((first, second))
        if candidate is None:
            fresh.append(
                MergeCandidate(
                    model=label, first_id=first, second_id=second, found_at=began, **values
                )
            )
        elif candidate.state == CandidateState.OPEN:
            still_open.append(candidate.pk)
            if any(getattr(candidate, name) != value for name, value in values.items()):
                MergeCandidate.objects.filter(pk=candidate.pk).update(**values)
    MergeCandidate.objects.bulk_create(fresh)
    MergeCandidate.objects.filter(pk__in=still_open).update(found_at=began)
    return len(fresh) + len(still_open), len(fresh)


def _known(label: str, pairs: Iterable[Found]) -> dict[tuple[int, int], MergeCandidate]:
    firsts = sorted({first for first, _second, _likeness in pairs})
    known = MergeCandidate.objects.filter(model=label, first_id__in=firsts)
    return {(candidate.first_id, candidate.second_id): candidate for candidate in known}
