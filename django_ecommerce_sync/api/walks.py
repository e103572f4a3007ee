"""Walks through all rows of a list, in the order of their last change."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from .problems import InvalidQuery

#: Where in a walk a row is.
Place = tuple[datetime, int]


def walk(queryset: QuerySet[Any], place: Place | None) -> QuerySet[Any]:
    """The rows after ``place`` in their order; all of them where it is None."""
    if place:
        updated_at, pk = place
        # As a range and an exception to it: MySQL finds the place in the index that way.
        queryset = queryset.filter(updated_at__gte=updated_at)
        queryset = queryset.exclude(updated_at=updated_at, pk__lte=pk)
    return queryset.order_by("updated_at", "pk")


def as_cursor(place: Place) -> str:
    """A place as ``cursor=`` has it."""
    updated_at, pk = place
    text = json.dumps([updated_at.astimezone(UTC).isoformat(), pk])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def as_place(cursor: str) -> Place | None:
    """The place a cursor names, None for the beginning; raises ``InvalidQuery``."""
    if not cursor:
        return None
    try:
        text = urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}".encode("ascii"))
        moment, pk = json.loads(text)
        updated_at = datetime.fromisoformat(moment)
        if updated_at.tzinfo is None or type(pk) is not int or not 0 <= pk < 2**63:
            raise ValueError
        return updated_at.astimezone(UTC), pk
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        detail = _("It is no place in this list; begin anew.")
        raise InvalidQuery("cursor", detail, "invalid_cursor") from None
