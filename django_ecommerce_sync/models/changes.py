"""What changed in the synced rows, when, and on whose word."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import KeyField


class ChangeAction(models.TextChoices):
    CREATED = "created", _("created")
    UPDATED = "updated", _("updated")
    ARCHIVED = "archived", _("archived")
    EDITED = "edited", _("edited")


class SyncChange(models.Model):
    """One change of one row: by a feed's record in a run, or by a person.

    Rows that stay as they are leave no trace here.
    """

    id = models.BigAutoField(primary_key=True)
    model = KeyField(_("model"), max_length=100)
    object_id = KeyField(_("object id"), max_length=64)
    action = models.CharField(_("action"), max_length=10, choices=ChangeAction)
    # fields: {name: [old, new]}, or {name: null} where the values are personal, or were not
    # there before; amounts and times as texts
    fields = models.JSONField(_("fields"), default=dict, blank=True)
    feed = KeyField(_("feed"), max_length=64, blank=True)
    stream = KeyField(_("stream"), max_length=64, blank=True)
    # A plain number, not a foreign key: runs are pruned earlier than what they did.
    run = models.BigIntegerField(_("run"), null=True, blank=True)
    user = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_id", "model"], name="ecs_change_object")]

    def __str__(self) -> str:
        return f"{self.model} {self.object_id} {self.action}"
