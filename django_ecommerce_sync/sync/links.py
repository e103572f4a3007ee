"""Links between feed records and rows: forgetting digests when somebody else writes a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.db import models
from django.db.models.signals import post_delete, post_save

from ..conf import settings
from ..feeds import get_feed
from ..models import SyncLink
from .arrivals import announce_row
from .continuity import forget
from .prepared import PreparedQuery
from .saving import is_own_write

#: A feed and one of its streams.
Document = tuple[str, str]


def connect() -> None:
    """Listen for rows saved or deleted by anyone but a sync (bulk writes send no signals)."""
    post_save.connect(forget_digest, dispatch_uid="ecommerce_sync.forget_digest")
    post_save.connect(tell_who_waits, dispatch_uid="ecommerce_sync.tell_who_waits")
    post_delete.connect(drop_links, dispatch_uid="ecommerce_sync.drop_links")
    setting_changed.connect(_look_again, dispatch_uid="ecommerce_sync.linked_models")


def forget_digest(
    sender: type[models.Model], instance: models.Model, created: bool, **kwargs: Any
) -> None:
    """A row changed here: the next sync must compare it in full, for the feed may differ now."""
    if not created and _may_be_linked(sender) and not is_own_write(instance):
        _forget(_links_of(instance), _documents_of(instance))


def forget_digests(model: type[models.Model], keys: Iterable[Any]) -> None:
    """Rows changed here in bulk, by primary key: the next sync must compare them in full."""
    ids = sorted(map(str, keys))
    if ids:
        links = SyncLink.objects.filter(model=model._meta.label_lower, object_id__in=ids)
        _forget(links, list(_documents(links)))


def forget_others(model: type[models.Model], object_ids: Iterable[str], **place: str) -> None:
    """A record says less of its rows than before: those of other streams are heard again.

    ``place`` is the record's ``feed`` and ``stream``.
    """
    ids = sorted(object_ids)
    if ids:
        links = SyncLink.objects.filter(model=model._meta.label_lower, object_id__in=ids)
        others = links.exclude(**place)
        _forget(others, list(_documents(others)))


def _forget(links: models.QuerySet[SyncLink], documents: Sequence[Document]) -> None:
    if documents:  # most rows that people write are known to no feed
        links.exclude(hash="").update(hash="")
    _forget_documents(documents)


def tell_who_waits(
    sender: type[models.Model], instance: models.Model, update_fields: Any, **kwargs: Any
) -> None:
    """A row came, or its key changed: records that refer to it by that key can land now."""
    key = getattr(sender, "sync_key", "")
    is_told = update_fields is None or key in update_fields
    if key and is_told and not is_own_write(instance):
        announce_row(instance, key)


def drop_links(sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
    """A row is gone: its links with it, so that the feed may bring it anew."""
    if _may_be_linked(sender) and not is_own_write(instance):
        documents = _documents_of(instance)
        _forget_documents(documents)
        if documents:
            _links_of(instance).delete()


def _documents(links: models.QuerySet[SyncLink]) -> models.QuerySet[SyncLink, Document]:
    """The feeds and streams the links are of."""
    return links.values_list("feed", "stream").distinct()


def _documents_of(instance: models.Model) -> Sequence[Document]:
    """The same for the links of one row, which every save asks for."""
    return _of_row().rows(instance._meta.label_lower, str(instance.pk))


def _forget_documents(documents: Iterable[Document]) -> None:
    for feed, stream in documents:
        forget(feed, stream)


def _links_of(instance: models.Model) -> models.QuerySet[SyncLink]:
    return SyncLink.objects.filter(model=instance._meta.label_lower, object_id=str(instance.pk))


@cache
def _of_row() -> PreparedQuery:
    return PreparedQuery(
        lambda model, pk: _documents(SyncLink.objects.filter(model=model, object_id=pk)),
        "\x00 some model",
        "\x00 some key",
    )


def _may_be_linked(model: type[models.Model]) -> bool:
    """Whether any configured feed writes this model; others must not pay for a look."""
    return hasattr(model, "sync_key") or model._meta.label_lower in linked_models()


@cache
def linked_models() -> frozenset[str]:
    """The models that the configured feeds write, by label in lower case.

    Every save in the project asks, so feeds are built for it once.
    """
    return frozenset(label for alias in settings.FEEDS for label in _models_of(alias))


def _models_of(alias: str) -> Iterator[str]:
    # A feed that cannot be built brings no rows; whatever is wrong with it, system checks and
    # runs say so, and saving some row must not fail for it.
    with suppress(Exception), get_feed(alias) as feed:
        yield from [stream.model_label.lower() for stream in feed.streams]


def _look_again(*, setting: str, **kwargs: Any) -> None:
    if setting == "ECOMMERCE_SYNC":
        linked_models.cache_clear()
