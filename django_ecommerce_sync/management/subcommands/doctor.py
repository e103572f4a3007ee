"""``doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from celery import current_app
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu.exceptions import OperationalError

from ...conf import settings
from ...exceptions import ConfigurationError
from ...feeds import get_feed
from ...models import SyncRun, SyncSchedule
from .base import Options, Subcommand
from .console import Console, printable
from .outcomes import FAILED, OK

#: Seconds to wait for the broker, and then for a worker.
PATIENCE = 2
#: How late a schedule may be before nobody seems to look after it.
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    message: str
    fix: str = ""


class Doctor(Subcommand):
    name = "doctor"
    help = "Look at everything a sync needs, and say how to mend what is broken."
    checked = False

    def handle(self, console: Console, options: Options) -> int:
        findings = list(examine())
        if options["format"] == "json":
            console.document([asdict(finding) for finding in findings])
        else:
            for finding in findings:
                tell(console, finding)
        return OK if all(finding.ok for finding in findings) else FAILED


def examine() -> Iterator[Finding]:
    """Every finding; what needs the database is left out when there is none."""
    yield from system_checks()
    reached = database()
    yield reached
    if reached.ok:
        migrated = migrations()
        yield migrated
        if migrated.ok:
            yield schedules()
    if runs_on_celery():
        found = broker()
        yield found
        if found.ok:
            yield worker()
    for alias in settings.FEEDS:
        yield feed(alias)


def tell(console: Console, finding: Finding) -> None:
    """A finding as people read it."""
    mark = console.style.SUCCESS("✓") if finding.ok else console.style.ERROR("✗")
    console.line(f"{mark} {printable(finding.name)}: {printable(finding.message)}")
    if finding.fix and not finding.ok:
        console.line(f"    fix: {printable(finding.fix)}")


def system_checks() -> Iterator[Finding]:
    """What Django's system checks complain about, ours also when it is only a warning."""
    clean = True
    for message in checks.run_checks():
        ours = str(message.id).startswith("ecommerce_sync.")
        if message.is_silenced() or not (message.is_serious() or ours):
            continue
        clean = False
        serious = message.is_serious()
        yield Finding(f"check {message.id}", not serious, str(message.msg), message.hint or "")
    if clean:
        yield Finding("system checks", True, "nothing to complain about")


def database() -> Finding:
    """Whether the database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Finding("database", False, str(error), "Start it, or mend DATABASES.")
    return Finding("database", True, connection.vendor)


def migrations() -> Finding:
    """Whether the app's tables are up to date."""
    executor = MigrationExecutor(connection)
    label = SyncRun._meta.app_label
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == label]
    missing = len(executor.migration_plan(targets))
    if missing:
        return Finding("migrations", False, f"{missing} not applied", "manage.py migrate")
    return Finding("migrations", True, "all applied")


def schedules() -> Finding:
    """Whether somebody starts what is due."""
    late = SyncSchedule.objects.filter(enabled=True, next_run_at__lt=timezone.now() - LATE)
    feeds = ", ".join(late.order_by("feed").values_list("feed", flat=True))
    if feeds:
        fix = "Start celery beat with BEAT_SCHEDULE, or let cron call 'schedule --run-due'."
        return Finding("schedules", False, f"overdue: {feeds}", fix)
    return Finding("schedules", True, "nothing is overdue")


def runs_on_celery() -> bool:
    """Whether runs are handed to Celery workers."""
    return settings.RUNNER == "celery" or (
        settings.RUNNER == "auto" and bool(current_app.conf.broker_url)
    )


def broker() -> Finding:
    """Whether the broker can be reached soon enough."""
    fix = "Start the broker, or mend CELERY_BROKER_URL."
    limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
    options = {**current_app.conf.broker_transport_options, **limits}
    with current_app.connection_for_write(
        connect_timeout=PATIENCE, transport_options=options
    ) as link:
        try:
            link.ensure_connection(max_retries=1, timeout=PATIENCE)
        except (OperationalError, OSError) as error:
            return Finding("broker", False, f"{link.as_uri()}: {error}", fix)
        return Finding("broker", True, link.as_uri())


def worker() -> Finding:
    """Whether any worker answers."""
    try:
        answers = current_app.control.ping(timeout=PATIENCE) or []
    except (OperationalError, OSError) as error:
        return Finding("worker", False, str(error), "Start a worker: celery -A <project> worker")
    names = sorted(name for answer in answers for name in answer)
    if not names:
        fix = "Start one: celery -A <project> worker"
        return Finding("worker", False, f"none answered within {PATIENCE} s", fix)
    return Finding("worker", True, ", ".join(names))


def feed(alias: str) -> Finding:
    """Whether a feed is configured in a way that can work."""
    name = f"feed {alias}"
    fix = f"Mend ECOMMERCE_SYNC['FEEDS']['{alias}']."
    try:
        complaints = get_feed(alias).check()
    except (ConfigurationError, TypeError) as error:
        complaints = [str(error)]
    if complaints:
        return Finding(name, False, " ".join(complaints), fix)
    return Finding(name, True, "configured; 'feeds --test' asks it for a page")
