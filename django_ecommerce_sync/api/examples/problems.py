"""What each status of a problem means, and what such problems look like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from drf_spectacular.utils import OpenApiExample


class Told(NamedTuple):
    """One problem as an answer tells it; ``pointer`` names the value at fault, if one is."""

    title: str
    code: str
    detail: str
    path: str = "/api/products/"
    pointer: str = ""
    more: Mapping[str, str] = {}

    def document(self, status: int, phrase: str) -> dict[str, Any]:
        """The whole of it, as it is sent."""
        name = self.pointer.lstrip("/")
        error = {"pointer": self.pointer, "code": self.code, "detail": self.detail, **self.more}
        return {
            "type": "about:blank",
            "title": phrase,
            "status": status,
            "code": self.code,
            "detail": f"{name}: {self.detail}" if name else self.detail,
            "instance": self.path,
            "request_id": "6fb7a2f0c5d94a1e8f0b3c2d1e4f5a6b",
            **({"errors": [error]} if name else {}),
        }


class Problem(NamedTuple):
    """What a status means under all addresses."""

    name: str
    description: str
    told: tuple[Told, ...]
    waits: bool = False

    def examples(self, status: str) -> list[OpenApiExample]:
        """Whole documents; the phrase is RFC 9110's, which Python's versions disagree on."""
        phrase = re.sub("(?<=[a-z])(?=[A-Z])", " ", self.name)
        return [OpenApiExample(it.title, it.document(int(status), phrase)) for it in self.told]


PROBLEMS: Mapping[str, Problem] = {
    "400": Problem(
        "BadRequest",
        "The request is not valid.",
        (
            Told("A value of the body", "invalid", "A valid number is required.", pointer="/price"),
            Told(
                "A query parameter",
                "invalid",
                "A whole number above 0 is needed.",
                pointer="/page_size",
                more={"in": "query"},
            ),
        ),
    ),
    "401": Problem(
        "Unauthorized",
        "Nobody is signed in, or the token is no good.",
        (
            Told("Nobody", "not_authenticated", "Authentication credentials were not provided."),
            Told("An old token", "token_not_valid", "Given token not valid for any token type"),
        ),
    ),
    "403": Problem(
        "Forbidden",
        "The user may not do this.",
        (
            Told(
                "No right",
                "permission_denied",
                "You do not have permission to perform this action.",
            ),
        ),
    ),
    "404": Problem(
        "NotFound",
        "There is no such thing.",
        (Told("No such row", "not_found", "Not found.", "/api/products/999/"),),
    ),
    "406": Problem(
        "NotAcceptable",
        "None of the formats asked for is there.",
        (Told("XML", "not_acceptable", "Could not satisfy the request Accept header."),),
    ),
    "409": Problem(
        "Conflict",
        "The request conflicts with what is stored.",
        (
            Told(
                "A key that is taken",
                "duplicate",
                "SOCK-RED-42 already belongs to product 17.",
                pointer="/sku",
            ),
        ),
    ),
    "411": Problem(
        "LengthRequired",
        "The body has no Content-Length.",
        (
            Told(
                "In chunks",
                "length_required",
                "The body has no Content-Length; send it whole, not in chunks.",
            ),
        ),
    ),
    "412": Problem(
        "PreconditionFailed",
        "The row is not as If-Match or If-None-Match says.",
        (
            Told(
                "Changed since",
                "precondition_failed",
                "The row has been changed since; read it again.",
                "/api/products/1/",
            ),
        ),
    ),
    "413": Problem(
        "ContentTooLarge",
        "The body is too large.",
        (Told("Too many bytes", "too_large", "The body is larger than 1048576 bytes."),),
    ),
    "415": Problem(
        "UnsupportedMediaType",
        "The body is in a format that is not taken here.",
        (
            Told(
                "A form",
                "unsupported_media_type",
                'Unsupported media type "multipart/form-data" in request.',
            ),
        ),
    ),
    "422": Problem(
        "UnprocessableContent",
        "The Idempotency-Key was sent with another request before.",
        (
            Told(
                "A key used twice",
                "idempotency_key_reused",
                "The Idempotency-Key was sent with another request before; take a new one.",
            ),
        ),
    ),
    "429": Problem(
        "TooManyRequests",
        "Too many requests; Retry-After says when to come again.",
        (
            Told(
                "Too often",
                "throttled",
                "Request was throttled. Expected available in 60 seconds.",
                "/api/token/",
            ),
        ),
        waits=True,
    ),
    "500": Problem(
        "InternalServerError",
        "Something went wrong on our side.",
        (Told("A fault of ours", "error", "Something went wrong on our side."),),
    ),
    "503": Problem(
        "ServiceUnavailable",
        "The database does not answer at the moment, others hold what the request wants, or nobody "
        "counts attempts to sign in.",
        (
            Told("No database", "unavailable", "The database does not answer at the moment."),
            Told(
                "Others in the way",
                "lock_conflict",
                "Other requests were in the way, and nothing was done; send it again.",
            ),
            Told(
                "No cache",
                "unavailable",
                "Attempts to sign in cannot be counted at the moment.",
                "/api/token/",
            ),
        ),
        waits=True,
    ),
}
