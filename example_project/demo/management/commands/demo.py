"""``manage.py demo``: from an empty database to a running shop mirror, in one command."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo.accounts import USER, new_password
from demo.server import HOST, CatalogueServer
from django_ecommerce_sync.models import RunStatus, SyncRun

FEED = "demo"
WEB_PORT = 8000


class Command(BaseCommand):
    help = "Set the demo up, sync its shop, and serve admin, API and Swagger."
    #: The database may not even have its tables yet.
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="stop after the sync")
        parser.add_argument(
            "--catalogue", type=int, choices=(1, 2), default=1, help="2: the shop some days later"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes an administrator; it runs only with DEBUG on.")
        try:
            self._demo(options["catalogue"], serve=not options["no_serve"])
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def _demo(self, version: int, *, serve: bool) -> None:
        call_command("migrate", verbosity=0)
        password = new_password()
        with open_shop(version) as shop:
            self.stdout.write(f"Syncing catalogue {version} from {shop.url}")
            self._sync()
            port = free_port(WEB_PORT)
            self._say_where(f"http://{HOST}:{port}", password, serve=serve)
            if serve:
                call_command("runserver", f"{HOST}:{port}", use_reloader=False)

    def _sync(self) -> None:
        call_command("ecommerce_sync", "run", FEED, "--fail-on", "never")
        run = SyncRun.objects.filter(feed=FEED).latest("pk")
        if run.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            raise CommandError(f"Run {run.pk} {run.status}: {run.error}")
        self.stdout.write("\nThe shop has some broken rows on purpose:")
        self.stdout.write(f"$ manage.py ecommerce_sync issues {run.pk} --all")
        call_command("ecommerce_sync", "issues", str(run.pk), "--all")

    def _say_where(self, address: str, password: str, *, serve: bool) -> None:
        self.stdout.write("\nServing" if serve else "\nWithout --no-serve it would serve")
        for path in ("/admin/", "/swagger/", "/api/products/"):
            self.stdout.write(f"  {address}{path}")
        self.stdout.write(f"  user {USER}, password {password}\n")
        self.stdout.flush()


def open_shop(version: int) -> CatalogueServer:
    """The shop, open at the address the feed is configured with, or at a free one."""
    port = urlsplit(settings.DEMO_FEED_URL).port or 0
    server = CatalogueServer.near(port, version)
    # Settings are read live, so the feed follows when another program has its port.
    settings.ECOMMERCE_SYNC["FEEDS"][FEED]["OPTIONS"]["base_url"] = server.url
    return server


def free_port(port: int) -> int:
    """The port, or the next one nobody listens on."""
    while port and not _is_free(port):
        port += 1
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
