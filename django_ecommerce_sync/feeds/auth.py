"""How a feed is allowed in. The secret stays in the environment until the moment it is sent."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass

from ..exceptions import ConfigurationError
from .redaction import remember


@dataclass(frozen=True, slots=True)
class Auth:
    """Something added to every request of a feed, and only to requests to its own origin."""

    def headers(self) -> dict[str, str]:
        """The headers to send."""
        return {}

    def params(self) -> dict[str, str]:
        """The query parameters to send."""
        return {}


@dataclass(frozen=True, slots=True)
class Bearer(Auth):
    """``Authorization: Bearer …`` with the token in the environment variable ``env``."""

    env: str

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {_header_secret(self.env)}"}


@dataclass(frozen=True, slots=True)
class Basic(Auth):
    """HTTP Basic for ``user``, with the password in the environment variable ``env``."""

    user: str
    env: str

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Basic {basic(self.user, secret(self.env))}"}


@dataclass(frozen=True, slots=True)
class Header(Auth):
    """A header of the source's own, such as ``X-Api-Key``."""

    name: str
    env: str

    def headers(self) -> dict[str, str]:
        return {self.name: _header_secret(self.env)}


@dataclass(frozen=True, slots=True)
class Query(Auth):
    """A query parameter such as ``apiKey``; it never reaches an error text or a cursor."""

    param: str
    env: str

    def params(self) -> dict[str, str]:
        return {self.param: secret(self.env)}


def secret(variable: str) -> str:
    """The secret as the environment has it now; from here on it is masked wherever it turns up."""
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(
            f"The environment variable {variable} is empty; the feed needs the secret in it."
        )
    if not value.isprintable() or value != value.strip():
        raise ConfigurationError(
            f"The environment variable {variable} begins or ends with a blank, or has a line break "
            "in it; give it the secret and nothing else."
        )
    remember(value)
    return value


def basic(user: str, password: str) -> str:
    """User and password as HTTP Basic sends them; masked from here on, too."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    remember(encoded)
    return encoded


def _header_secret(variable: str) -> str:
    value = secret(variable)
    if not value.isascii():
        raise ConfigurationError(
            f"The environment variable {variable} has characters that no header can carry; a "
            "token is plain ASCII."
        )
    return value
