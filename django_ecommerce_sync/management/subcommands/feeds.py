"""``feeds``: what is configured, and whether it answers."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from ...conf import settings
from ...exceptions import ConfigurationError, EcommerceSyncError, FeedError
from ...feeds import FeedSource, Page, Stream, get_feed
from ...models import SyncRun, SyncSchedule
from .base import Options, Subcommand
from .console import Console
from .outcomes import FAILED, OK, UNREACHABLE, UNREACHABLE_CODES, worst

#: Rows counted at most: the only page of a file may have millions.
COUNTED_ROWS = 1000


class Feeds(Subcommand):
    name = "feeds"
    help = "List the configured feeds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--test", action="store_true", help="Fetch the first page of each stream."
        )

    def handle(self, console: Console, options: Options) -> int:
        feeds = [describe(alias) for alias in settings.FEEDS]
        probes = {feed["feed"]: test(feed["feed"]) for feed in feeds if options["test"]}
        if options["format"] == "json":
            console.document([{**feed, **as_tests(probes.get(feed["feed"]))} for feed in feeds])
        else:
            tell_feeds(console, feeds)
            tell_probes(console, probes)
        return worst([probe.exit_code for found in probes.values() for probe in found])


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


@dataclass(frozen=True, slots=True)
class Probe:
    """What the first page of a stream was like."""

    stream: str
    ok: bool
    seconds: float
    rows: int = 0
    #: Whether the page has more rows than were counted.
    more: bool = False
    #: Rows in the whole stream, where the source says so.
    total: int | None = None
    code: str = ""
    error: str = ""

    @property
    def exit_code(self) -> int:
        """0, or why the stream could not be read."""
        if self.ok:
            return OK
        return UNREACHABLE if self.code in UNREACHABLE_CODES else FAILED


def test(alias: str) -> list[Probe]:
    """The first page of each stream of a feed."""
    try:
        with get_feed(alias) as feed:
            return [probe(feed, stream) for stream in feed.streams]
    except ConfigurationError as error:
        return [Probe("-", False, 0, code="configuration", error=str(error))]


def probe(feed: FeedSource, stream: Stream) -> Probe:
    """The first page of one stream."""
    start = time.monotonic()
    try:
        page = next(iter(feed.fetch(stream, None)), Page(()))
        rows = sum(1 for _ in islice(counted(page), COUNTED_ROWS + 1))
    except EcommerceSyncError as error:
        code = error.code if isinstance(error, FeedError) else "configuration"
        return Probe(stream.name, False, since(start), code=code, error=str(error))
    more = rows > COUNTED_ROWS
    return Probe(stream.name, True, since(start), min(rows, COUNTED_ROWS), more, page.total)


def counted(page: Page) -> Iterator[Any]:
    """The rows of a page, whatever kind of iterable they are."""
    yield from page.rows


def since(start: float) -> float:
    """Seconds since a reading of the monotonic clock."""
    return round(time.monotonic() - start, 3)


def as_tests(probes: list[Probe] | None) -> dict[str, Any]:
    """What ``--test`` adds to a feed's JSON."""
    return {} if probes is None else {"test": [asdict(probe) for probe in probes]}


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


def tell_probes(console: Console, probes: dict[str, list[Probe]]) -> None:
    """One line for each stream that was tried."""
    for alias, found in probes.items():
        for item in found:
            tell_probe(console, alias, item)


def tell_probe(console: Console, alias: str, item: Probe) -> None:
    """Whether a stream answered, how fast and with how much."""
    place = f"{alias}.{item.stream}"
    if not item.ok:
        console.line(console.style.ERROR(f"✗ {place}  {item.code}: {item.error}"))
        return
    rows = f"{item.rows}{'+' if item.more else ''} rows"
    total = f" of {item.total}" if item.total is not None else ""
    console.line(f"{console.style.SUCCESS('✓')} {place}  {item.seconds} s  {rows}{total}")
