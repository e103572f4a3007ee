"""Customers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .base import SyncedModel
from .fields import CodeField, EmailKeyField


class CustomerStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    DISABLED = "disabled", _("disabled")
    ARCHIVED = "archived", _("archived")


class Customer(SyncedModel):
    """Somebody who buys. Shops have phone-only customers, so ``email`` may be null."""

    sync_key: ClassVar[str] = "email"
    sync_aliases: ClassVar[dict[str, dict[str, str]]] = {
        "status": {"enabled": "active", "invited": "active", "declined": "disabled"}
    }
    sync_personal: ClassVar[tuple[str, ...]] = (
        "email",
        "first_name",
        "last_name",
        "phone",
        "company",
        "address",
        "status",
    )

    email = EmailKeyField(_("e-mail"), max_length=254, unique=True, null=True, blank=True)
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    phone = CodeField(_("phone"), max_length=64, blank=True)
    company = models.CharField(_("company"), max_length=255, blank=True)
    address = models.JSONField(_("address"), default=dict, blank=True)
    status = models.CharField(
        _("status"), max_length=20, choices=CustomerStatus, default=CustomerStatus.ACTIVE
    )

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        indexes = [models.Index(fields=["updated_at", "id"], name="ecs_customer_updated")]

    def __str__(self) -> str:
        return self.email or self.full_name or str(self.pk)

    @property
    def full_name(self) -> str:
        """First and last name, as far as they are known."""
        return f"{self.first_name} {self.last_name}".strip()
