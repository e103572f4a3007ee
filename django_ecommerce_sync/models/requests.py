"""What is kept about requests to the API."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import KeyField
from .records import SyncRun

#: What stands for a feed in runs that carry out a bulk request.
BULK_FEED = "api:bulk"
#: The ``trigger`` of such a run.
BULK = "bulk"


class IdempotencyKey(models.Model):
    """A POST that its client has named, and the answer it got: sent again, it is answered again.

    ``status`` is NULL while the request is being carried out; ``locked_until`` is when another
    may take it over, ``fence`` who did so last. ``fingerprint`` tells the request from any other.
    """

    # Not a foreign key: the row outlives nobody by more than a day, and there may be no user.
    owner = KeyField(_("user"), max_length=64, blank=True)
    key = KeyField(_("key"), max_length=255)
    request = models.CharField(_("request"), max_length=255)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    status = models.PositiveSmallIntegerField(_("status"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    body = models.TextField(_("body"), blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    locked_until = models.DateTimeField(_("locked until"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="ecs_idempotency_identity")
        ]

    def __str__(self) -> str:
        return f"{self.request} {self.key}"


class SentRowStatus(models.TextChoices):
    WAITING = "waiting", _("waiting")
    CREATED = "created", _("created")
    UPDATED = "updated", _("updated")
    UNCHANGED = "unchanged", _("unchanged")
    DUPLICATE = "duplicate", _("duplicate")
    SKIPPED = "skipped", _("skipped")
    REJECTED = "rejected", _("rejected")


class SentRow(models.Model):
    """A row of a bulk request too large to be answered at once: what was sent, then its result.

    ``payload`` is the row as JSON until it is carried out, and NULL afterwards: what people sent
    is kept no longer than it is needed. ``key`` finds other rows with the same one. A right row is
    ``skipped`` where a wrong one stops them all.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="sent_rows", db_index=False)
    index = models.PositiveIntegerField(_("index"))
    payload = models.TextField(_("row"), null=True)  # noqa: DJ001
    key = KeyField(_("key"), max_length=191, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=SentRowStatus, default=SentRowStatus.WAITING
    )
    object_id = models.BigIntegerField(_("object id"), null=True)
    errors = models.JSONField(_("errors"), default=list)

    class Meta:
        verbose_name = _("sent row")
        verbose_name_plural = _("sent rows")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "index"], name="ecs_sent_row")]
        indexes = [models.Index(fields=["run", "status", "index"], name="ecs_sent_status")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.index}"
