"""Errors as problem documents (RFC 9457), whatever went wrong under our addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.signals import got_request_exception
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings as drf_settings
from rest_framework.views import set_rollback

from ..sync.faults import is_lock_conflict
from .conf import api_settings

logger = logging.getLogger("django_ecommerce_sync.api")


def step(name: object) -> str:
    """One step of a JSON pointer."""
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


class FieldProblem(NamedTuple):
    """What is wrong with one value: a JSON pointer into the body, a code, a sentence.

    ``extra`` holds what the sentence says, for programs.
    """

    pointer: str
    code: str
    detail: Any
    location: str = "body"
    extra: Mapping[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The entry of ``errors``; ``in`` is there only for what is not in the body."""
        entry = {"pointer": self.pointer, "code": str(self.code), "detail": str(self.detail)}
        where = {} if self.location == "body" else {"in": self.location}
        return {**entry, **where, **self.extra}


class FieldsProblem(exceptions.APIException):
    """A refusal that names the values at fault."""

    status_code = HTTPStatus.BAD_REQUEST
    default_detail = _("The request is not valid.")
    default_code = "invalid"

    def __init__(self, errors: Iterable[FieldProblem], code: str | None = None) -> None:
        self.errors = list(errors)
        # As text: it may have come with the code of the one value, and this is about them all.
        detail = str(self.errors[0].detail) if len(self.errors) == 1 else None
        super().__init__(detail, code)


class InvalidBody(FieldsProblem):
    """The body is JSON, but holds what cannot be used."""


class InvalidQuery(FieldsProblem):
    """A query parameter is wrong."""

    def __init__(self, parameter: str, detail: Any, code: str = "invalid") -> None:
        super().__init__([FieldProblem(step(parameter), code, detail, "query")])


class Duplicate(FieldsProblem):
    """Another row has that key already."""

    status_code = HTTPStatus.CONFLICT
    default_code = "duplicate"

    def __init__(self, field: str, detail: Any) -> None:
        super().__init__([FieldProblem(step(field), "duplicate", detail)], "duplicate")


class Conflict(exceptions.APIException):
    """The request is fine; the present state of things does not allow it."""

    status_code = HTTPStatus.CONFLICT
    default_detail = _("The request conflicts with what is stored.")
    default_code = "conflict"


class ConflictingFields(FieldsProblem):
    """The values are fine; the present state of things does not allow them."""

    status_code = HTTPStatus.CONFLICT


class UnknownFields(FieldsProblem):
    """The values are fine, but what they name is not there."""

    status_code = HTTPStatus.NOT_FOUND
    default_code = "not_found"


class LengthRequired(exceptions.APIException):
    """The body comes in chunks, and nobody says how long it is."""

    status_code = HTTPStatus.LENGTH_REQUIRED
    default_detail = _("The body has no Content-Length; send it whole, not in chunks.")
    default_code = "length_required"


class BodyTooLarge(exceptions.APIException):
    """The body is larger than we take."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(_("The body is larger than %d bytes.") % limit)


class TooManyRows(exceptions.APIException):
    """The body has more rows than we take."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_many_rows"

    def __init__(self, number: int, limit: int) -> None:
        super().__init__(
            _("The body has %(number)d rows; %(limit)d can be sent at once.")
            % {"number": number, "limit": limit}
        )


class Unavailable(exceptions.APIException):
    """The database does not answer now; asking again may help."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = _("The database does not answer at the moment.")
    default_code = "unavailable"
    wait = 2


class Uncounted(Unavailable):
    """The cache does not count now, and attempts that nobody counts are not let in."""

    default_detail = _("Attempts to sign in cannot be counted at the moment.")


class LockConflict(Unavailable):
    """Other requests hold what this one wants, again and again."""

    default_detail = _("Other requests were in the way, and nothing was done; send it again.")
    default_code = "lock_conflict"
    wait = 1


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Any error as a problem; what nobody expected is logged, and told only as a 500."""
    known = _known(error)
    if known is None:
        _report(error, context)
        known = exceptions.APIException(_("Something went wrong on our side."), "error")
    set_rollback()
    response = Response(_document(known, context), status=known.status_code)
    if header := getattr(known, "auth_header", None):
        response["WWW-Authenticate"] = header
    if wait := getattr(known, "wait", None):
        response["Retry-After"] = str(max(1, int(wait)))
    return response


