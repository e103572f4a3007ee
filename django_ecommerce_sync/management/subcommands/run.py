"""``run`` and ``retry``: start runs and see them through."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence

from django.core.management.base import CommandError

from ...conf import settings
from ...exceptions import (
    AlreadyRunning,
    ConfigurationError,
    FeedNotFound,
    PlanRefused,
    RetryRefused,
)
from ...feeds import FeedSource, get_feed
from ...models import RunStatus, SyncRun
from ...sync import apply_plan, dispatch, execute, request_run, retry
from . import arguments
from .base import Options, Subcommand, await_threads, find_run, usage_error
from .console import Console
from .outcomes import OK, RUNNING, exit_code, tell, worst
from .progress import Bars

#: What a run is asked for, beside its streams.
_WISHES = ("full", "since", "limit", "allow_shrink")


class Run(Subcommand):
    name = "run"
    help = "Sync feeds, all of them if none is named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("feed", metavar="FEED", nargs="*", help="Aliases of feeds.")
        parser.add_argument(
            "--only",
            metavar="STREAM",
            nargs="+",
            action="extend",
            default=[],
            help="Sync these streams only (separated by blanks or commas).",
        )
        dry = parser.add_mutually_exclusive_group()
        dry.add_argument("--dry-run", action="store_true", help="Count, but write nothing.")
        dry.add_argument(
            "--plan",
            action="store_true",
            help="A dry run whose plan is kept: 'show RUN --plan' lists it, '--apply RUN' does it.",
        )
        dry.add_argument(
            "--apply",
            type=arguments.positive,
            metavar="RUN",
            help="Do exactly what the plan of that run says, or nothing if that cannot be.",
        )
        window = parser.add_mutually_exclusive_group()
        window.add_argument(
            "--since",
            type=arguments.since,
            metavar="T",
            help="Ask for what changed since a date, a time, or a span ago (2d, 6h).",
        )
        window.add_argument("--full", action="store_true", help="Read everything.")
        parser.add_argument(
            "--limit", type=arguments.positive, metavar="N", help="Read N rows of each stream."
        )
        parser.add_argument(
            "--allow-shrink",
            action="store_true",
            help="Believe a feed that has far fewer rows than the last time.",
        )
        arguments.add_execution(parser)

    def handle(self, console: Console, options: Options) -> int:
        if options["apply"]:
            return self._apply(console, options)
        wanted = {name: options[name] for name in (*_WISHES, "dry_run", "plan")}
        chosen = selected(options["feed"], split(options["only"]))
        requested = (request_run(feed, streams=streams, **wanted) for feed, streams in chosen)
        return carry_out(console, requested, options)

    def _apply(self, console: Console, options: Options) -> int:
        """A plan knows its feed and its wishes; nothing can be added to them."""
        if added := [name for name in ("feed", "only", *_WISHES) if options[name]]:
            name = "a FEED" if added[0] == "feed" else f"--{added[0].replace('_', '-')}"
            raise usage_error(f"--apply does what the plan says; {name} cannot be given beside it.")
        plan = find_run(options["apply"])
        try:
            requested = apply_plan(plan)
        except PlanRefused as refusal:
            raise CommandError(refusal.message) from refusal
        except AlreadyRunning as error:
            active = find_run(error.run_id)
            console.note(busy(active))
            if options["format"] == "json":
                console.document([active.as_dict()])
            return OK if options["fail_on"] == "never" else RUNNING
        return carry_out(console, [requested], options)


class Retry(Subcommand):
    name = "retry"
    help = "Read a run's feed again and apply only the rows it rejected, or some of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_run(parser)
        parser.add_argument(
            "--issue",
            type=arguments.positive,
            metavar="ID",
            nargs="+",
            action="extend",
            help="Only these rows, by the id that issues --format json tells.",
        )
        parser.add_argument("--stream", metavar="STREAM", help="Only rows of this stream.")
        parser.add_argument("--code", metavar="CODE", help="Only rows rejected with this code.")
        parser.add_argument(
            "--field",
            metavar="FIELD",
            help="Only rows rejected for this field; lines[].quantity is that of any line.",
        )
        arguments.add_execution(parser)

    def handle(self, console: Console, options: Options) -> int:
        run = find_run(options["run"])
        choice = {name: options[name] for name in ("stream", "code", "field")}
        try:
            requested = retry(run, issues=options["issue"], **choice)
        except RetryRefused as error:
            raise usage_error(str(error)) from error
        return carry_out(console, [requested], options)


def selected(aliases: Sequence[str], only: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each feed to run with the streams to read; every name is looked up before anything starts.

    Feeds that were not asked for by name are left out where they have none of the streams.
    """
    if not settings.FEEDS:
        raise usage_error("No feed is configured; add one to ECOMMERCE_SYNC['FEEDS'].")
    feeds = [configured(alias) for alias in aliases or settings.FEEDS]
    if aliases:
        return [(feed.alias, known_streams(feed, only)) for feed in feeds]
    having = [(feed.alias, [name for name in only if has(feed, name)]) for feed in feeds]
    chosen = [(alias, streams) for alias, streams in having if streams or not only]
    if unknown := [name for name in only if not any(name in streams for _, streams in chosen)]:
        raise usage_error(f"No feed has a stream '{unknown[0]}'.")
    return chosen


