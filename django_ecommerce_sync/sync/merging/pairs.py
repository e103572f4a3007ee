"""What can be done with a candidate: look at it, merge it, or let a rule merge the sure ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db import models

from ...exceptions import MergeRefused
from ...models import CandidateState, Merge, MergeCandidate
from . import relations
from .candidates import model_of
from .fields import Choices, FieldMerge, merged_fields
from .links import links_of
from .merges import merge
from .transactions import present

#: Candidates read at a time.
_CHUNK = 200


def both(candidate: MergeCandidate) -> tuple[models.Model, models.Model]:
    """The rows of a candidate; raises ``MergeRefused`` if one is not there any more."""
    model = model_of(candidate.model)
    found = model._base_manager.in_bulk([candidate.first_id, candidate.second_id])
    return (
        present(model, found, candidate.first_id),
        present(model, found, candidate.second_id),
    )


def rows_of(candidates: Iterable[MergeCandidate]) -> dict[tuple[str, int], models.Model]:
    """The rows of many candidates by model and primary key, in one query for each model."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for candidate in candidates:
        wanted[candidate.model] |= {candidate.first_id, candidate.second_id}
    return {
        (label, pk): row
        for label, pks in wanted.items()
        for pk, row in model_of(label)._base_manager.in_bulk(sorted(pks)).items()
    }


def ordered(
    candidate: MergeCandidate, survivor: int | None = None
) -> tuple[models.Model, models.Model]:
    """The rows of a candidate, the one that survives first.

    That is ``survivor`` (a primary key), or else the row that more orders and feeds know, or
    else the older one.
    """
    first, second = both(candidate)
    if survivor is None:
        survivor = max((first, second), key=lambda row: (_known_by(row), -row.pk)).pk
    if survivor not in (first.pk, second.pk):
        message = f"Row {survivor} is neither {first.pk} nor {second.pk}."
        raise MergeRefused("unknown_survivor", message)
    return (first, second) if survivor == first.pk else (second, first)


def _known_by(row: models.Model) -> int:
    return relations.number_of_pointing_rows(row) + links_of(row).count()


def preview(
    candidate: MergeCandidate, survivor: int | None = None, choices: Choices | None = None
) -> list[FieldMerge]:
    """Field by field what merging the candidate would make of its rows; see ``merge_candidate``."""
    ours, theirs = ordered(candidate, survivor)
    return merged_fields(ours, theirs, choices or {})


def merge_candidate(
    candidate: MergeCandidate,
    *,
    survivor: int | None = None,
    choices: Choices | None = None,
    by: Any = None,
) -> Merge:
    """Merge the two rows of a candidate, into the one that ``ordered`` puts first."""
    if candidate.state == CandidateState.MERGED:
        raise MergeRefused("decided", f"Pair {candidate.pk} is merged already.")
    ours, theirs = ordered(candidate, survivor)
    record = merge(ours, theirs, choices=choices, by=by)
    candidate.refresh_from_db()
    return record


class Outcome(NamedTuple):
    """What became of a candidate that a rule was to merge: ``merge`` is None in a dry run."""

    candidate: MergeCandidate
    survivor_id: int | None
    merge: Merge | None = None
    refusal: str = ""


def merge_all(
    score: int, *, model: type[models.Model] | None = None, dry_run: bool = False, by: Any = None
) -> Iterator[Outcome]:
    """Merge every open candidate that scores as much or more, the surest first.

    A pair whose row has gone into another one by then is passed over; what is left of it is
    found by the next search. A dry run merges nothing and says the same.
    """
    gone: set[tuple[str, int]] = set()
    for candidate in _open_candidates(score, model):
        if {(candidate.model, candidate.first_id), (candidate.model, candidate.second_id)} & gone:
            continue
        try:
            ours, theirs = ordered(candidate)
            made = None if dry_run else merge(ours, theirs, by=by)
        except MergeRefused as refusal:
            yield Outcome(candidate, None, refusal=refusal.message)
        else:
            gone.add((candidate.model, theirs.pk))
            yield Outcome(candidate, ours.pk, made)


def _open_candidates(score: int, model: type[models.Model] | None) -> Iterator[MergeCandidate]:
    found = MergeCandidate.objects.filter(state=CandidateState.OPEN, score__gte=score)
    if model is not None:
        found = found.filter(model=model._meta.label_lower)
    pks = list(found.order_by("-score", "pk").values_list("pk", flat=True))
    for start in range(0, len(pks), _CHUNK):
        yield from MergeCandidate.objects.filter(pk__in=pks[start : start + _CHUNK]).order_by(
            "-score", "pk"
        )
