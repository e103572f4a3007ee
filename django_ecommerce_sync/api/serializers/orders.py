"""Orders with their lines."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from ... import orders
from ...models import Customer, Order, OrderEvent, OrderLine
from ...sync.database import atomic
from ..conf import customer_of
from ..examples.answers import EVENT, ORDER, answer
from ..fields import ChoiceField, IntegerField, KeyField, RowField, TextField
from ..users import has_rights
from .base import (
    AUTOMATIC,
    ModelSerializer,
    OptionsSerializer,
    ResourceSerializer,
    changed_fields,
    unique_key,
)
from .lines import (
    MAX_LINES,
    Line,
    OrderLineSerializer,
    Products,
    check_amounts,
    check_prices_are_sent,
    complete,
    currency_of,
    tax_of,
)

TOTALS = ("subtotal", "discount_total", "shipping_total", "tax_total", "total_amount")
#: Moved along the order's table, by whatever request.
STATE_FIELDS = ("payment_status", "fulfillment_status", "status")
LINE_FIELDS = (
    "product_id",
    "sku",
    "name",
    "unit_price",
    "quantity",
    "discount_amount",
    "tax_amount",
    "line_total",
    "reserved_count",
)
#: Letters and digits nobody confuses.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_EMAIL: Any = Customer._meta.get_field("email")


@extend_schema_serializer(examples=[answer("Two pairs of socks", ORDER)])
class OrderSerializer(ResourceSerializer[Order]):
    """An order with its lines.

    Its currency is that of its products where none is given; a product priced in another one
    needs a ``unit_price``. Totals are computed from the lines, the tax too where none is given;
    an order without lines may state them itself. Lines that are sent replace the stored ones by
    position. The customer's e-mail address and name are copied from the customer where they are
    not given. A new order reserves its products; its states change only as
    ``allowed_transitions`` says.
    """

    customer = RowField(queryset=Customer.objects.all(), required=False, allow_null=True)
    customer_email = KeyField(
        required=False,
        allow_blank=True,
        max_length=_EMAIL.max_length,
        normalize=_EMAIL.normalize,
        pattern=_EMAIL.pattern,
    )
    lines = OrderLineSerializer(
        many=True,
        required=False,
        max_length=MAX_LINES,  # type: ignore[call-arg]
    )
    allowed_transitions = serializers.SerializerMethodField(
        help_text="The states it may be moved to now."
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
            "allowed_transitions",
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
            **{name: {"min_value": 0} for name in TOTALS},
        }
        validators: ClassVar[list[Any]] = []

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_allowed_transitions(self, order: Order) -> list[str]:
        return orders.allowed_transitions(order)

    def validate_customer(self, customer: Customer | None) -> Customer | None:
        """Whoever names a customer is told the name and the address: he needs the right to."""
        user = self.context["request"].user
        known = self.instance.customer if self.instance is not None else None
        if customer in (None, known) or customer == customer_of(user):
            return customer
        if not has_rights(user, ["ecommerce_sync.view_customer"]):
            raise PermissionDenied(_("To name a customer needs the right to see customers."))
        return customer

    def create(self, validated_data: dict[str, Any]) -> Order:
        values = {"order_id": _number(), **validated_data}
        sent = values.get("lines", ())
        products = Products.of(sent)
        values["currency"] = values.get("currency") or currency_of(sent, products)
        values["lines"] = complete(sent, products, values["currency"])
        _copy_customer(values)
        _total(values)
        lines = values.pop("lines")
        order = Order(**values)
        with atomic():
            stock = orders.hold(order, lines)
            with unique_key(order):
                order.save(force_insert=True)
            _insert(order, lines, 0)
            stock |= orders.take_if_gone(order)
            orders.record_creation(order, by=self._user, stock=stock)
        return order

    def update(self, instance: Order, validated_data: dict[str, Any]) -> Order:
        values = dict(validated_data)
        moves = {name: values.pop(name) for name in STATE_FIELDS if name in values}
        with atomic(savepoint=False):
            self._edit(instance, values)
            for column, state in moves.items():
                if getattr(instance, column) != state:
                    orders.transition(instance, state, column=column, by=self._user)
        return instance

    def _edit(self, order: Order, values: dict[str, Any]) -> None:
        """Change what differs and may be changed."""
        # Locked: what the lines hold is given back, whatever was read of them before.
        rows = order.lines.select_for_update() if "lines" in values else order.lines.all()
        stored = list(rows)
        lines = _relined(values, order, stored)
        if lines is not None and _are_equal(stored, lines):
            lines = None
        _copy_customer(values, order)
        _retotal(values, order, stored, lines)
        fields = {name for name, value in values.items() if getattr(order, name) != value}
        fields |= {"lines"} if lines is not None else set()
        if not fields:
            return
        orders.check_editable(order, fields)
        stock = orders.hold(order, lines, stored) if lines is not None else {}
        changed = changed_fields(order, values)
        if lines is not None:
            _replace(order, stored, lines)
            getattr(order, "_prefetched_objects_cache", {}).pop("lines", None)
        with unique_key(order) if order.sync_key in changed else nullcontext():
            order.save(update_fields=changed)
        orders.record_change(order, fields, by=self._user, stock=stock)

    @property
    def _user(self) -> Any:
        """Whoever asks; None where nobody does."""
        request = self.context.get("request")
        return request.user if request is not None else None


@extend_schema_serializer(examples=[answer("A payment", EVENT)])
class OrderEventSerializer(ModelSerializer[OrderEvent]):
    """An entry of an order's log: what happened, who did it and when."""

    by = serializers.SerializerMethodField(help_text="The user's name; null: nobody we know.")

    class Meta:
        model = OrderEvent
        fields = ("id", "kind", "from_state", "to_state", "by", "note", "at", "data")
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        """With names for a client that are none in Python."""
        fields = super().get_fields()
        for name in ("from", "to"):
            fields[f"{name}_state"].source = f"{name}_state"
        return {name.removesuffix("_state"): field for name, field in fields.items()}

    def get_by(self, event: OrderEvent) -> str | None:
        return event.by.get_username() if event.by else None


