"""Getting a document: over HTTP with retries, caps and a deadline, or from a local path."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic, sleep
from typing import Any
from urllib.parse import urljoin

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from ..conf import settings
from ..exceptions import ConfigurationError, FeedError
from .addresses import is_http, label, local_path, refuse_user, same_site
from .connections import Guard, GuardedAdapter, guarded
from .document import CHUNK, Document, open_path, spool, unpacked
from .failures import check_status, timed_out, translated
from .quotas import pause
from .rates import RateBudget
from .retries import MAX_WAIT, POLICY, Again

USER_AGENT = f"django-ecommerce-sync/{version('django-ecommerce-sync')}"
DEFAULT_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
MAX_REDIRECTS = 3
_CONDITIONS = {"etag": "If-None-Match", "last_modified": "If-Modified-Since"}


@dataclass(slots=True)
class Transport:
    """Fetches documents by address or path; keeps its connections until it is closed.

    ``timeout`` is for connecting and for each silence, ``deadline`` for a document as a whole,
    retries and waits included; both in seconds. ``max_bytes`` holds before and after
    decompression. ``ca_bundle`` is the path of a PEM file, or of a directory of them, with the
    authorities to trust instead of the public ones. ``budget`` is asked before each request.
    """

    timeout: float = 30.0
    deadline: float = 900.0
    max_bytes: int = 2 << 30
    allow_private: bool = False
    ca_bundle: str = ""
    budget: RateBudget | None = None
    _adapter: GuardedAdapter | None = field(default=None, repr=False)
    #: Not before then, on the monotonic clock, the source would have the next request.
    _rest_until: float = field(default=0.0, repr=False)

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        validators: Mapping[str, str] | None = None,
    ) -> Document:
        """The complete document at a web address, a ``file://`` address or a path.

        With the ``validators`` of an earlier document it comes only if it is another one by now;
        otherwise ``unchanged`` is set and it is empty. Raises ``FeedError``.
        """
        if not is_http(url):
            return open_path(local_path(url), self.max_bytes)
        refuse_user(url)
        known = validators or {}
        conditions = {
            header: known[name] for name, header in _CONDITIONS.items() if known.get(name)
        }
        sent = CaseInsensitiveDict({**DEFAULT_HEADERS, **(headers or {}), **conditions})
        until, policy = monotonic() + self.deadline, POLICY
        while True:
            try:
                return self._follow(url, params, sent, until)
            except Again as again:
                policy = policy.after(again)
                wait = policy.wait(again)
                if monotonic() + wait >= until:
                    raise again.error from None
                sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        if self._adapter is not None:
            self._adapter.close()
            self._adapter = None

    def _follow(
        self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str], until: float
    ) -> Document:
        """One attempt, along redirects that stay with the same host."""
        for _ in range(MAX_REDIRECTS + 1):
            self._take_turn(until)
            with self._request(url, params, headers, until) as (response, guard):
                if not response.is_redirect:
                    return self._document(response, guard, label(url))
                target = _target(url, response)
            url, params = target, None
        raise FeedError("redirected", f"{label(url)} redirects more than {MAX_REDIRECTS} times.")

    def _take_turn(self, until: float) -> None:
        """Wait until the source and the budget will have another request."""
        rest = self._rest_until - monotonic()
        if 0 < rest < until - monotonic():  # else the source may as well refuse us itself
            sleep(rest)
        if self.budget is not None:
            self.budget.wait(until)

    @contextmanager
    def _request(
        self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str], until: float
    ) -> Iterator[tuple[requests.Response, Guard]]:
        """The response while it is read, with the library's errors made ours."""
        allow_private = self.allow_private or settings.ALLOW_PRIVATE_ADDRESSES
        with guarded(allow_private=allow_private, until=until) as guard:
            try:
                request = requests.Request("GET", url, params=params, headers=headers).prepare()
                timeout = guard.limited(self.timeout)
                with self._open().send(
                    request, stream=True, timeout=timeout, verify=self.ca_bundle or True
                ) as response:
                    self._rest_until = monotonic() + min(pause(response.headers), MAX_WAIT)
                    yield response, guard
            except (requests.RequestException, HTTPError, UnicodeError) as error:
                name = label(url)
                raise (timed_out(name) if guard.expired else translated(error, name)) from None

    def _open(self) -> GuardedAdapter:
        # An adapter and no session: that would keep cookies, look for proxies and passwords that
        # nobody configured here, and read the body of a redirect, however long it is.
        if self._adapter is None:
            if self.ca_bundle and not os.path.exists(self.ca_bundle):
                raise ConfigurationError(f"The ca_bundle '{self.ca_bundle}' does not exist.")
            self._adapter = GuardedAdapter()
        return self._adapter

    def _document(self, response: requests.Response, guard: Guard, name: str) -> Document:
        asked = any(header in response.request.headers for header in _CONDITIONS.values())
        if response.status_code == 304 and asked:
            return Document(io.BytesIO(), name, response.headers, unchanged=True)
        check_status(response, name)
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise FeedError("encoding", f"{name} is packed by other means than gzip.")
        file = spool(_body(response, guard, name), self.max_bytes, name)
        return Document(unpacked(file, self.max_bytes, name), name, response.headers)


def _body(response: requests.Response, guard: Guard, name: str) -> Iterator[bytes]:
    """The bytes as sent; urllib3 raises where they end before the announced length."""
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        yield chunk
    if guard.expired:  # cut off by ourselves, a body without a length looks complete
        raise timed_out(name)


def _target(url: str, response: requests.Response) -> str:
    """Where a redirect leads; raises ``FeedError`` where secrets must not follow."""
    try:
        target = urljoin(url, response.headers["Location"])
    except ValueError:
        target = ""
    if not same_site(url, target):
        shown = label(target) if is_http(target) else "something other than a web address"
        raise FeedError(
            "redirected",
            f"{label(url)} redirects to {shown}; if that is the right address, configure the feed "
            "with it.",
        )
    return target
