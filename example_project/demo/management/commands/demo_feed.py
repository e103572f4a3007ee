"""``manage.py demo_feed``: the demo's shop on its own, as ``make stack`` runs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from demo.server import CatalogueServer


class Command(BaseCommand):
    help = "Serve the demo's catalogue where DEMO_FEED_URL says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--catalogue", type=int, choices=(1, 2), default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        port = urlsplit(settings.DEMO_FEED_URL).port or 0
        server = CatalogueServer(port, options["catalogue"])
        self.stdout.write(f"Catalogue {options['catalogue']} at {server.url}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Catalogue closed.")
        finally:
            server.server_close()
