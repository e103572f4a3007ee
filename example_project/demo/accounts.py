"""The demo's administrator."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model

USER = "admin"


def new_password() -> str:
    """A new random password for the administrator, who is made if need be."""
    password = secrets.token_urlsafe(12)
    user, _ = get_user_model().objects.get_or_create(
        username=USER, defaults={"is_staff": True, "is_superuser": True}
    )
    user.set_password(password)
    user.save()
    return password
