"""Orders with their lines."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Order, OrderLine
from .base import SyncedAdmin


class OrderLineInline(admin.TabularInline):  # type: ignore[type-arg]
    model = OrderLine
    extra = 0
    autocomplete_fields = ("product",)
    fields = (
        "position",
        "product",
        "sku",
        "name",
        "quantity",
        "unit_price",
        "discount_amount",
        "tax_amount",
        "line_total",
    )


@admin.register(Order)
class OrderAdmin(SyncedAdmin):
    list_display = (
        "order_id",
        "source",
        "order_date",
        "customer",
        "total_amount",
        "currency",
        "status",
        "payment_status",
        "fulfillment_status",
    )
    list_filter = (
        "status",
        "payment_status",
        "fulfillment_status",
        "source",
        ("archived_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("customer",)
    date_hierarchy = "order_date"
    search_fields = ("order_id", "customer_email", "customer_name")
    search_help_text = _("order number, the customer's e-mail or name")
    ordering = ("-order_date", "-id")
    autocomplete_fields = ("customer",)
    inlines = (OrderLineInline,)
    fieldsets = (
        (None, {"fields": ("order_id", "source", "order_date", "feed_records")}),
        (_("Customer"), {"fields": ("customer", "customer_email", "customer_name")}),
        (_("State"), {"fields": ("status", "payment_status", "fulfillment_status", "note")}),
        (
            _("Amounts"),
            {
                "fields": (
                    "currency",
                    "subtotal",
                    "discount_total",
                    "shipping_total",
                    "tax_total",
                    "total_amount",
                )
            },
        ),
        (_("Addresses"), {"fields": ("billing_address", "shipping_address")}),
        (_("History"), {"fields": ("version", "archived_at", "created_at", "updated_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Where an order comes from is part of what it is: fixed once it is there."""
        return (*self.readonly_fields, "source") if obj else self.readonly_fields
