"""What the lists can be filtered by."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters  # type: ignore[import-untyped]
from django_filters.fields import ChoiceField, IsoDateTimeField  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema_field

from ..models import (
    Availability,
    Customer,
    CustomerStatus,
    EmailKeyField,
    FulfillmentStatus,
    IssueState,
    Order,
    OrderStatus,
    PaymentStatus,
    PlannedAction,
    PlannedChange,
    Product,
    ProductStatus,
    RunStatus,
    SentRow,
    SentRowStatus,
    SyncIssue,
    SyncRun,
)
from .fields import MAX_INTEGER, amount


class Said(forms.Field):
    """A value that is there without saying anything is not the same as none at all."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValidationError(_("A value is needed."), "required")
        return super().to_python(value)


class MomentFormField(Said, IsoDateTimeField):  # type: ignore[misc]
    """A moment in ISO 8601; the plus of an offset may have become a blank on the way."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = re.sub(r" (\d\d:?\d\d)$", r"+\1", value.strip())
        try:
            moment = super().to_python(value)
            if moment is not None and moment.tzinfo is not None:
                moment.astimezone(UTC)
        except (OverflowError, ValueError) as error:
            raise ValidationError(_("It is out of range."), "out_of_range") from error
        return moment


class MomentFilter(filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentFormField


class BooleanFormField(Said, forms.CharField):
    """true or false, and nothing that is silently neither."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        except KeyError:
            raise ValidationError(_("It is neither true nor false."), "invalid") from None


@extend_schema_field({"type": "boolean"})
class BooleanFilter(filters.Filter):  # type: ignore[misc]
    field_class = BooleanFormField


class IntegerFormField(Said, forms.IntegerField):
    """A whole number."""


class DecimalFormField(Said, forms.DecimalField):
    """An amount."""


@extend_schema_field(
    {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": MAX_INTEGER}
)
class IntegerFilter(filters.Filter):  # type: ignore[misc]
    field_class = IntegerFormField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, min_value=-(2**63), max_value=MAX_INTEGER, **kwargs)


@extend_schema_field({"type": "string", "format": "decimal", "pattern": amount(signed=True)})
class MoneyFilter(filters.Filter):  # type: ignore[misc]
    field_class = DecimalFormField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_digits=19, decimal_places=4, **kwargs)


class ChoiceFormField(Said, ChoiceField):  # type: ignore[misc]
    """One of some values."""


class ChoiceFilter(filters.ChoiceFilter):  # type: ignore[misc]
    field_class = ChoiceFormField


class EmailFilter(filters.CharFilter):  # type: ignore[misc]
    """An address in any spelling; one that cannot exist finds nothing."""

    def filter(self, queryset: Any, value: Any) -> Any:
        if value in (None, ""):
            return queryset
        try:
            return super().filter(queryset, EmailKeyField().normalize(value))
        except ValidationError:
            return queryset.none()


class ResourceFilterSet(filters.FilterSet):  # type: ignore[misc]
    """What all synced models can be filtered by."""

    created_since = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")
    updated_since = MomentFilter("updated_at", "gte")
    updated_before = MomentFilter("updated_at", "lt")
    archived = BooleanFilter("archived_at", "isnull", exclude=True)


class ProductFilterSet(ResourceFilterSet):
    sku = filters.CharFilter()
    price_min = MoneyFilter("price", "gte")
    price_max = MoneyFilter("price", "lte")
    inventory_count_min = IntegerFilter("inventory_count", "gte")
    inventory_count_max = IntegerFilter("inventory_count", "lte")
    status = ChoiceFilter(choices=ProductStatus.choices)
    availability = ChoiceFilter(choices=Availability.choices)
    brand = filters.CharFilter()
    category = filters.CharFilter()
    group_key = filters.CharFilter()
    currency = filters.CharFilter()

    class Meta:
        model = Product
        fields = ()


class CustomerFilterSet(ResourceFilterSet):
    email = EmailFilter()
    status = ChoiceFilter(choices=CustomerStatus.choices)
    company = filters.CharFilter()

    class Meta:
        model = Customer
        fields = ()


class OrderFilterSet(ResourceFilterSet):
    order_id = filters.CharFilter()
    source = filters.CharFilter()
    customer = IntegerFilter("customer_id")
    customer_email = EmailFilter()
    status = ChoiceFilter(choices=OrderStatus.choices)
    payment_status = ChoiceFilter(choices=PaymentStatus.choices)
    fulfillment_status = ChoiceFilter(choices=FulfillmentStatus.choices)
    currency = filters.CharFilter()
    order_date_since = MomentFilter("order_date", "gte")
    order_date_before = MomentFilter("order_date", "lt")
    total_amount_min = MoneyFilter("total_amount", "gte")
    total_amount_max = MoneyFilter("total_amount", "lte")

    class Meta:
        model = Order
        fields = ()


class SyncRunFilterSet(filters.FilterSet):  # type: ignore[misc]
    feed = filters.CharFilter()
    status = ChoiceFilter(choices=RunStatus.choices)
    dry_run = BooleanFilter()
    planned = BooleanFilter()
    plan = IntegerFilter("plan_id")
    created_since = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lt")

    class Meta:
        model = SyncRun
        fields = ()


class SyncIssueFilterSet(filters.FilterSet):  # type: ignore[misc]
    stream = filters.CharFilter()
    code = filters.CharFilter()
    state = ChoiceFilter(choices=IssueState.choices)

    class Meta:
        model = SyncIssue
        fields = ()


class PlannedChangeFilterSet(filters.FilterSet):  # type: ignore[misc]
    stream = filters.CharFilter()
    action = ChoiceFilter(choices=PlannedAction.choices)

    class Meta:
        model = PlannedChange
        fields = ()


class SentRowFilterSet(filters.FilterSet):  # type: ignore[misc]
    status = ChoiceFilter(choices=SentRowStatus.choices)

    class Meta:
        model = SentRow
        fields = ()
