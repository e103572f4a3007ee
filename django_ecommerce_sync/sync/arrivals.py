"""Rejected rows that wait for another row, and what happens once it is there.

A waiting row keeps digests of what it lacks: the record's id in its feed, the key of the row, or
both. Whoever brings a row looks whether anybody waits for it, in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import cache

from django.db import models
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat, Left
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..models import IssueState, SyncIssue
from .changes import Changes
from .prepared import PreparedQuery
from .target import Target

_SALT = "ecommerce_sync.arrivals"
#: Digests looked up in one statement.
_CHUNK = 1000
#: What the column of an issue's message takes.
_MESSAGE = 500


def of_record(feed: str, stream: str, external_id: str) -> str:
    """The digest of a record by its id in the feed."""
    return _digest("record", feed, stream, external_id)


def of_key(label: str, key: str) -> str:
    """The digest of a row by its key; ``label`` is its model's. It tells no e-mail address."""
    return _digest("key", label, key)


def _digest(*parts: str) -> str:
    return salted_hmac(_SALT, "\0".join(parts), algorithm="sha256").hexdigest()[:32]


def anybody_waits() -> bool:
    """Whether there is anybody to tell of a new row."""
    return bool(_waiting().rows())


@cache
def _waiting() -> PreparedQuery:
    return PreparedQuery(
        lambda: SyncIssue.objects.filter(waits_for__gt="").order_by().values_list("pk")[:1]
    )


def announce_batch(target: Target, changes: Changes, how: str, *, feed: str, stream: str) -> None:
    """Mark the rejected rows that waited for what a batch has brought."""
    found = (*changes.update, *changes.relink)
    is_known = (item.link is not None or not item.external_id for item in found)
    renamed = (target.key in item.changed for item in changes.update)
    brought = changes.create or changes.load.keys or not all(is_known) or any(renamed)
    if brought and anybody_waits():
        announce(set(_brought(feed, stream, target, changes)), how)


def announce_row(row: models.Model, key: str) -> None:
    """Mark the rejected rows that waited for a row that no sync has written."""
    value = getattr(row, key)
    if value is not None and anybody_waits():
        announce({of_key(row._meta.label_lower, str(value))}, "arrived")


def announce(digests: Collection[str], how: str) -> None:
    """Mark the rejected rows that waited for any of these, and say so in their messages."""
    found: dict[str, set[int]] = defaultdict(set)
    ordered = sorted(digests)
    for start in range(0, len(ordered), _CHUNK):
        wanted = ordered[start : start + _CHUNK]
        for column in ("waits_for", "waits_for_key"):
            waiting = SyncIssue.objects.filter(**{f"{column}__in": wanted})
            for pk, field in waiting.values_list("pk", "field"):
                found[field.rpartition(".")[2]].add(pk)
    for relation, pks in sorted(found.items()):
        said = Value(f" Its {relation} {how}.")
        SyncIssue.objects.filter(pk__in=sorted(pks)).update(
            waits_for="",
            waits_for_key="",
            arrived_at=timezone.now(),
            message=Left(Concat(F("message"), said), _MESSAGE),
        )


def _brought(feed: str, stream: str, target: Target, changes: Changes) -> Iterator[str]:
    """The digests of all that can be found now and could not before."""
    known = [item for item in (*changes.update, *changes.relink) if item.link is None]
    for item in (*changes.create, *known):
        if item.external_id:
            yield of_record(feed, stream, item.external_id)
    for external_id, *_ in changes.load.records:
        yield of_record(feed, stream, external_id)
    for key in changes.load.keys:
        yield of_key(target.label, str(key))
    renamed = [item for item in changes.update if target.key in item.changed]
    for item in (*changes.create, *renamed):
        if (key := item.values.get(target.key)) is not None:
            yield of_key(target.label, str(key))


def to_land() -> QuerySet[SyncIssue]:
    """The rejected rows whose missing row is there, and that nobody has read again since."""
    arrived = SyncIssue.objects.filter(arrived_at__isnull=False, retried_in__isnull=True)
    return arrived.filter(state=IssueState.OPEN)
