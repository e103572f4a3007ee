"""What is kept about requests to the API."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import KeyField


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
