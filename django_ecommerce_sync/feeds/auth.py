"""How a feed is allowed in. The secret stays in the environment until the moment it is sent."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass

from ..exceptions import ConfigurationError


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
        return {"Authorization": f"Bearer {secret(self.env)}"}


@dataclass(frozen=True, slots=True)
class Basic(Auth):
    """HTTP Basic for ``user``, with the password in the environment variable ``env``."""

    user: str
    env: str

    def headers(self) -> dict[str, str]:
        pair = f"{self.user}:{secret(self.env)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


@dataclass(frozen=True, slots=True)
class Header(Auth):
    """A header of the source's own, such as ``X-Api-Key``."""

    name: str
    env: str

    def headers(self) -> dict[str, str]:
        return {self.name: secret(self.env)}


@dataclass(frozen=True, slots=True)
class Query(Auth):
    """A query parameter such as ``apiKey``; it never reaches an error text or a cursor."""

    param: str
    env: str

    def params(self) -> dict[str, str]:
        return {self.param: secret(self.env)}


def secret(variable: str) -> str:
    """The secret as the environment has it now."""
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(
            f"The environment variable {variable} is empty; the feed needs the secret in it."
        )
    return value
