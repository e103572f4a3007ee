"""The keys that sign tokens, and the users they are issued to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from ...checks.messages import API, error, guess, warning

#: Bytes of a key whose signature nobody can guess (RFC 7518, 3.2).
MIN_KEY = 32
_NEW_KEY = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'"


def signing(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Whoever guesses the key signs in as whom he likes."""
    if _is_short(jwt_settings.SIGNING_KEY):
        message = f"Tokens are signed with a key of fewer than {MIN_KEY} bytes."
        yield error("032", message, _NEW_KEY)
    elif reason := _complaint():
        message = f"SIMPLE_JWT cannot sign tokens: {reason}"
        hint = "Give it an ALGORITHM and a SIGNING_KEY for that; RS256 and ES256 take keys in PEM."
        yield error("034", message, hint)
    yield from _former_keys(configured.get("FORMER_SIGNING_KEYS", ()))


def _complaint() -> str:
    """Why a token cannot be signed, or read again."""
    try:
        backend = TokenBackend(
            jwt_settings.ALGORITHM, jwt_settings.SIGNING_KEY, jwt_settings.VERIFYING_KEY
        )
        token: Any = backend.encode({})
        if not jwt_settings.JWK_URL:  # else the key to read it with is elsewhere
            backend.decode(token)
    except Exception as reason:  # each algorithm has errors of its own
        return f"{type(reason).__name__}: {reason}"
    return ""


def _former_keys(keys: Any) -> Iterator[CheckMessage]:
    place = f"{API}['FORMER_SIGNING_KEYS']"
    is_list = isinstance(keys, Sequence) and not isinstance(keys, str | bytes)
    if not is_list or not all(isinstance(key, str | bytes) for key in keys):
        yield error("035", f"{place} is no list of keys.", "Give it each former key as a string.")
    elif any(_is_short(key) for key in keys):
        message = f"{place} has a key of fewer than {MIN_KEY} bytes."
        yield error("032", message, "Leave it out: who guesses it signs in as whom he likes.")


def _is_short(key: Any) -> bool:
    """Whether it can be guessed; how long other keys are is their libraries' concern."""
    is_secret = str(jwt_settings.ALGORITHM).startswith("HS") and isinstance(key, str | bytes)
    return is_secret and len(key.encode() if isinstance(key, str) else key) < MIN_KEY


def user_id() -> Iterator[CheckMessage]:
    """Whether a token can name its user."""
    field, columns = jwt_settings.USER_ID_FIELD, get_user_model()._meta.concrete_fields
    known = ["pk", *(name for each in columns for name in {each.name, each.attname})]
    if field not in known:
        message = f"SIMPLE_JWT['USER_ID_FIELD'] is {field!r}, and users have no such field."
        yield error("036", message, guess(field, known))


def own_key() -> Iterator[CheckMessage]:
    """Whether one key opens everything."""
    if jwt_settings.SIGNING_KEY == django_settings.SECRET_KEY:
        message = "Tokens are signed with SECRET_KEY: neither can be changed without the other."
        hint = "Give SIMPLE_JWT['SIGNING_KEY'] a key of its own."
        yield warning("007", message, hint)
