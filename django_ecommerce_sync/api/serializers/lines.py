"""The lines of an order: what a client sends, completed from products and stored lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from ...models import OrderLine, Product
from .. import fields
from .base import ModelSerializer

#: Lines one order may have.
MAX_LINES = 1000
#: What a line copies from its product.
SNAPSHOT = {"sku": "sku", "name": "name", "unit_price": "price"}
_SKU: Any = Product._meta.get_field("sku")
_ZEROS = {"discount_amount": Decimal(0), "tax_amount": Decimal(0)}

Line = dict[str, Any]


class OrderLineSerializer(ModelSerializer[OrderLine]):
    """A line names its product by ``product`` (its id) or ``sku``; the rest may be left out.

    SKU, name and price are copied from the product when the line is written. A line that still
    names the same product keeps what it copied.
    """

    # An id instead of a relation: products are looked up for all lines at once.
    product = serializers.IntegerField(
        source="product_id", required=False, allow_null=True, min_value=1, max_value=2**63 - 1
    )
    sku = fields.KeyField(
        required=False,
        allow_blank=True,
        max_length=_SKU.max_length,
        normalize=_SKU.normalize,
        pattern=_SKU.pattern,
    )

    class Meta:
        model = OrderLine
        fields = (
            "position",
            "product",
            "sku",
            "name",
            "unit_price",
            "quantity",
            "discount_amount",
            "tax_amount",
            "line_total",
        )
        read_only_fields = ("position", "line_total")
        extra_kwargs: ClassVar = {
            "quantity": {"min_value": 1, "required": True},
            "unit_price": {"min_value": 0},
            "discount_amount": {"min_value": 0},
            "tax_amount": {"min_value": 0},
        }
        validators: ClassVar[list[Any]] = []


def complete(lines: Sequence[Line], stored: Sequence[OrderLine] = ()) -> list[Line]:
    """The lines with product, SKU, name and price filled in; three queries at most."""
    by_id, by_sku = _products(lines)
    completed: list[Line] = []
    errors: list[dict[str, Any]] = []
    for index, line in enumerate(lines):
        before = stored[index] if index < len(stored) else None
        completed_line, error = _complete(line, before, by_id, by_sku)
        completed.append(completed_line)
        errors.append(error)
    if any(errors):
        raise ValidationError({"lines": errors})
    return completed


def _products(lines: Sequence[Line]) -> tuple[dict[int, Product], dict[str, Product]]:
    ids = {line["product_id"] for line in lines if line.get("product_id")}
    skus = {line["sku"] for line in lines if not line.get("product_id") and line.get("sku")}
    by_id = Product.objects.in_bulk(ids) if ids else {}
    by_sku = Product.objects.in_bulk(skus, field_name="sku") if skus else {}
    return by_id, by_sku


def _complete(
    line: Line,
    before: OrderLine | None,
    by_id: Mapping[int, Product],
    by_sku: Mapping[str, Product],
) -> tuple[Line, dict[str, Any]]:
    product_id, sku = line.get("product_id"), line.get("sku", "")
    if before is not None and _is_same(before, product_id, sku):
        kept = {name: getattr(before, name) for name in SNAPSHOT}
        return {**kept, **_ZEROS, **line, "product_id": before.product_id, "sku": before.sku}, {}
    product = by_id.get(product_id) if product_id else by_sku.get(sku)
    if product is None:
        return line, _missing(product_id, sku)
    copied = {name: getattr(product, source) for name, source in SNAPSHOT.items()}
    return {**copied, **_ZEROS, **line, "product_id": product.pk, "sku": product.sku}, {}


def _is_same(line: OrderLine, product_id: int | None, sku: str) -> bool:
    if product_id:
        return line.product_id == product_id
    return bool(sku) and line.sku == sku


def _missing(product_id: int | None, sku: str) -> dict[str, Any]:
    if not product_id and not sku:
        return {"product": [ErrorDetail(_("Name a product or a SKU."), "required")]}
    name = "product" if product_id else "sku"
    detail = _("There is no product %s.") % (product_id or sku)
    return {name: [ErrorDetail(detail, "does_not_exist")]}


def check_amounts(values: Mapping[str, Any]) -> None:
    """Refuse totals the columns cannot hold; the amounts they add up from were checked before."""
    amounts = [values.get("subtotal"), values.get("total_amount")]
    amounts += [line["line_total"] for line in values["lines"]]
    if any(amount is not None and abs(amount) >= Decimal(10) ** 15 for amount in amounts):
        error = ErrorDetail(_("The amounts add up to more than can be stored."), "out_of_range")
        raise ValidationError({"lines": [error]})
