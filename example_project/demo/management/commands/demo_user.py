"""``manage.py demo_user``: give the demo's administrator a new random password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from demo.accounts import USER, new_password


class Command(BaseCommand):
    help = "Make the demo's administrator, or give them a new password, and print it."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes an administrator; it runs only with DEBUG on.")
        self.stdout.write(f"user {USER}, password {new_password()}")
