"""Products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from .base import SyncedModel
from .fields import CodeField, CurrencyField, KeyField, MoneyField


class Availability(models.TextChoices):
    IN_STOCK = "in_stock", _("in stock")
    OUT_OF_STOCK = "out_of_stock", _("out of stock")
    PREORDER = "preorder", _("preorder")
    BACKORDER = "backorder", _("backorder")


class ProductStatus(models.TextChoices):
    DRAFT = "draft", _("draft")
    ACTIVE = "active", _("active")
    ARCHIVED = "archived", _("archived")


class Product(SyncedModel):
    """One thing that can be sold under one SKU; variants share ``group_key``."""

    sync_key: ClassVar[str] = "sku"
    sync_aliases: ClassVar[dict[str, dict[str, str]]] = {
        "availability": {
            "instock": "in_stock",
            "available": "in_stock",
            "low_stock": "in_stock",
            "limited_availability": "in_stock",
            "outofstock": "out_of_stock",
            "sold_out": "out_of_stock",
            "discontinued": "out_of_stock",
            "pre_order": "preorder",
            "presale": "preorder",
            "onbackorder": "backorder",
            "on_backorder": "backorder",
            "back_order": "backorder",
        },
        "status": {
            "publish": "active",
            "published": "active",
            "private": "draft",
            "pending": "draft",
        },
    }

    sku = KeyField(_("SKU"), max_length=191, unique=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    description = models.TextField(_("description"), blank=True)
    price = MoneyField(_("price"), validators=[MinValueValidator(0)])
    compare_at_price = MoneyField(
        _("compare-at price"), null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = CurrencyField(_("currency"), blank=True)
    inventory_count = models.IntegerField(_("inventory"), default=0)
    reserved_count = models.IntegerField(_("reserved"), default=0, editable=False)
    availability = models.CharField(
        _("availability"), max_length=20, choices=Availability, default=Availability.IN_STOCK
    )
    brand = models.CharField(_("brand"), max_length=128, blank=True, db_index=True)
    gtin = CodeField(_("GTIN"), max_length=14, blank=True)
    mpn = CodeField(_("MPN"), max_length=70, blank=True)
    category = models.CharField(_("category"), max_length=255, blank=True)
    group_key = CodeField(_("group key"), max_length=128, blank=True, db_index=True)
    url = models.TextField(_("address"), blank=True)
    image_url = models.TextField(_("image address"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    status = models.CharField(
        _("status"), max_length=20, choices=ProductStatus, default=ProductStatus.ACTIVE
    )

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        indexes = [models.Index(fields=["updated_at", "id"], name="ecs_product_updated")]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}".strip()

    @classmethod
    def sync_warnings(
        cls, values: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        """What is strange about a record that is applied: pairs of code and sentence.

        ``stored`` is the product as it was; empty for a new one. A price that changes its
        currency is as a rule a mapping or a source that has lost its way.
        """
        before, now = stored.get("currency"), values.get("currency")
        if before and now and before != now:
            sku = values.get("sku", stored["sku"])
            yield "currency_changed", f"{sku} was priced in {before} and is priced in {now} now."
