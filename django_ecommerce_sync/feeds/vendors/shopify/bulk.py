"""The JSON Lines of a bulk operation: https://shopify.dev/docs/api/usage/bulk-operations.

A line is a record or, with ``__parentId``, a part of one that may stand anywhere in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ...document import Document
from ...formats import Content, JSONLines
from ...formats.base import Row
from ...mapping import Attributes, First, Lines, Moment, Money, Ref
from ...pagination import NoPages
from ...records import MISSING, Payload
from ...streams import Stream
from .spelling import Spelling, Terms
from .vocabulary import (
    NO_TITLE,
    Barcode,
    FullName,
    Id,
    OrderStatus,
    Said,
    Stock,
    Tags,
    Total,
    VariantName,
    address,
    fulfillment,
    number,
    payment,
    status,
)

#: The types a stream's records are made of; a file also has the lines of media, metafields and
#: whatever else was asked for.
TYPES = {
    "products": {"Product", "ProductVariant"},
    "customers": {"Customer"},
    "orders": {"Order", "LineItem"},
}
ADDRESS = {
    "street": ["address1"],
    "street2": ["address2"],
    "city": ["city"],
    "state": ["provinceCode", "province"],
    "postal_code": ["zip"],
    "country": ["countryCodeV2", "countryCode", "country"],
}
RECIPIENT = {"name": ["name"], "company": ["company"], **ADDRESS, "phone": ["phone"]}


class BulkLines(JSONLines):
    """The lines of the types that a stream is made of."""

    def read(self, document: Document, stream: Stream) -> Content:
        content = super().read(document, stream)
        wanted = TYPES.get(stream.name)
        if wanted is None:
            return content
        return replace(content, rows=(row for row in content.rows if _is_of(wanted, row)))


def _is_of(wanted: set[str], row: Row) -> bool:
    """Whether a line is of one of these types, or does not say what it is."""
    gid = row.get("id") if isinstance(row, Mapping) else None
    parts = gid.split("/") if isinstance(gid, str) else []
    return len(parts) < 2 or parts[-2] in wanted


def amount(path: str) -> First:
    """An amount in the shop's currency, also where it is written as bare text."""
    return First(f"{path}.shopMoney.amount", f"{path}.amount", path)


def options(row: Payload) -> Any:
    """What the variant is by each of the product's options: ``{"Color": "Pink"}``."""
    chosen = {option["name"]: option["value"] for option in row.get("selectedOptions") or ()}
    return {name: value for name, value in chosen.items() if value != NO_TITLE} or MISSING


PRODUCT: Mapping[str, Any] = {
    "name": VariantName("parent.title", "title"),
    "description": "parent.descriptionHtml",
    "price": Money(amount("price"), currency=Said("price.currencyCode")),
    "compare_at_price": amount("compareAtPrice"),
    "inventory_count": "inventoryQuantity",
    "availability": Stock("inventoryQuantity", "inventoryPolicy", "inventoryItem.tracked"),
    "brand": "parent.vendor",
    "gtin": Barcode("barcode"),
    "category": "parent.productType",
    "group_key": Id("parent.id"),
    "url": "parent.onlineStoreUrl",
    "image_url": First(
        "image.url", "parent.featuredMedia.preview.image.url", "parent.featuredImage.url"
    ),
    "status": status("parent.status"),
    "attributes": Attributes(
        handle="parent.handle", tags=Tags("parent.tags"), options=options, barcode=Said("barcode")
    ),
}

CUSTOMER: Mapping[str, Any] = {
    "email": First("defaultEmailAddress.emailAddress", "email"),
    "first_name": "firstName",
    "last_name": "lastName",
    "phone": First("defaultPhoneNumber.phoneNumber", "phone", "defaultAddress.phone"),
    "company": "defaultAddress.company",
    "address": address(ADDRESS, lambda name: f"defaultAddress.{name}"),
}

LINE: Mapping[str, Any] = {
    "product": Ref("products", Id("variant.id"), key="sku", optional=True),
    "sku": Said("sku"),
    "name": First("name", "title"),
    "unit_price": amount("originalUnitPriceSet"),
    "quantity": "quantity",
    "discount_amount": First(
        Total("discountAllocations", amount("allocatedAmountSet")), amount("totalDiscountSet")
    ),
    "tax_amount": Total("taxLines", amount("priceSet")),
}


def subtotal(row: Payload) -> Any:
    """The lines before discounts; the API gives their sum only after them."""
    lines = row.get("children")
    if lines is None:
        return MISSING
    price = amount("originalUnitPriceSet")
    return sum(
        (number(price.extract(line)) * number(line.get("quantity")) for line in lines), Decimal(0)
    )


ORDER: Mapping[str, Any] = {
    "order_id": First("name", Id("id")),
    "customer": Ref(
        "customers", Id("customer.id"), key=First("customer.email", "email"), optional=True
    ),
    "customer_email": First("email", "customer.defaultEmailAddress.emailAddress", "customer.email"),
    "customer_name": FullName(
        ("customer.firstName", "customer.lastName"), "billingAddress.name", "shippingAddress.name"
    ),
    "order_date": Moment("createdAt"),
    "currency": First("currencyCode", "totalPriceSet.shopMoney.currencyCode"),
    "subtotal": subtotal,
    "discount_total": amount("totalDiscountsSet"),
    "shipping_total": amount("totalShippingPriceSet"),
    "tax_total": amount("totalTaxSet"),
    "total_amount": amount("totalPriceSet"),
    "billing_address": address(RECIPIENT, lambda name: f"billingAddress.{name}"),
    "shipping_address": address(RECIPIENT, lambda name: f"shippingAddress.{name}"),
    "status": OrderStatus(
        cancelled="cancelledAt",
        closed="closedAt",
        payment="displayFinancialStatus",
        fulfillment="displayFulfillmentStatus",
    ),
    "payment_status": payment("displayFinancialStatus"),
    "fulfillment_status": fulfillment("displayFulfillmentStatus"),
    "note": "note",
    "lines": Lines("children", LINE),
}


def streams(terms: Terms) -> Sequence[Stream]:
    """Products by variant, customers and orders, each of a file of its own."""
    # The number alone, as REST has it: the records are the same ones.
    number_alone = Id("id")
    product = {**PRODUCT, "sku": terms.sku("sku", number_alone)}
    return (
        Stream(
            "products",
            parent="__parentId",
            each="children",
            external_id=number_alone,
            currency=terms.currency,
            fields=product,
        ),
        Stream("customers", external_id=number_alone, fields=CUSTOMER),
        Stream(
            "orders",
            parent="__parentId",
            external_id=number_alone,
            currency=terms.currency,
            fields=ORDER,
        ),
    )


BULK = Spelling(BulkLines(), NoPages(), streams)
