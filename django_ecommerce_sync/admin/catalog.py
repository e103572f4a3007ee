"""Products."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from ..models import Product
from .base import SyncedAdmin
from .merging import merge_selected


@admin.register(Product)
class ProductAdmin(SyncedAdmin):
    actions = (merge_selected,)
    list_display = (
        "sku",
        "name",
        "price",
        "currency",
        "inventory_count",
        "availability",
        "status",
        "brand",
        "updated_at",
    )
    list_filter = ("status", "availability", ("archived_at", admin.EmptyFieldListFilter))
    readonly_fields = (*SyncedAdmin.readonly_fields, "reserved_count")
    search_fields = ("sku", "name", "gtin", "mpn", "brand")
    search_help_text = _("SKU, name, GTIN, MPN or brand")
    ordering = ("-updated_at", "-id")
    fieldsets = (
        (None, {"fields": ("sku", "name", "status", "feed_records")}),
        (_("Price"), {"fields": ("price", "compare_at_price", "currency")}),
        (_("Stock"), {"fields": ("availability", "inventory_count", "reserved_count")}),
        (_("Classification"), {"fields": ("brand", "category", "group_key", "gtin", "mpn")}),
        (_("Presentation"), {"fields": ("description", "url", "image_url", "attributes")}),
        (_("History"), {"fields": ("version", "archived_at", "created_at", "updated_at")}),
    )
