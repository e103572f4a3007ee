"""``feeds``: what is configured, and whether it answers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...conf import settings
from ...exceptions import ConfigurationError
from ...feeds import get_feed
from ...feeds.source import did_you_mean
from ...models import SyncRun, SyncSchedule
from .base import Options, Subcommand, usage_error
from .console import Console, printable
from .outcomes import worst
from .probes import Probe, Trial, trial


class Feeds(Subcommand):
    name = "feeds"
    help = "List the configured feeds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("feed", metavar="FEED", nargs="*", help="Aliases of feeds.")
        parser.add_argument(
            "--test",
            action="store_true",
            help="Read the first page of each stream, and show three of its records as they "
            "would be stored.",
        )

    def handle(self, console: Console, options: Options) -> int:
        feeds = [describe(alias) for alias in named(options["feed"])]
        if options["format"] == "text":
            tell_feeds(console, feeds)
        trials = {feed["feed"]: trial(feed["feed"]) for feed in feeds if options["test"]}
        if options["format"] == "json":
            console.document([{**feed, **as_trial(trials.get(feed["feed"]))} for feed in feeds])
        else:
            for alias, found in trials.items():
                tell_trial(console, alias, found)
        return worst(probe.exit_code for found in trials.values() for probe in found.probes)


def named(aliases: Sequence[str]) -> list[str]:
    """The feeds asked for, all of them if none is named."""
    for alias in aliases:
        if alias not in settings.FEEDS:
            guess = did_you_mean(alias, settings.FEEDS)
            raise usage_error(f"No feed is configured as '{alias}'{guess}")
    return list(aliases or settings.FEEDS)


def describe(alias: str) -> dict[str, Any]:
    """A feed as scripts read it; its OPTIONS are left out, for they may hold secrets."""
    schedule = schedule_of(alias)
    run = SyncRun.objects.filter(feed=alias).order_by("-pk").first()
    streams, error = streams_of(alias)
    return {
        "feed": alias,
        "backend": backend_name(alias),
        "streams": streams,
        "schedule": schedule.cron if schedule.enabled else None,
        "next_run_at": schedule.next_run_at if schedule.enabled else None,
        "last_run": run.as_dict() if run else None,
        "error": error,
    }


def schedule_of(alias: str) -> SyncSchedule:
    """A feed's schedule, or the one its settings propose; a disabled one if there is neither."""
    proposed = settings.FEEDS[alias].get("SCHEDULE") or ""
    return SyncSchedule.objects.filter(feed=alias).first() or SyncSchedule(
        feed=alias, cron=proposed, enabled=bool(proposed)
    )


def streams_of(alias: str) -> tuple[list[str], str | None]:
    """The names of a feed's streams, or why the feed cannot be built."""
    try:
        return [stream.name for stream in get_feed(alias).streams], None
    except ConfigurationError as error:
        return [], str(error)


def backend_name(alias: str) -> str:
    """The dotted path of a feed's class."""
    backend = settings.FEEDS[alias].get("BACKEND", "")
    if isinstance(backend, type):
        return f"{backend.__module__}.{backend.__qualname__}"
    return str(backend)


def tell_feeds(console: Console, feeds: list[dict[str, Any]]) -> None:
    """One line for each feed."""
    if not feeds:
        console.note("No feed is configured; add one to ECOMMERCE_SYNC['FEEDS'].")
        return
    console.table(
        ["feed", "backend", "streams", "schedule", "last run"],
        [
            [
                feed["feed"],
                feed["backend"],
                feed["error"] or ", ".join(feed["streams"]),
                feed["schedule"],
                last_run(feed["last_run"]),
            ]
            for feed in feeds
        ],
    )


def last_run(run: dict[str, Any] | None) -> str:
    """A feed's last run in three words."""
    return f"{run['run']} {run['status']}" if run else "never"


def as_trial(found: Trial | None) -> dict[str, Any]:
    """What ``--test`` adds to a feed's JSON."""
    if found is None:
        return {}
    auth = {"kind": found.auth, "variables": found.variables} if found.auth else None
    return {"auth": auth, "test": [asdict(probe) for probe in found.probes]}


def tell_trial(console: Console, alias: str, found: Trial) -> None:
    """How a feed shows who it is, then each stream with its first records."""
    if found.auth:
        states = {True: "set", False: "not set"}
        names = [f"{name} is {states[is_set]}" for name, is_set in found.variables.items()]
        console.line(f"\n{alias}  auth {found.auth}: {', '.join(names)}")
    else:
        console.line(f"\n{alias}  no auth")
    for probe in found.probes:
        tell_probe(console, f"{alias}.{probe.stream}", probe)


def tell_probe(console: Console, place: str, probe: Probe) -> None:
    """Whether a stream answered, how fast and with what."""
    if not probe.ok:
        console.line(console.style.ERROR(printable(f"✗ {place}  {probe.code}: {probe.error}")))
        return
    rows = f"{probe.rows}{'+' if probe.more else ''} rows"
    total = f" of {probe.total}" if probe.total is not None else ""
    console.line(f"{console.style.SUCCESS('✓')} {place}  {probe.seconds} s  {rows}{total}")
    for record in probe.records:
        values = "  ".join(f"{name}={text(value)}" for name, value in record.values.items())
        console.line(printable(f"  row {record.position}  {values}"))
    tell_rejects(console, probe)


def tell_rejects(console: Console, probe: Probe) -> None:
    """How many records would be rejected, and the first of them with the reason."""
    if not probe.rejected:
        return
    told = f"  {probe.rejected} of {probe.rows} would be rejected:"
    console.line(console.style.WARNING(told))
    for reject in probe.rejects:
        place = reject.field or "the whole row"
        sent = f" ({reject.excerpt})" if reject.excerpt else ""
        line = f"  row {reject.position}  {place}  {reject.code}: {reject.message}{sent}"
        console.line(console.style.WARNING(printable(line)))


def text(value: Any) -> str:
    """A value of a record on one line; child rows in brackets."""
    if isinstance(value, list):
        rows = ["  ".join(f"{name}={text(part)}" for name, part in row.items()) for row in value]
        return f"[{'; '.join(rows)}]"
    return "null" if value is None else str(value)
