"""Links between feed records and rows: forgetting digests when somebody else writes a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_save

from ..models import SyncLink
from .continuity import forget


def connect() -> None:
    """Listen for rows saved or deleted by anyone but a sync (bulk writes send no signals)."""
    post_save.connect(forget_digest, dispatch_uid="ecommerce_sync.forget_digest")
    post_delete.connect(drop_links, dispatch_uid="ecommerce_sync.drop_links")


def forget_digest(
    sender: type[models.Model], instance: models.Model, created: bool, **kwargs: Any
) -> None:
    """A row changed here: the next sync must compare it in full, for the feed may differ now."""
    if not created and _may_be_linked(sender):
        _forget(_links_of(instance))


def forget_digests(model: type[models.Model], keys: Iterable[Any]) -> None:
    """Rows changed here in bulk, by primary key: the next sync must compare them in full."""
    ids = sorted(map(str, keys))
    if ids:
        _forget(SyncLink.objects.filter(model=model._meta.label_lower, object_id__in=ids))


def _forget(links: models.QuerySet[SyncLink]) -> None:
    links.exclude(hash="").update(hash="")
    _forget_documents(links)


def drop_links(sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
    """A row is gone: its links with it, so that the feed may bring it anew."""
    if _may_be_linked(sender):
        links = _links_of(instance)
        _forget_documents(links)
        links.delete()


def _forget_documents(links: models.QuerySet[SyncLink]) -> None:
    for feed, stream in links.values_list("feed", "stream").distinct():
        forget(feed, stream)


def _links_of(instance: models.Model) -> models.QuerySet[SyncLink]:
    return SyncLink.objects.filter(model=instance._meta.label_lower, object_id=str(instance.pk))


def _may_be_linked(model: type[models.Model]) -> bool:
    """Whether any configured feed writes this model; others must not pay for a look."""
    return hasattr(model, "sync_key") or model._meta.label_lower in linked_models()


def linked_models() -> set[str]:
    return set()
