"""Who is asking: a bearer token, or a session with its CSRF token."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import InvalidToken

from .tokens import AccessToken


class JWTAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer <access token>``."""

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        parts = authentication.get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise InvalidToken()
        token = AccessToken.read(parts[1])
        view = (request.parser_context or {}).get("view")
        return token.user(getattr(view, "usual_permissions", list)()), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Somebody signed in to the admin; unsafe methods need the CSRF token."""
