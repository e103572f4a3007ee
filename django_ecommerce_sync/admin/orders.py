"""Orders with their lines and their log; the rules are those of the API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from .. import orders
from ..exceptions import OrderLocked, OrderRefused
from ..models import Order, OrderEvent, OrderLine
from .base import SyncedAdmin

STATES = ("status", "payment_status", "fulfillment_status")


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


class OrderEventInline(admin.TabularInline):  # type: ignore[type-arg]
    """What happened, to be read."""

    model = OrderEvent
    fields = ("at", "kind", "from_state", "to_state", "by", "note", "data")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OrderForm(forms.ModelForm):  # type: ignore[type-arg]
    """An order, and where it shall go."""

    move_to = forms.ChoiceField(label=_("move to"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ways = orders.allowed_transitions(self.instance) if self.instance.pk else []
        field = self.fields.get("move_to")
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "---------"), *((state, state) for state in ways)]


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
    form = OrderForm
    inlines = (OrderLineInline, OrderEventInline)
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
        """Where an order comes from is part of what it is; its states follow from its moves."""
        return (*self.readonly_fields, "source", *STATES) if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """An order that is there can be moved."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj and self.has_change_permission(request, obj):
            fieldsets = [*fieldsets[:3], (None, {"fields": ("move_to",)}), *fieldsets[3:]]
        return fieldsets

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page; what an order's state or the stock does not allow changes nothing."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OrderRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        stored = Order.objects.select_for_update().get(pk=obj.pk)
        for name in (*STATES, "version"):  # not of this form, and it may be an old one
            setattr(obj, name, getattr(stored, name))
        names = set(form.changed_data) - {"move_to"}
        fields = {name for name in names if getattr(obj, name) != getattr(stored, name)}
        if fields:
            orders.check_editable(stored, fields)
            super().save_model(request, obj, form, change)
            orders.record_change(obj, fields, by=request.user, stock={})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Lines, the stock they hold, and the move, in this order."""
        order: Order = form.instance
        before = list(OrderLine.objects.select_for_update().filter(order=order))
        has_new_lines = any(formset.has_changed() for formset in formsets)
        if change and has_new_lines:
            orders.check_editable(order, ["lines"])
        super().save_related(request, form, formsets, change)
        stock = orders.hold_again(order, before) if has_new_lines else {}
        if not change:
            stock |= orders.take_if_gone(order)
            orders.record_creation(order, by=request.user, stock=stock)
        elif has_new_lines:
            order.save(update_fields=[])  # its version tells of its lines, too
            orders.record_change(order, ["lines"], by=request.user, stock=stock)
        if change and (to := form.cleaned_data.get("move_to")):
            orders.transition(order, to, by=request.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What was paid or sent is shown as what forbids it."""
        to_delete, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, perms_needed, [*protected, *filter(_is_kept, objs)]


def _is_kept(order: Order) -> bool:
    """Whether an order made here was paid or sent; a feed's may go, its next run brings it."""
    try:
        orders.check_deletable(order)
    except OrderLocked:
        return order.is_local
    return False