def configured(alias: str) -> FeedSource:
    """The feed of that alias."""
    try:
        return get_feed(alias)
    except FeedNotFound as error:
        raise usage_error(str(error)) from error
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def known_streams(feed: FeedSource, names: Sequence[str]) -> list[str]:
    """The same names, once it is sure that the feed has such streams."""
    try:
        return [feed.stream(name).name for name in names]
    except ConfigurationError as error:
        raise usage_error(str(error)) from error


def has(feed: FeedSource, name: str) -> bool:
    """Whether the feed has a stream of that name."""
    return any(stream.name == name for stream in feed.streams)


def split(values: Sequence[str]) -> list[str]:
    """``["a,b", "c"]`` as three names."""
    return [name for value in values for name in value.split(",") if name]


def carry_out(console: Console, requested: Iterable[tuple[SyncRun, bool]], options: Options) -> int:
    """Each requested run in turn, here or in the background; then the whole told at once."""
    runs = [started(console, run, new, options) for run, new in requested]
    await_threads()
    if options["format"] == "json":
        console.document([run.as_dict() for run, _ in runs])
    codes = [exit_code(run, options["fail_on"]) if mine else RUNNING for run, mine in runs]
    return OK if options["fail_on"] == "never" else worst(codes)


def started(console: Console, run: SyncRun, new: bool, options: Options) -> tuple[SyncRun, bool]:
    """The run as far as it got, and whether it is ours to answer for."""
    if new and options["background"]:
        run = in_background(console, run)
    elif new or run.status == RunStatus.RUNNING:
        # One that is running already is carried on only if its worker has died.
        run = here(console, run, options)
    mine = new or not run.is_active
    if not mine:
        console.note(busy(run))
    elif not new:
        console.note(f"Run {run.pk} had been cut off and was carried to its end first.")
    if mine and options["format"] == "text":
        tell(console, run)
    return run, mine


def busy(run: SyncRun) -> str:
    """Why a feed was not started, and what to do if nobody carries out the run it waits for."""
    text = f"Feed '{run.feed}' is already {run.status} as run {run.pk}."
    if run.status == RunStatus.QUEUED:
        text += (
            f" If nobody takes it: 'schedule --run-due' hands it over, 'cancel {run.pk}' drops it."
        )
    return text


def here(console: Console, run: SyncRun, options: Options) -> SyncRun:
    """The run, carried out in this process."""
    if not console.err.isatty() or options["no_progress"]:
        return execute(run.pk)
    console.note(f"Run {run.pk}: reading feed '{run.feed}' …")
    with Bars(sys.stderr) as bars:
        return execute(run.pk, progress=bars)


def in_background(console: Console, run: SyncRun) -> SyncRun:
    """The run, handed to the runner."""
    if dispatch(run) == "deferred":
        console.note(
            f"The broker cannot be reached: run {run.pk} stays queued until beat or "
            "'manage.py ecommerce_sync schedule --run-due' hands it over."
        )
    await_threads()
    run.refresh_from_db()
    return run