def _known(error: Exception) -> exceptions.APIException | None:
    """The error as one that has a status, or None for a fault of ours."""
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return BodyTooLarge(api_settings.MAX_BODY_SIZE)
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError(_("The request cannot be understood."))
    if isinstance(error, ProtectedError | RestrictedError):
        return _protected(error)
    if isinstance(error, IntegrityError):
        return Conflict()
    if isinstance(error, OperationalError) and is_lock_conflict(error):
        logger.warning("Others held the locks: %s", error)
        return LockConflict()
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database does not answer: %s", error)
        return Unavailable()
    return None


def _protected(error: ProtectedError | RestrictedError) -> Conflict:
    rows: Any = getattr(error, "protected_objects", None) or getattr(
        error, "restricted_objects", ()
    )
    return Conflict(_("%d other rows need this one.") % len(rows), "protected")


def _report(error: Exception, context: dict[str, Any]) -> None:
    request = context.get("request")
    logger.error(
        "%s %s failed (request %s)",
        getattr(request, "method", "?"),
        getattr(request, "path", "?").encode("unicode_escape").decode(),  # it is anybody's text
        getattr(context.get("view"), "request_id", "?"),
        exc_info=error,
    )
    # Error trackers, and Django's own test client, listen for this signal.
    got_request_exception.send(sender=type(context.get("view")), request=request)


def _document(error: exceptions.APIException, context: dict[str, Any]) -> dict[str, Any]:
    status = HTTPStatus(error.status_code)
    errors = [entry.as_dict() for entry in _field_problems(error)]
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": _code(error),
        "detail": _detail(error, errors),
        "instance": getattr(context.get("request"), "path", ""),
    }
    if request_id := getattr(context.get("view"), "request_id", ""):
        document["request_id"] = request_id
    if errors:
        document["errors"] = errors
    return document


def _code(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "invalid"
    if isinstance(error.detail, dict):  # simplejwt puts its code beside the detail
        return str(error.detail.get("code", error.default_code))
    return str(getattr(error.detail, "code", None) or error.default_code)


def _detail(error: exceptions.APIException, errors: list[dict[str, Any]]) -> str:
    if errors:
        first = errors[0]
        name = first["pointer"].lstrip("/")
        sentence = f"{name}: {first['detail']}" if name else first["detail"]
        return sentence if len(errors) == 1 else f"{sentence} ({len(errors) - 1} more)"
    if isinstance(error.detail, dict):
        return str(error.detail.get("detail", error.default_detail))
    return str(error.detail)


def _field_problems(error: exceptions.APIException) -> list[FieldProblem]:
    if isinstance(error, FieldsProblem):
        return error.errors
    if isinstance(error, exceptions.ValidationError):
        return list(field_problems(error.detail, "", getattr(error, "location", "body")))
    return []


def field_problems(detail: Any, pointer: str, location: str = "body") -> Iterator[FieldProblem]:
    """DRF's nested errors, one by one, with a JSON pointer each."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            whole = name in (drf_settings.NON_FIELD_ERRORS_KEY, "non_field_errors", "__all__")
            yield from field_problems(inner, pointer if whole else pointer + step(name), location)
    elif isinstance(detail, list | tuple):
        for number, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from field_problems(
                inner, pointer + step(number) if nested else pointer, location
            )
    else:
        yield FieldProblem(pointer, getattr(detail, "code", "invalid"), detail, location)
