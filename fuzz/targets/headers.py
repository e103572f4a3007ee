"""What a server may say in the headers of an answer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPMessage, parse_headers
from typing import Any

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import CSV, HTTPFeed, LinkHeader, Query, Stream
from django_ecommerce_sync.feeds.document import Document
from django_ecommerce_sync.feeds.failures import check_status
from django_ecommerce_sync.feeds.quotas import pause
from django_ecommerce_sync.feeds.retries import MAX_WAIT, POLICY, Again
from django_ecommerce_sync.feeds.transport import _target

from .base import FIELDS, Mismatch, Target

HOME = "https://shop.example/api/items"
STREAM = Stream("products", path="items", fields=FIELDS)
BODY = "sku,name\na,é\nb,c\n".encode()


class _Feed(HTTPFeed):
    """A feed whose server gives the same rows, with ``said`` in the headers, at every address."""

    base_url = "https://shop.example/api/"
    streams = [STREAM]
    auth = Query("key", env="SHOP_KEY")
    said: Mapping[str, str] = {}

    def _get(self, *args: Any, **options: Any) -> Document:
        return Document(io.BytesIO(b'[{"sku": "a"}]'), "feed", self.said)


def answered(data: bytes) -> None:
    """No header breaks what reads it, and no wait is negative or endless."""
    try:
        said = parse_headers(io.BytesIO(data))
    except HTTPException:  # the connection is refused before we see any of it
        return
    headers = CaseInsensitiveDict(said.items())
    _check_document(headers)
    _check_next_page(headers)
    _check_waits(said, headers)
    _check_redirect(headers)


def _check_document(headers: CaseInsensitiveDict[str]) -> None:
    document = Document(io.BytesIO(BODY), "feed", headers)
    document.date, document.validators  # noqa: B018 - they must not raise
    with suppress(FeedError):
        list(CSV(delimiter=",").read(document, STREAM).rows)


def _check_next_page(headers: CaseInsensitiveDict[str]) -> None:
    feed = _Feed(paginator=LinkHeader(total="header:X-Total"))
    feed.said = headers
    with suppress(FeedError):
        for _ in feed.fetch(STREAM, None):
            pass


def _check_waits(said: HTTPMessage, headers: CaseInsensitiveDict[str]) -> None:
    raw = HTTPResponse(headers=HTTPHeaderDict(said.items()), status=429, preload_content=False)
    response = Response()
    response.status_code, response.headers, response.raw = 429, headers, raw
    waits = [min(pause(headers), MAX_WAIT)]
    try:
        check_status(response, "feed")
    except Again as again:
        waits.append(POLICY.after(again).wait(again))
    except FeedError:
        pass
    if not all(0 <= wait <= MAX_WAIT for wait in waits):
        raise Mismatch(f"we would wait for {waits} seconds")


def _check_redirect(headers: CaseInsensitiveDict[str]) -> None:
    if "Location" not in headers:
        return
    response = Response()
    response.headers = headers
    response.request = PreparedRequest()
    with suppress(FeedError):
        target = _target(HOME, response)
        if not target.lower().startswith("https://shop.example"):
            raise Mismatch(f"secrets would follow to {target!r}")


TARGET = Target(
    answered,
    [
        b'Link: <https://shop.example/api/items?page=2>; rel="next", </x>; rel=prev\r\n\r\n',
        b"Link: <//[::1/>; rel=next\r\nX-Total: 123\r\n\r\n",
        b"Retry-After: 120\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n\r\n",
        b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n",
        b'RateLimit: "default";r=0;t=5\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n\r\n',
        b"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000000\r\n\r\n",
        b"X-Shopify-Shop-Api-Call-Limit: 39/40\r\n\r\n",
        b"Content-Type: text/csv; charset=windows-1252\r\nETag: W/\"x\"\r\n\r\n",
        b"Content-Type: text/csv; charset*=utf-8''iso-8859-1\r\n\r\n",
        b"Location: https://shop.example:443/other\r\n\r\n",
    ],
    (
        b"Link: ", b"rel=next", b"rel=\"next\"", b"Retry-After: ", b"Date: ", b"RateLimit: ",
        b"RateLimit-Remaining: ", b"RateLimit-Reset: ", b"Content-Type: ", b"charset=",
        b"charset*=", b"X-Total: ", b"Location: ", b"//", b"http://", b"@", b"[", b"hex", b"rot13",
        b"zlib", b"idna", b"utf-7", b"utf-16", b"undefined",
        b"punycode", b"unicode_escape", b"9999", b"-1", b"\r\n",
        b"X-Shopify-Shop-Api-Call-Limit: ", b"GMT", b"Jan", b"+9999", b"\0",
        b"\xff", b"\x85",
    ),
)  # fmt: skip
