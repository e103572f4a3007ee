"""Customers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..models import Customer
from .base import SyncedAdmin
from .merging import merge_selected


@admin.register(Customer)
class CustomerAdmin(SyncedAdmin):
    actions = (merge_selected,)
    list_display = ("__str__", "full_name", "company", "phone", "status", "updated_at")
    list_filter = ("status", ("archived_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "first_name", "last_name", "company", "phone")
    search_help_text = _("e-mail, name, company or phone")
    ordering = ("-updated_at", "-id")
    readonly_fields = (*SyncedAdmin.readonly_fields, "orders")
    fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name", "status", "orders")}),
        (_("Contact"), {"fields": ("company", "phone", "address")}),
        (
            _("History"),
            {"fields": ("feed_records", "version", "archived_at", "created_at", "updated_at")},
        ),
    )

    @admin.display(description=_("name"))
    def full_name(self, customer: Customer) -> str:
        return customer.full_name

    @admin.display(description=_("orders"))
    def orders(self, customer: Customer) -> SafeString:
        """How many there are, as a link to them."""
        number = customer.orders.count() if customer.pk else 0
        return format_html(
            '<a href="{}?customer__id__exact={}">{}</a>',
            reverse("admin:ecommerce_sync_order_changelist"),
            customer.pk,
            ngettext("%(n)d order", "%(n)d orders", number) % {"n": number},
        )
