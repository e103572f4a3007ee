"""Many rows in one request, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from ...models import COUNTS, LOCAL_SOURCE, Order, RunStatus, SentRow, SentRowStatus
from ..examples.answers import BULK, QUEUED_BULK, SENT_ROW, answer
from ..fields import ChoiceField, IntegerField
from .base import ModelSerializer, OptionsSerializer
from .lines import Line, Products, currency_error
from .orders import OrderSerializer
from .problems import FieldProblemSerializer


class RowOutcome(TextChoices):
    CREATED = "created", _("created")
    UPDATED = "updated", _("updated")
    UNCHANGED = "unchanged", _("unchanged")
    DUPLICATE = "duplicate", _("duplicate")
    REJECTED = "rejected", _("rejected")


class OnError(TextChoices):
    ATOMIC = "atomic", _("nothing is written if one row is wrong")
    SKIP = "skip", _("wrong rows are left out")


class BulkOrderSerializer(OrderSerializer):
    """An order among others; one that is there keeps its lines, its amounts and its states."""

    # An id instead of a relation: customers are looked up for all orders at once.
    customer = IntegerField(  # type: ignore[assignment]
        required=False, allow_null=True, min_value=1, max_value=2**63 - 1
    )

    def validate_customer(self, customer: Any) -> Any:
        """As it is: the view has asked for the right to see customers."""
        return customer

    def errors_of_rows(self, rows: Mapping[int, Any]) -> dict[int, Any]:
        """Lines of new orders that would copy prices in another currency; others keep theirs."""
        priced = {index: _with_copied_prices(row) for index, row in rows.items()}
        products = Products.of([line for lines in priced.values() for line in lines.values()])
        found = {
            index: errors
            for index, lines in priced.items()
            if (errors := _mismatches(lines, products, rows[index].get("currency", "")))
        }
        numbers = {rows[index]["order_id"] for index in found}
        known = Order.objects.filter(source=LOCAL_SOURCE, order_id__in=numbers) if numbers else ()
        there = {order.order_id for order in known}
        return {i: errors for i, errors in found.items() if rows[i]["order_id"] not in there}


def _with_copied_prices(row: Mapping[str, Any]) -> dict[int, Line]:
    return {n: line for n, line in enumerate(row.get("lines", ())) if "unit_price" not in line}


def _mismatches(lines: Mapping[int, Line], products: Products, currency: str) -> dict[str, Any]:
    errors = {
        number: error
        for number, line in lines.items()
        if currency and (error := currency_error(products.get(line), currency))
    }
    return {"lines": errors} if errors else {}


class BulkResultSerializer(serializers.Serializer[Any]):
    """What became of one row."""

    index = serializers.IntegerField(help_text="Its place in the request, from 0.")
    key = serializers.CharField(allow_null=True, help_text="SKU, e-mail or order number.")
    id = serializers.IntegerField(allow_null=True, help_text="Null where no row was written.")
    status = ChoiceField(choices=RowOutcome.choices)
    errors = FieldProblemSerializer(many=True)  # type: ignore[assignment]


class CountsSerializer(serializers.Serializer[Any]):
    """How many rows became what."""

    def get_fields(self) -> dict[str, Any]:
        return {name: serializers.IntegerField() for name in COUNTS}


class WarningSerializer(serializers.Serializer[Any]):
    """What somebody should look at though no row was rejected for it."""

    code = serializers.CharField()
    count = serializers.IntegerField()
    message = serializers.CharField()


@extend_schema_serializer(examples=[answer("One of two is wrong", BULK)])
class BulkResponseSerializer(serializers.Serializer[Any]):
    """What became of all rows."""

    dry_run = serializers.BooleanField()
    counts = CountsSerializer()
    warnings = WarningSerializer(many=True)
    results = BulkResultSerializer(many=True)


@extend_schema_serializer(examples=[answer("A row that was made", SENT_ROW)])
class SentRowSerializer(ModelSerializer[SentRow]):
    """One row of a queued request: what became of it, once it is carried out."""

    key = serializers.SerializerMethodField(
        help_text="SKU or order number; null for customers, whose key is personal."
    )
    id = serializers.IntegerField(
        source="object_id",
        read_only=True,
        allow_null=True,
        help_text="Null where no row was written.",
    )
    status = ChoiceField(choices=SentRowStatus.choices, read_only=True)
    errors = FieldProblemSerializer(many=True, read_only=True)  # type: ignore[assignment]

    class Meta:
        model = SentRow
        fields = ("index", "key", "id", "status", "errors")
        read_only_fields = fields

    def get_key(self, row: SentRow) -> str | None:
        is_done = row.status != SentRowStatus.WAITING  # until then it may be personal
        return (is_done and row.key) or None


@extend_schema_serializer(examples=[answer("A run will carry them out", QUEUED_BULK)])
class QueuedBulkSerializer(serializers.Serializer[Any]):
    """Too many rows to be answered at once: a run carries them out."""

    id = serializers.IntegerField(help_text="The run.")
    status = ChoiceField(choices=RunStatus.choices)
    rows = serializers.IntegerField()
    url = serializers.URLField(help_text="The run: its progress and what came of it.")
    results_url = serializers.URLField(help_text="What became of each row.")


class BulkOptionsSerializer(OptionsSerializer):
    """How a bulk request is carried out; part of its address."""

    on_error = ChoiceField(
        choices=OnError.choices,
        default=OnError.ATOMIC,
        help_text="atomic: one wrong row, and nothing is written. skip: the others are.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Tell what would become of each row, and write nothing."
    )
