"""Orders with their lines."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from ...conf import settings
from ...models import Customer, Order, OrderLine, Product
from ..fields import KeyField
from .base import AUTOMATIC, ResourceSerializer, changed_fields, unique_key
from .lines import MAX_LINES, Line, OrderLineSerializer, check_amounts, complete

TOTALS = ("subtotal", "discount_total", "shipping_total", "tax_total", "total_amount")
LINE_FIELDS = (
    "product_id",
    "sku",
    "name",
    "unit_price",
    "quantity",
    "discount_amount",
    "tax_amount",
    "line_total",
)
#: Letters and digits nobody confuses.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


_EMAIL: Any = Customer._meta.get_field("email")

EXAMPLE = OpenApiExample(
    "Two pairs of socks",
    request_only=True,
    value={
        "order_id": "1001",
        "customer_email": "ada@example.com",
        "lines": [{"sku": "SOCK-RED-42", "quantity": 2}],
        "shipping_total": "4.90",
    },
)


@extend_schema_serializer(examples=[EXAMPLE])
class OrderSerializer(ResourceSerializer[Order]):
    """An order with its lines.

    Totals are computed from the lines; an order without lines may state them itself. Lines
    that are sent replace the stored ones by position. The customer's e-mail address and name
    are copied from the customer where they are not given.
    """

    customer = serializers.PrimaryKeyRelatedField(
        queryset=Customer.objects.all(), required=False, allow_null=True
    )
    customer_email = KeyField(
        required=False,
        allow_blank=True,
        max_length=_EMAIL.max_length,
        normalize=_EMAIL.normalize,
    )
    lines = OrderLineSerializer(
        many=True,
        required=False,
        max_length=MAX_LINES,  # type: ignore[call-arg]
    )

    class Meta:
        model = Order
        fields = (
            "id",
            "order_id",
            "source",
            "customer",
            "customer_email",
            "customer_name",
            "order_date",
            "currency",
            "lines",
            *TOTALS,
            "billing_address",
            "shipping_address",
            "status",
            "payment_status",
            "fulfillment_status",
            "note",
            "pinned",
            "version",
            "created_at",
            "updated_at",
            "archived_at",
        )
        read_only_fields = (*AUTOMATIC, "source")
        extra_kwargs: ClassVar = {
            "order_id": {"required": False, "help_text": "Left out, a number is given."},
            "discount_total": {"min_value": 0},
            "shipping_total": {"min_value": 0},
            "tax_total": {"min_value": 0},
        }
        validators: ClassVar[list[Any]] = []

    def create(self, validated_data: dict[str, Any]) -> Order:
        values = {"order_id": _number(), **validated_data}
        values["lines"] = complete(values.get("lines", ()))
        _copy_customer(values)
        _total(values)
        if not values.get("currency"):
            values["currency"] = _currency(values["lines"])
        lines = values.pop("lines")
        order = Order(**values)
        with unique_key(order):
            order.save(force_insert=True)
            _insert(order, lines, 0)
        return order

    def update(self, instance: Order, validated_data: dict[str, Any]) -> Order:
        values = dict(validated_data)
        stored = list(instance.lines.all())
        lines = complete(values.pop("lines"), stored) if "lines" in values else None
        _copy_customer(values, instance)
        _retotal(values, instance, stored, lines)
        changed = changed_fields(instance, values)
        with unique_key(instance):
            replaced = lines is not None and _replace(instance, stored, lines)
            if changed or replaced:
                instance.save(update_fields=changed)
        getattr(instance, "_prefetched_objects_cache", {}).pop("lines", None)
        return instance


def _number() -> str:
    return "L-" + "".join(secrets.choice(_ALPHABET) for _ in range(12))


def _copy_customer(values: dict[str, Any], order: Order | None = None) -> None:
    """Copy address and name of a customer newly named, where they are not given beside it."""
    customer = values.get("customer")
    if customer is None or (order is not None and order.customer_id == customer.pk):
        return
    values.setdefault("customer_email", customer.email or "")
    values.setdefault("customer_name", customer.full_name[:255])


def _total(values: dict[str, Any]) -> None:
    """Compute the totals; those an order without lines states itself are left as they are."""
    if values["lines"]:
        values.pop("subtotal", None)
        values.pop("total_amount", None)
    elif "total_amount" in values:
        values.setdefault("subtotal", values["total_amount"])
    Order.sync_complete(values, {})
    check_amounts(values)


def _retotal(
    values: dict[str, Any], order: Order, stored: Sequence[OrderLine], lines: list[Line] | None
) -> None:
    """Compute totals anew where the lines, or an amount the total adds up from, were sent."""
    if lines is None and not set(TOTALS) & set(values):
        return
    present = {name: getattr(order, name) for name in TOTALS[1:4]}
    whole = {**present, **values, "lines": lines or []}
    if lines is not None:
        _total(whole)
    else:
        if stored:
            whole.pop("total_amount", None)
            whole["subtotal"] = order.subtotal
        whole.setdefault("subtotal", order.subtotal)
        Order.sync_complete(whole, {})
        check_amounts(whole)
    values |= {name: whole[name] for name in TOTALS}


def _currency(lines: Sequence[Line]) -> str:
    """The currency all the products are priced in, or the default one."""
    products = Product.objects.filter(pk__in={line["product_id"] for line in lines})
    found = set(products.exclude(currency="").values_list("currency", flat=True))
    return str(found.pop() if len(found) == 1 else settings.DEFAULT_CURRENCY)


def _insert(order: Order, lines: Sequence[Line], after: int) -> None:
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=after + number, **line)
        for number, line in enumerate(lines, start=1)
    )


def _replace(order: Order, stored: Sequence[OrderLine], lines: Sequence[Line]) -> bool:
    """Make the stored lines equal to ``lines``, by place; whether anything was different."""
    differing = [
        line for line, values in zip(stored, lines, strict=False) if changed_fields(line, values)
    ]
    surplus = [line.pk for line in stored[len(lines) :]]
    with transaction.atomic():
        if differing:
            OrderLine.objects.bulk_update(differing, LINE_FIELDS, batch_size=200)
        if surplus:
            OrderLine.objects.filter(pk__in=surplus).delete()
        last = stored[-1].position if stored else 0
        _insert(order, lines[len(stored) :], last)
    return bool(differing or surplus or len(lines) > len(stored))
