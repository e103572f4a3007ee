"""The lines of an order: what a client sends, completed from products and stored lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError

from ...conf import settings
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
    product = fields.IntegerField(
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


class Products(NamedTuple):
    """The products that lines name."""

    by_id: Mapping[int, Product]
    by_sku: Mapping[str, Product]

    @classmethod
    def of(cls, lines: Collection[Line]) -> Products:
        """Those of all these lines; two queries at most."""
        ids = {line["product_id"] for line in lines if line.get("product_id")}
        skus = {line["sku"] for line in lines if not line.get("product_id") and line.get("sku")}
        return cls(
            Product.objects.in_bulk(ids) if ids else {},
            Product.objects.in_bulk(skus, field_name="sku") if skus else {},
        )

    def get(self, line: Line) -> Product | None:
        """The product a line names; None where there is none."""
        if product_id := line.get("product_id"):
            return self.by_id.get(product_id)
        return self.by_sku.get(line.get("sku", ""))


def currency_of(lines: Sequence[Line], products: Products) -> str:
    """The currency of an order that names none: that of its products.

    Those whose prices are copied decide; raises ``ValidationError`` where nobody could tell.
    """
    copied = _currencies((line for line in lines if "unit_price" not in line), products)
    found = copied[:1] or _currencies(lines, products)
    if len(set(found)) > 1:
        detail = _("The products are priced in several currencies: say which one this is in.")
        raise ValidationError({"currency": [ErrorDetail(detail, "required")]})
    return found[0] if found else settings.DEFAULT_CURRENCY


def _currencies(lines: Iterable[Line], products: Products) -> list[str]:
    named = map(products.get, lines)
    return [product.currency for product in named if product is not None and product.currency]


def complete(
    lines: Sequence[Line], products: Products, currency: str, stored: Sequence[OrderLine] = ()
) -> list[Line]:
    """The lines of an order in this currency, with product, SKU, name and price filled in."""
    completed: list[Line] = []
    errors: list[dict[str, Any]] = []
    for index, line in enumerate(lines):
        before = stored[index] if index < len(stored) else None
        completed_line, error = _complete(line, before, products.get(line), currency)
        completed.append(completed_line)
        errors.append(error or _more_off_than_on(completed_line))
    if any(errors):
        raise ValidationError({"lines": errors})
    return completed


def _complete(
    line: Line, before: OrderLine | None, product: Product | None, currency: str
) -> tuple[Line, dict[str, Any]]:
    product_id, sku = line.get("product_id"), line.get("sku", "")
    if before is not None and _is_same(before, product_id, sku):
        kept = {name: getattr(before, name) for name in SNAPSHOT}
        return {**kept, **_ZEROS, **line, "product_id": before.product_id, "sku": before.sku}, {}
    if product is None:
        return line, _missing(product_id, sku)
    if "unit_price" not in line and (error := currency_error(product, currency)):
        return line, error
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


def currency_error(product: Product | None, currency: str) -> dict[str, Any]:
    """What is wrong with a line that copies this product's price in an order in this currency."""
    if product is None or product.currency in ("", currency):
        return {}
    detail = _("%(sku)s is priced in %(its)s, the order in %(order)s: say the price.") % {
        "sku": product.sku,
        "its": product.currency,
        "order": currency or "–",
    }
    return {"unit_price": [ErrorDetail(detail, "currency_mismatch")]}


def _more_off_than_on(line: Line) -> dict[str, Any]:
    if line["discount_amount"] <= line["unit_price"] * line["quantity"]:
        return {}
    detail = _("It is more than the line costs.")
    return {"discount_amount": [ErrorDetail(detail, "discount_too_large")]}


def tax_of(lines: Iterable[Line]) -> Decimal:
    """The tax on all lines together."""
    return sum((line["tax_amount"] for line in lines), Decimal(0))


def check_prices_are_sent(lines: Sequence[Line] | None) -> None:
    """Refuse another currency for stored lines unless all are sent with prices in that one."""
    if lines is None:
        detail = _("Its lines are priced in the present one: send them all with their prices.")
        raise ValidationError({"currency": [ErrorDetail(detail, "lines_are_priced")]})
    detail = _("The order changes its currency: say the price.")
    missing = {"unit_price": [ErrorDetail(detail, "required")]}
    errors = [{} if "unit_price" in line else missing for line in lines]
    if any(errors):
        raise ValidationError({"lines": errors})


def check_amounts(values: Mapping[str, Any]) -> None:
    """Refuse totals the columns cannot hold, or below zero; what they add up from was checked."""
    amounts = [values.get(name) for name in ("subtotal", "tax_total", "total_amount")]
    amounts += [line["line_total"] for line in values["lines"]]
    if any(amount is not None and abs(amount) >= Decimal(10) ** 15 for amount in amounts):
        error = ErrorDetail(_("The amounts add up to more than can be stored."), "out_of_range")
        raise ValidationError({"lines": [error]})
    if values.get("total_amount", 0) < 0:
        error = ErrorDetail(_("It is more than the order comes to."), "discount_too_large")
        raise ValidationError({"discount_total": [error]})
