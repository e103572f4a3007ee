"""Conditional requests (RFC 9110): what a client has seen of a row, against what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.request import Request

from ..models import SyncedModel


class PreconditionFailed(exceptions.APIException):
    """The row is not what ``If-Match`` or ``If-None-Match`` says it must be."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_detail = _("The row has been changed since; read it again.")
    default_code = "precondition_failed"


def etag(row: SyncedModel) -> str:
    """The entity tag of a row in this state, quotes included.

    The version alone would not do: it does not count that a related row was deleted and is
    pointed to no more, and it begins anew where a key is used again.
    """
    return tag(row.pk, row.version, *_pointers(row))


def tag(pk: Any, version: int, *pointers: Any) -> str:
    """The entity tag of a row with this key and version that shows these related keys."""
    state = repr([pk, version, *pointers]).encode()
    return f'"{version}-{blake2b(state, digest_size=6).hexdigest()}"'


def _pointers(row: Any) -> Iterator[Any]:
    """The related keys a row shows, its child rows' too."""
    names = [field.attname for field in row._meta.concrete_fields if field.is_relation]
    yield from (getattr(row, name) for name in names)
    for child in getattr(row, "sync_children", ()):
        for line in getattr(row, child).all():
            yield from _pointers(line)


def is_known(request: Request, current: str) -> bool:
    """Whether the client has the row in this very state (``If-None-Match``)."""
    return _names(request.headers.get("If-None-Match", ""), current)


def check_match(request: Request, current: str) -> None:
    """Raise ``PreconditionFailed`` where the client has seen another state, or wants none."""
    wanted = request.headers.get("If-Match")
    if wanted is not None and not _names(wanted, current):
        raise PreconditionFailed()
    if is_known(request, current):
        raise PreconditionFailed(_("The row is there already."))


def check_absence(request: Request) -> None:
    """Raise ``PreconditionFailed`` where the client has seen a row and there is none."""
    if request.headers.get("If-Match") is not None:
        raise PreconditionFailed(_("The row is not there any more."))


def _names(header: str, current: str) -> bool:
    # Compressing proxies and Django's GZipMiddleware weaken a tag on its way to the client;
    # it names the same state of the row all the same.
    tags = [known.removeprefix("W/") for known in parse_etags(header)]
    return tags == ["*"] or current in tags
