"""What went wrong with a request, in our words.

The libraries' texts hold the whole address, with the secrets in its query; none of them is used.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException, RemoteDisconnected

import requests
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.exceptions import ReadTimeoutError as BodyTimeout

from ..exceptions import FeedError, FeedUnreachable
from .retries import POLICY, Again


def check_status(response: requests.Response, name: str) -> None:
    """Raise for every answer that does not have the whole document."""
    status = response.status_code
    if 200 <= status < 300 and status != 206:
        return
    if status in (401, 403):
        raise FeedUnreachable("unauthorized", f"{name} refuses us with status {status}.")
    error = FeedError("http_error", f"{name} answers with status {status}.")
    if POLICY.is_retry("GET", status, "Retry-After" in response.headers):
        raise Again(error, response.raw)
    raise error


def translated(error: Exception, name: str) -> Exception:
    """Our error for the library's: ``Again`` where another attempt may succeed."""
    if isinstance(error, requests.Timeout | BodyTimeout):
        return Again(FeedUnreachable("timeout", f"{name} did not answer in time."))
    if isinstance(error, requests.exceptions.SSLError):
        return _untrusted(error, name)
    if isinstance(error, requests.ConnectionError):
        return Again(FeedUnreachable("unreachable", f"{name} {_trouble(error)}."))
    if isinstance(error, HTTPError):
        return Again(FeedError("feed_truncated", f"{name} broke off before its end."))
    return FeedUnreachable("unreachable", f"{name} cannot be requested: {type(error).__name__}.")


def timed_out(name: str) -> FeedUnreachable:
    """The error at the deadline."""
    return FeedUnreachable("timeout", f"{name} was not complete by the deadline.")


def _untrusted(error: Exception, name: str) -> Exception:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FeedUnreachable(
                "tls_error",
                f"{name} cannot prove who it is: {cause.verify_message.rstrip('.')}. "
                "Certificates of an authority of your own need ca_bundle='/path/to/it.pem'.",
            )
    return Again(FeedUnreachable("tls_error", f"{name} does not talk to us over TLS 1.2 or later."))


def _trouble(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, NameResolutionError):
            return "has a host name that cannot be resolved"
        if isinstance(cause, RemoteDisconnected | ConnectionResetError):
            return "broke off before it answered"
        if isinstance(cause, HTTPException):
            return "answers with something that is not HTTP"
    return "cannot be reached"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
