"""What the synced models of this package have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class SyncedModel(models.Model):
    """A row that feeds, people and API clients keep in step.

    The class attributes below tell the engine how to treat a model; a host's own models may
    carry them too, none is required.
    """

    #: The field by which a record finds its row when no link knows it yet.
    sync_key: ClassVar[str]
    #: A field that holds the feed's alias and is part of the identity, or None.
    sync_scope: ClassVar[str | None] = None
    #: The related names of child rows that come with the record.
    sync_children: ClassVar[tuple[str, ...]] = ()
    #: Relation → {own field: fields of the related row}: what is copied when the feed is silent.
    sync_snapshots: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {}
    #: Field with choices → {how feeds spell it, in lower_snake_case: our value}.
    sync_aliases: ClassVar[dict[str, dict[str, str]]] = {}
    #: Fields whose values are nobody's business but the customer's: plans do not keep them.
    sync_personal: ClassVar[tuple[str, ...]] = ()

    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, counting the version up: a row's version changes with every change to it."""
        if self.pk and not self._state.adding:
            self.version += 1
            if (fields := kwargs.get("update_fields")) is not None:
                kwargs["update_fields"] = {*fields, "version", "updated_at"}
        super().save(*args, **kwargs)
