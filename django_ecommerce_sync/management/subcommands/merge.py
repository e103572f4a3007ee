"""``merge``: find likely duplicates, look at them, merge them, and take a merge back."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db import models
from django.utils.timezone import localtime

from ...models import CandidateState, Merge, MergeCandidate
from ...sync import merging
from ...sync.merging import FieldMerge, MergeRefused, Outcome, Search
from . import arguments
from .base import Options, Subcommand, usage_error
from .console import Cell, Console, printable
from .outcomes import FAILED, OK


class MergeDuplicates(Subcommand):
    name = "merge"
    help = "Find likely duplicates among customers and products, and merge them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "pair",
            metavar="PAIR",
            nargs="?",
            type=arguments.positive,
            help="The number of a pair: what a merge would make of it. Without: list open pairs.",
        )
        _add_actions(parser)
        parser.add_argument(
            "--only", choices=tuple(merging.MERGEABLE), help="With --find, --auto and lists."
        )
        parser.add_argument(
            "--limit", type=arguments.positive, metavar="N", default=20, help="20 by default."
        )
        parser.add_argument(
            "--into",
            metavar="ROW",
            type=arguments.positive,
            help="The row that survives; by default the one that more orders and feeds know.",
        )
        parser.add_argument(
            "--take",
            metavar="FIELD=SIDE",
            type=choice,
            nargs="+",
            action="extend",
            default=[],
            help="Take a field from 'survivor' or 'other', whatever the other side has.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="With --apply and --auto: merge nothing."
        )

    def handle(self, console: Console, options: Options) -> int:
        model = merging.MERGEABLE[options["only"]] if options["only"] else None
        if options["pair"] is None and (options["apply"] or options["dismiss"]):
            raise usage_error("Which pair? Write its number after 'merge'.")
        try:
            return self._do(console, options, model)
        except MergeRefused as refused:
            raise CommandError(refused.message) from refused

    def _do(self, console: Console, options: Options, model: type[models.Model] | None) -> int:
        if options["find"]:
            return search(console, options, [model] if model else merging.MERGEABLE.values())
        if options["auto"] is not None:
            return merge_sure(console, options, model)
        if options["undo"] is not None:
            return undo(console, options)
        if options["log"]:
            return list_merges(console, options, model)
        if options["pair"] is None:
            return list_candidates(console, options, model)
        return handle_pair(console, options, find_candidate(options["pair"]))


def _add_actions(parser: ArgumentParser) -> None:
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--find", action="store_true", help="Search all rows, and count.")
    actions.add_argument("--apply", action="store_true", help="Merge the pair.")
    actions.add_argument(
        "--dismiss", action="store_true", help="They are two things: never find the pair again."
    )
    actions.add_argument(
        "--auto", metavar="SCORE", type=score, help="Merge every open pair that scores as much."
    )
    actions.add_argument(
        "--undo", metavar="MERGE", type=arguments.positive, help="Take a merge back."
    )
    actions.add_argument("--log", action="store_true", help="List the latest merges.")


def score(text: str) -> int:
    """A whole number from 1 to 100."""
    number = arguments.positive(text)
    if number > 100:
        raise ArgumentTypeError(f"'{text}' is no score: that is a whole number from 1 to 100.")
    return number


def choice(text: str) -> tuple[str, str]:
    """``phone=other`` as a pair."""
    field, equals, side = text.partition("=")
    if not (field and equals and side):
        raise ArgumentTypeError(f"'{text}' is no choice; write for example phone=other.")
    return field, side


def find_candidate(number: int) -> MergeCandidate:
    """The pair of that number."""
    candidate = MergeCandidate.objects.filter(pk=number).first()
    if candidate is None:
        raise usage_error(f"There is no pair {number}; 'merge' lists those that are open.")
    return candidate


# -- searching -------------------------------------------------------------------------------


def search(console: Console, options: Options, wanted: Iterable[type[models.Model]]) -> int:
    """Look through all rows of these models."""
    searches = [merging.find(model) for model in wanted]
    if options["format"] == "json":
        console.document([found.as_dict() for found in searches])
        return OK
    for found in searches:
        console.line(told(found))
        for skipped in found.skipped_blocks:
            console.line(console.style.WARNING(f"  skipped, too many rows are alike: {skipped}"))
    return OK


def told(found: Search) -> str:
    """A search in a line."""
    name = merging.name_of(found.model)
    return (
        f"{name}: {found.found} likely duplicates among {found.rows} rows, {found.new} of them "
        f"new, {found.dropped} dropped  {found.seconds} s"
    )


# -- looking ---------------------------------------------------------------------------------


def list_candidates(console: Console, options: Options, model: type[models.Model] | None) -> int:
    """The open pairs, the surest first."""
    found = MergeCandidate.objects.filter(state=CandidateState.OPEN)
    if model is not None:
        found = found.filter(model=model._meta.label_lower)
    pairs = found.order_by("-score", "pk")[: options["limit"]]
    if options["format"] == "json":
        console.document([described(pair) for pair in pairs])
    else:
        header = ["pair", "score", "of", "rows", "why"]
        console.table(header, [row(pair) for pair in pairs])
    return OK


def described(candidate: MergeCandidate) -> dict[str, Any]:
    """A pair for scripts."""
    names = ("first_id", "second_id", "score", "state", "reasons", "found_at")
    return {
        "pair": candidate.pk,
        "model": _name(candidate.model),
        **{name: getattr(candidate, name) for name in names},
        "merge": candidate.merge_id,
    }


def row(candidate: MergeCandidate) -> list[Cell]:
    """A pair as a line of the list."""
    why = candidate.reasons[0]["sentence"] if candidate.reasons else ""
    more = f" (+{len(candidate.reasons) - 1})" if len(candidate.reasons) > 1 else ""
    rows = f"{candidate.first_id} {candidate.second_id}"
    return [candidate.pk, candidate.score, _name(candidate.model), rows, why + more]


def _name(label: str) -> str:
    return merging.name_of(merging.model_of(label))


def handle_pair(console: Console, options: Options, candidate: MergeCandidate) -> int:
    """Show one pair, merge it or dismiss it."""
    wish: dict[str, Any] = {"survivor": options["into"], "choices": dict(options["take"])}
    if options["dismiss"]:
        merging.dismiss(candidate)
        return _said(console, options, described(candidate), f"Pair {candidate.pk} is dismissed.")
    if options["apply"] and not options["dry_run"]:
        return said_merge(console, options, merging.merge_candidate(candidate, **wish))
    survivor, other = merging.ordered(candidate, options["into"])
    fields = merging.preview(candidate, **wish)
    if options["format"] == "json":
        shown = {"survivor_id": survivor.pk, "other_id": other.pk, "fields": listed(fields)}
        console.document({**described(candidate), **shown})
        return OK
    console.line(printable(f"{_name(candidate.model)}: {other.pk} into {survivor.pk}"))
    for reason in candidate.reasons:
        console.line(f"  {reason['sentence']}")
    header = ["field", f"survivor {survivor.pk}", f"other {other.pk}", "merged"]
    differing = [field for field in fields if field.differs]
    console.table(
        header, [[f.name, *map(_cell, (f.survivor, f.other, f.merged))] for f in differing]
    )
    return OK


def listed(fields: Iterable[FieldMerge]) -> list[dict[str, Any]]:
    """The fields that differ, for scripts."""
    names = ("name", "survivor", "other", "merged", "side")
    return [
        {**{name: getattr(field, name) for name in names}, "conflict": field.is_conflict}
        for field in fields
        if field.differs
    ]


def _cell(value: Any) -> str:
    return "" if value in (None, {}, []) else str(value)


# -- merging ---------------------------------------------------------------------------------


def merge_sure(console: Console, options: Options, model: type[models.Model] | None) -> int:
    """Merge what a rule may merge, told one by one; what was refused makes it fail."""
    outcomes = []
    for outcome in merging.merge_all(options["auto"], model=model, dry_run=options["dry_run"]):
        outcomes.append(outcome)
        if options["format"] == "text":
            console.line(told_outcome(outcome))
    if options["format"] == "json":
        console.document([outcome_of(outcome) for outcome in outcomes])
    elif options["dry_run"]:
        console.note("Dry run: nothing was merged.")
    return FAILED if any(outcome.refusal for outcome in outcomes) else OK


def told_outcome(outcome: Outcome) -> str:
    """What became of a pair, in a line."""
    candidate = outcome.candidate
    head = f"pair {candidate.pk}  {candidate.score}  {_name(candidate.model)}"
    if outcome.refusal:
        return f"{head}  refused: {outcome.refusal}"
    made = f"  merge {outcome.merge.pk}" if outcome.merge else ""
    return f"{head}  {_other(outcome)} into {outcome.survivor_id}{made}"


def _other(outcome: Outcome) -> int:
    pair = outcome.candidate.first_id, outcome.candidate.second_id
    return pair[1] if outcome.survivor_id == pair[0] else pair[0]


def outcome_of(outcome: Outcome) -> dict[str, Any]:
    """The same for scripts."""
    candidate = outcome.candidate
    return {
        "pair": candidate.pk,
        "model": _name(candidate.model),
        "score": candidate.score,
        "survivor_id": outcome.survivor_id,
        "other_id": None if outcome.refusal else _other(outcome),
        "merge": outcome.merge.pk if outcome.merge else None,
        "error": outcome.refusal or None,
    }


def said_merge(console: Console, options: Options, record: Merge) -> int:
    """A merge that was just made."""
    return _said(
        console,
        options,
        logged(record),
        f"Merge {record.pk}: {_name(record.model)} {record.other_id} into {record.survivor_id}. "
        f"Take it back with 'merge --undo {record.pk}'.",
    )


def undo(console: Console, options: Options) -> int:
    """Take a merge back."""
    record = Merge.objects.filter(pk=options["undo"]).first()
    if record is None:
        raise usage_error(f"There is no merge {options['undo']}; 'merge --log' lists them.")
    merging.undo(record)
    text = f"Merge {record.pk} is undone: {_name(record.model)} {record.other_id} is back."
    return _said(console, options, logged(record), text)


def list_merges(console: Console, options: Options, model: type[models.Model] | None) -> int:
    """The latest merges."""
    found = Merge.objects.select_related("merged_by", "undone_by").order_by("-pk")
    if model is not None:
        found = found.filter(model=model._meta.label_lower)
    records = found[: options["limit"]]
    if options["format"] == "json":
        console.document([logged(record) for record in records])
    else:
        header = ["merge", "of", "row", "into", "when", "by", "undone"]
        console.table(header, [log_row(record) for record in records])
    return OK


def logged(record: Merge) -> dict[str, Any]:
    """A merge for scripts."""
    names = ("survivor_id", "other_id", "merged_at", "undone_at", "can_be_undone")
    people = {name: getattr(record, name) for name in ("merged_by", "undone_by")}
    return {
        "merge": record.pk,
        "model": _name(record.model),
        **{name: getattr(record, name) for name in names},
        **{name: str(person) if person else None for name, person in people.items()},
    }


def log_row(record: Merge) -> list[Cell]:
    """A merge as a line of the list."""
    moments = (record.merged_at, record.undone_at)
    when, undone = (f"{localtime(at):%Y-%m-%d %H:%M}" if at else None for at in moments)
    by = str(record.merged_by) if record.merged_by else None
    if record.expired_at:
        undone = "no longer possible"
    return [record.pk, _name(record.model), record.other_id, record.survivor_id, when, by, undone]


def _said(console: Console, options: Options, document: Any, text: str) -> int:
    if options["format"] == "json":
        console.document(document)
    else:
        console.line(text)
    return OK
