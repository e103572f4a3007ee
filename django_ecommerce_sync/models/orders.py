"""Orders and their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .base import SyncedModel
from .catalog import Product
from .customers import Customer
from .fields import CurrencyField, KeyField, MoneyField

#: ``Order.source`` of an order that no feed brought: it was made here, by a person or a client.
LOCAL_SOURCE = "local"
ZERO = Decimal(0)
#: By how much each line's amount may differ from what it was rounded from.
_ROUNDING = Decimal("0.01")


class OrderStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    PROCESSING = "processing", _("processing")
    ON_HOLD = "on_hold", _("on hold")
    SHIPPED = "shipped", _("shipped")
    COMPLETED = "completed", _("completed")
    CANCELLED = "cancelled", _("cancelled")
    REFUNDED = "refunded", _("refunded")
    FAILED = "failed", _("failed")


class PaymentStatus(models.TextChoices):
    UNKNOWN = "unknown", _("unknown")
    PENDING = "pending", _("pending")
    AUTHORIZED = "authorized", _("authorized")
    PARTIALLY_PAID = "partially_paid", _("partially paid")
    PAID = "paid", _("paid")
    PARTIALLY_REFUNDED = "partially_refunded", _("partially refunded")
    REFUNDED = "refunded", _("refunded")
    VOIDED = "voided", _("voided")


class FulfillmentStatus(models.TextChoices):
    UNKNOWN = "unknown", _("unknown")
    UNFULFILLED = "unfulfilled", _("unfulfilled")
    PARTIAL = "partial", _("partial")
    FULFILLED = "fulfilled", _("fulfilled")
    RETURNED = "returned", _("returned")


class Order(SyncedModel):
    """An order as its source tells it; two shops may both have a number 1001.

    The customer's e-mail and name are copied: an order outlives its customer.
    """

    sync_key: ClassVar[str] = "order_id"
    sync_scope: ClassVar[str | None] = "source"
    sync_children: ClassVar[tuple[str, ...]] = ("lines",)
    sync_snapshots: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {
        "customer": {"customer_email": ("email",), "customer_name": ("first_name", "last_name")}
    }
    sync_aliases: ClassVar[dict[str, dict[str, str]]] = {
        "status": {
            "canceled": "cancelled",
            "open": "processing",
            "closed": "completed",
            "complete": "completed",
            "delivered": "completed",
            "in_progress": "processing",
            "checkout_draft": "pending",
        },
        "fulfillment_status": {"partially_fulfilled": "partial", "shipped": "fulfilled"},
    }
    sync_personal: ClassVar[tuple[str, ...]] = (
        "customer_email",
        "customer_name",
        "billing_address",
        "shipping_address",
        "note",
    )

    order_id = KeyField(_("order number"), max_length=64)
    source = KeyField(_("source"), max_length=64, default=LOCAL_SOURCE)
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=_("customer"),
    )
    customer_email = models.CharField(_("customer's e-mail"), max_length=254, blank=True)
    customer_name = models.CharField(_("customer's name"), max_length=255, blank=True)
    order_date = models.DateTimeField(_("date"), default=timezone.now)
    currency = CurrencyField(_("currency"), blank=True)
    subtotal = MoneyField(_("subtotal"), default=ZERO)
    discount_total = MoneyField(_("discount"), default=ZERO)
    shipping_total = MoneyField(_("shipping"), default=ZERO)
    tax_total = MoneyField(_("tax"), default=ZERO)
    total_amount = MoneyField(_("total"), default=ZERO)
    billing_address = models.JSONField(_("billing address"), default=dict, blank=True)
    shipping_address = models.JSONField(_("shipping address"), default=dict, blank=True)
    status = models.CharField(
        _("status"), max_length=20, choices=OrderStatus, default=OrderStatus.PENDING
    )
    payment_status = models.CharField(
        _("payment"), max_length=20, choices=PaymentStatus, default=PaymentStatus.UNKNOWN
    )
    fulfillment_status = models.CharField(
        _("fulfillment"),
        max_length=20,
        choices=FulfillmentStatus,
        default=FulfillmentStatus.UNKNOWN,
    )
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            models.UniqueConstraint(fields=["source", "order_id"], name="ecs_order_identity")
        ]
        indexes = [
            models.Index(fields=["updated_at", "id"], name="ecs_order_updated"),
            models.Index(fields=["status", "order_date"], name="ecs_order_status_date"),
            models.Index(fields=["customer", "order_date"], name="ecs_order_customer_date"),
            models.Index(fields=["order_date"], name="ecs_order_date"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.order_id}"

    @classmethod
    def sync_complete(cls, values: dict[str, Any], stored: Mapping[str, Any]) -> None:
        """Fill in the totals ``values`` does not carry, where it carries the lines they sum up.

        ``stored`` is the order as it is now, with its lines; empty for a new one.
        """
        if "lines" not in values:
            return
        old_lines = stored.get("lines", ())
        for index, line in enumerate(values["lines"]):
            _complete_line(line, old_lines[index] if index < len(old_lines) else {})
        values.setdefault("subtotal", sum((line["line_total"] for line in values["lines"]), ZERO))
        if "total_amount" not in values:

            def part(name: str) -> Decimal:
                return Decimal(values.get(name, stored.get(name, ZERO)))

            values["total_amount"] = (
                values["subtotal"]
                - part("discount_total")
                + part("shipping_total")
                + part("tax_total")
            )

    @classmethod
    def sync_warnings(
        cls, values: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        """What is strange about a record that is applied: pairs of code and sentence.

        ``stored`` is the order as it was; empty for a new one. A total that the lines do not
        come to is kept, for the source has sold at that price. Lines may hold discount and tax
        already, so a total is right if it is the lines' with or without them.
        """
        if "lines" not in values or "total_amount" not in values:
            return

        def part(name: str) -> Decimal:
            return Decimal(values.get(name, stored.get(name, ZERO)))

        total, lines = values["total_amount"], values["lines"]
        sold = sum((line["line_total"] for line in lines), part("shipping_total"))
        readings = [
            sold - discount + tax
            for discount in (ZERO, part("discount_total"))
            for tax in (ZERO, part("tax_total"))
        ]
        if min(abs(total - reading) for reading in readings) > _ROUNDING * max(len(lines), 1):
            number = values.get("order_id", stored.get("order_id"))
            amounts = f"its total is {total:.2f}, its lines come to {readings[-1]:.2f}"
            yield "total_mismatch", f"Order {number}: {amounts}."


def _complete_line(line: dict[str, Any], stored: Mapping[str, Any]) -> None:
    if "line_total" in line:
        return

    def part(name: str, default: Decimal) -> Decimal:
        return Decimal(line.get(name, stored.get(name, default)))

    amount = part("unit_price", ZERO) * part("quantity", Decimal(1))
    line["line_total"] = amount - part("discount_amount", ZERO)


class OrderLine(models.Model):
    """One position of an order; SKU, name and price are copied: a line outlives its product."""

    #: Within its order, a line is known by its position.
    sync_key: ClassVar[str] = "position"
    #: Follows from the other columns where the feed does not say it.
    sync_computed: ClassVar[tuple[str, ...]] = ("line_total",)
    sync_snapshots: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {
        "product": {"sku": ("sku",), "name": ("name",), "unit_price": ("price",)}
    }

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", verbose_name=_("order"))
    position = models.PositiveIntegerField(_("position"))
    product = models.ForeignKey(
        Product,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="order_lines",
        verbose_name=_("product"),
    )
    sku = models.CharField(_("SKU"), max_length=191, blank=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    unit_price = MoneyField(_("unit price"), default=ZERO)
    quantity = models.IntegerField(_("quantity"), default=1)
    discount_amount = MoneyField(_("discount"), default=ZERO)
    tax_amount = MoneyField(_("tax"), default=ZERO)
    line_total = MoneyField(_("line total"), default=ZERO)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="ecs_orderline_identity")
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.quantity} × {self.sku or self.name}"
