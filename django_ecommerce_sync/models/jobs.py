"""What is carried out by one worker at a time, and taken over where that one dies."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RunStatus(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    PARTIAL = "partial", _("partial")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class Job(models.Model):
    """A row that is the job itself: who holds it, how far it has come, how it ended."""

    status = models.CharField(
        _("status"), max_length=10, choices=RunStatus, default=RunStatus.QUEUED
    )
    # where the next batch begins: {"stream": name, "page": cursor, "offset": rows into that page}
    cursor = models.JSONField(_("cursor"), default=dict, blank=True)
    # warnings: [{"stream": name, "code": code, "message": sentence}]; nothing was rejected for it
    warnings = models.JSONField(_("warnings"), default=list, blank=True)
    batch_number = models.PositiveIntegerField(_("batches"), default=0)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error = models.TextField(_("error"), blank=True)

    owner = models.CharField(_("owner"), max_length=64, blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    stalled_attempts = models.PositiveIntegerField(_("attempts without progress"), default=0)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        """Whether it is still queued or running."""
        return self.status in ACTIVE
