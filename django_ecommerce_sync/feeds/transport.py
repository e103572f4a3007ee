"""Getting a document: over HTTP with retries, caps and a deadline, or from a local path."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeout

from ..conf import settings
from ..exceptions import FeedError, FeedUnreachable
from .connections import Guard, GuardedAdapter, guarded
from .document import CHUNK, Document, open_path, spool, unpacked

USER_AGENT = f"django-ecommerce-sync/{version('django-ecommerce-sync')}"
ATTEMPTS = 4
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
#: The longest we wait before the next attempt, whatever the source asks for.
MAX_WAIT = 60.0
MAX_REDIRECTS = 3


def label(url: str) -> str:
    """An address as it may be shown: no user, no query, no fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: whom a secret is meant for."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def is_http(url: str) -> bool:
    """Whether this is a web address rather than a path."""
    return urlsplit(url).scheme in ("http", "https")


class _Again(Exception):
    """The attempt failed with ``error``; another one may succeed, after ``wait`` seconds."""

    def __init__(self, error: FeedError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


@dataclass(slots=True)
class Transport:
    """Fetches documents by address or path; keeps its connections until it is closed.

    ``timeout`` is for connecting and for each silence, ``deadline`` for a document as a whole,
    retries included; both in seconds. ``max_bytes`` holds before and after decompression.
    """

    timeout: float = 30.0
    deadline: float = 900.0
    max_bytes: int = 2 << 30
    allow_private: bool = False
    _session: requests.Session | None = field(default=None, repr=False)

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        """The complete document at a web address, a ``file://`` address or a path."""
        if not is_http(url):
            return open_path(_path(url), self.max_bytes)
        until = monotonic() + self.deadline
        for attempt in itertools.count(1):
            try:
                return self._follow(url, params, headers, until)
            except _Again as again:
                wait = again.wait
                if wait is None:
                    wait = random.uniform(0.5, 1) * 2**attempt / 2  # noqa: S311 - no secret
                wait = min(wait, MAX_WAIT)
                if attempt == ATTEMPTS or monotonic() + wait >= until:
                    raise again.error from None
                sleep(wait)
        raise AssertionError  # pragma: no cover - the loop above has no end

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _follow(
        self,
        url: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        until: float,
    ) -> Document:
        """One attempt, along redirects that stay with the same host."""
        for _ in range(MAX_REDIRECTS + 1):
            with self._request(url, params, headers, until) as (response, guard):
                if not response.is_redirect:
                    return self._document(response, guard, label(url))
                target = urljoin(url, response.headers["Location"])
            if not _same_site(url, target):
                raise FeedError(
                    "redirected",
                    f"{label(url)} redirects to {label(target)}; if that is the right address, "
                    "configure the feed with it.",
                )
            url, params = target, None
        raise FeedError("redirected", f"{label(url)} redirects more than {MAX_REDIRECTS} times.")

    @contextmanager
    def _request(
        self,
        url: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        until: float,
    ) -> Iterator[tuple[requests.Response, Guard]]:
        """The response while it is read, with the library's errors made ours."""
        allow_private = self.allow_private or settings.ALLOW_PRIVATE_ADDRESSES
        with guarded(allow_private=allow_private, seconds=until - monotonic()) as guard:
            try:
                with self._open().get(
                    url,
                    params=params,
                    headers=headers,
                    timeout=self.timeout,
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    yield response, guard
            except (requests.RequestException, HTTPError) as error:
                raise _translated(error, guard, label(url)) from None

    def _open(self) -> requests.Session:
        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False  # no proxy, no netrc that nobody configured here
            self._session.headers.clear()
            self._session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, GuardedAdapter())
        return self._session

    def _document(self, response: requests.Response, guard: Guard, name: str) -> Document:
        _check_status(response, name)
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise FeedError("encoding", f"{name} is sent with the unknown encoding '{encoding}'.")
        file = spool(_body(response, guard, name), self.max_bytes, name)
        return Document(unpacked(file, self.max_bytes, name), name, response.headers)


def _body(response: requests.Response, guard: Guard, name: str) -> Iterator[bytes]:
    """The bytes as sent; urllib3 raises where they end before the announced length."""
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        yield chunk
    if guard.expired:  # cut off by ourselves, a body without a length looks complete
        raise _timeout(name)


def _check_status(response: requests.Response, name: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise FeedUnreachable("unauthorized", f"{name} refuses us with status {status}.")
    error = FeedError("http_error", f"{name} answers with status {status}.")
    if status in RETRIED:
        raise _Again(error, _retry_after(response.headers.get("Retry-After", "")))
    raise error


def _retry_after(value: str) -> float | None:
    """Seconds until the next attempt, from a number or a date."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _translated(error: Exception, guard: Guard, name: str) -> Exception:
    """Our error for the library's; its text may hold the query, so none of it is used."""
    if guard.expired:
        return _timeout(name)
    if isinstance(error, requests.Timeout | BodyTimeout):
        return _Again(FeedUnreachable("timeout", f"{name} did not answer in time."))
    if isinstance(error, requests.exceptions.SSLError):
        return FeedUnreachable("unreachable", f"{name} cannot prove who it is (TLS).")
    if isinstance(error, requests.ConnectionError):
        return _Again(FeedUnreachable("unreachable", f"{name} cannot be reached."))
    if isinstance(error, HTTPError):
        return _Again(FeedError("feed_truncated", f"{name} broke off before its end."))
    return FeedUnreachable("unreachable", f"{name} cannot be requested: {type(error).__name__}.")


def _timeout(name: str) -> FeedUnreachable:
    return FeedUnreachable("timeout", f"{name} was not complete by the deadline.")


def _same_site(url: str, target: str) -> bool:
    """The same origin, or its upgrade to https: secrets may follow."""
    scheme, host, _ = here = origin(url)
    there = origin(target)
    return there == here or (scheme == "http" and there == ("https", host, 443))


def _path(url: str) -> Path:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)
