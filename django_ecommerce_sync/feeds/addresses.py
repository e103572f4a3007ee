"""Web addresses: what may be shown of one, and whom a secret is meant for.

They are taken apart by the same parser that connects: where two parsers disagree about the host,
a secret goes to the wrong one.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from ..exceptions import ConfigurationError

PORTS = {"http": 80, "https": 443}
NOWHERE = ("", "", None)


def is_http(url: str) -> bool:
    """Whether this is a web address rather than a path."""
    return url.strip().lower().startswith(("http://", "https://"))


def is_plain_http(url: str) -> bool:
    """Whether what is read there crosses a network without TLS, as far as the address tells.

    Not so for this machine itself and for addresses of private networks; names are not resolved.
    """
    scheme, host, _ = origin(url)
    if scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return True


def label(url: str) -> str:
    """An address as it may be shown: no user, no query, no fragment. A path is shown as it is."""
    if not is_http(url):
        return url
    parts = _parts(url)
    if parts is None:
        return "An address that cannot be read"
    return Url(parts.scheme, None, parts.host, parts.port, parts.path).url


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: whom a secret is meant for; all empty where there is no telling."""
    parts = _parts(url)
    if parts is None:
        return NOWHERE
    scheme = parts.scheme or ""
    return scheme, parts.host or "", parts.port or PORTS.get(scheme)


def same_site(url: str, target: str) -> bool:
    """Whether secrets may follow: to the same origin, or its upgrade from http to https."""
    here, there = origin(url), origin(target)
    if NOWHERE in (here, there) or has_user(target):
        return False
    return there == here or (here[0] == "http" and here[2] == 80 and there == _upgraded(here[1]))


def has_user(url: str) -> bool:
    """Whether a user name or password stands in the address, before an ``@``."""
    parts = _parts(url)
    return parts is not None and parts.auth is not None


def refuse_user(url: str) -> None:
    """Raise ``ConfigurationError`` for an address with a password in it."""
    if has_user(url):  # not even the rest is shown: an unquoted / makes half a password a path
        raise ConfigurationError(
            "A feed's address has a user name or password in it; give it as "
            "auth=Basic(user, env='NAME_OF_THE_VARIABLE') instead."
        )


def local_path(url: str) -> Path:
    """The path that a ``file://`` address or a plain path names."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)


def _upgraded(host: str) -> tuple[str, str, int]:
    return "https", host, PORTS["https"]


def _parts(url: str) -> Url | None:
    try:
        return parse_url(url.strip())
    except LocationParseError:
        return None
