"""What a dry run would change, kept row by row."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import KeyField
from .records import SyncRun


class PlannedAction(models.TextChoices):
    CREATE = "create", _("create")
    UPDATE = "update", _("update")
    ARCHIVE = "archive", _("archive")
    CONFLICT = "conflict", _("conflict")
    REJECT = "reject", _("reject")
    SKIP = "skip", _("skip")


class PlannedChange(models.Model):
    """What a run would do about one record; records it would leave alone are only counted.

    ``changes`` is ``{field: [old, new]}``; both are null where the values are personal, for
    they are not kept. ``digest`` speaks of the true values, so that it can be told whether the
    decision is still the same; ``identity`` of the record. Both mean nothing to anybody else.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        SyncRun, models.CASCADE, related_name="planned_changes", verbose_name=_("run")
    )
    stream = KeyField(_("stream"), max_length=64)
    position = models.PositiveBigIntegerField(_("position"), null=True, blank=True)
    external_id = KeyField(_("external id"), max_length=191, blank=True)
    key = models.CharField(_("key"), max_length=191, blank=True)
    action = models.CharField(_("action"), max_length=10, choices=PlannedAction)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    model = KeyField(_("model"), max_length=100)
    object_id = KeyField(_("object id"), max_length=64, blank=True)
    changes = models.JSONField(_("changes"), default=dict, blank=True)
    identity = KeyField(max_length=32, editable=False)
    digest = KeyField(max_length=32, editable=False)

    class Meta:
        verbose_name = _("planned change")
        verbose_name_plural = _("planned changes")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["run", "identity"], name="ecs_plan_identity"),
            models.Index(fields=["run", "action", "stream"], name="ecs_plan_action"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.key or self.external_id or self.position}: {self.action}"