class TransitionSerializer(OptionsSerializer):
    """Where an order shall go."""

    to = ChoiceField(choices=list(orders.STATES), help_text="One of allowed_transitions.")
    note = TextField(
        required=False, allow_blank=True, max_length=1000, help_text="For the order's log."
    )
    version = IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version the order was read with: 409 if it has been changed since.",
    )


def _number() -> str:
    return "L-" + "".join(secrets.choice(_ALPHABET) for _ in range(12))


def _copy_customer(values: dict[str, Any], order: Order | None = None) -> None:
    """Copy address and name of a customer newly named, where they are not given beside it."""
    customer = values.get("customer")
    if customer is None or (order is not None and order.customer_id == customer.pk):
        return
    values.setdefault("customer_email", customer.email or "")
    values.setdefault("customer_name", customer.full_name[:255])


def _relined(
    values: dict[str, Any], order: Order, stored: Sequence[OrderLine]
) -> list[Line] | None:
    """The lines taken out of ``values``, completed; None where the stored ones stay."""
    sent = values.pop("lines", None)
    currency = values.get("currency", order.currency)
    if stored and order.currency not in ("", currency):
        check_prices_are_sent(sent)
    if sent is None:
        return None
    products = Products.of(sent)
    if not currency:
        currency = currency_of(sent, products)
        if not stored:
            values["currency"] = currency
    return complete(sent, products, currency, stored)


def _total(values: dict[str, Any]) -> None:
    """Compute the totals; those an order without lines states itself are left as they are."""
    if values["lines"]:
        values.pop("subtotal", None)
        values.pop("total_amount", None)
        values.setdefault("tax_total", tax_of(values["lines"]))
    elif "total_amount" in values:
        values.setdefault("subtotal", values["total_amount"])
    Order.sync_complete(values, {})
    check_amounts(values)


def _retotal(
    values: dict[str, Any], order: Order, stored: Sequence[OrderLine], lines: list[Line] | None
) -> None:
    """Compute totals anew where the lines, or an amount the total adds up from, are others.

    ``lines`` are new ones, or None where the stored ones stay.
    """
    if stored if lines is None else lines:
        values.pop("subtotal", None)
        values.pop("total_amount", None)
    sent = set(TOTALS).intersection(values)
    if lines is None and all(values[name] == getattr(order, name) for name in sent):
        return
    present = {name: getattr(order, name) for name in TOTALS[1:4]}
    if lines is not None and order.tax_total == sum(line.tax_amount for line in stored):
        present["tax_total"] = tax_of(lines)  # it was that of the lines, and is so again
    if lines is not None:
        whole = {**present, **values, "lines": lines}
        _total(whole)
    else:
        whole = {**present, "subtotal": order.subtotal, **values, "lines": []}
        Order.sync_complete(whole, {})
        check_amounts(whole)
    values |= {name: whole[name] for name in TOTALS}


def _insert(order: Order, lines: Sequence[Line], after: int) -> None:
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=after + number, **line)
        for number, line in enumerate(lines, start=1)
    )


def _are_equal(stored: Sequence[OrderLine], lines: Sequence[Line]) -> bool:
    return len(stored) == len(lines) and all(
        getattr(line, name) == value
        for line, values in zip(stored, lines, strict=True)
        for name, value in values.items()
    )


def _replace(order: Order, stored: Sequence[OrderLine], lines: Sequence[Line]) -> None:
    """Make the stored lines equal to ``lines``, by place."""
    differing = [
        line for line, values in zip(stored, lines, strict=False) if changed_fields(line, values)
    ]
    surplus = [line.pk for line in stored[len(lines) :]]
    if differing:
        OrderLine.objects.bulk_update(differing, LINE_FIELDS, batch_size=200)
    if surplus:
        OrderLine.objects.filter(pk__in=surplus).delete()
    last = stored[-1].position if stored else 0
    _insert(order, lines[len(stored) :], last)
