"""The CSV files a shop's owner exports: https://help.shopify.com/en/manual/products/import-export.

A product's rows are its variants and, once those are told, its further pictures; an order's rows
are its lines. What belongs to the whole stands in the first row only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ....exceptions import RecordError
from ...document import Document
from ...formats import CSV, Content
from ...formats.base import Row
from ...mapping import Attributes, Const, Converter, First, Lines, Moment, Ref, Template, converter
from ...pagination import NoPages
from ...records import MISSING, Payload
from ...streams import Stream
from .spelling import Spelling, Terms
from .vocabulary import (
    NO_TITLE,
    Barcode,
    FullName,
    OrderStatus,
    Said,
    Stock,
    Tags,
    VariantName,
    address,
    fulfillment,
    number,
    payment,
    status,
)

OPTIONS = ("Option1", "Option2", "Option3")
#: One of these is filled in wherever a row is a variant.
VARIANT_COLUMNS = ("Option1 Value", "Variant SKU", "Variant Price")
TIME = "%Y-%m-%d %H:%M:%S %z"
ADDRESS = {
    "street": ["Address1"],
    "street2": ["Address2"],
    "city": ["City"],
    "state": ["Province", "Province Code"],
    "postal_code": ["Zip"],
    "country": ["Country", "Country Code"],
}
RECIPIENT = {"name": ["Name"], "company": ["Company"], **ADDRESS, "phone": ["Phone"]}


class ExportRows(CSV):
    """The rows of an export, less those of a product that only add a picture to it."""

    def read(self, document: Document, stream: Stream) -> Content:
        content = super().read(document, stream)
        return replace(content, rows=(row for row in content.rows if not _is_picture(row)))


def _is_picture(row: Row) -> bool:
    if not isinstance(row, Mapping) or "Handle" not in row:
        return False
    return not any(row.get(column, "").strip() for column in VARIANT_COLUMNS)


class Plain(Converter):
    """Text without the apostrophe that keeps a spreadsheet from taking it for a number."""

    def __init__(self, source: Any) -> None:
        self.source = converter(source)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return value.removeprefix("'") if isinstance(value, str) else value


class FirstRow(Converter):
    """What the first row of a product or an order always has.

    Where it is blank the first row could not be read: what is left of it would be half a record.
    """

    def __init__(self, path: str) -> None:
        self.source = converter(path)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        if isinstance(value, str) and not value.strip():
            raise RecordError("required", "The first of the rows that belong together is missing.")
        return value


def chosen(row: Payload) -> dict[str, str]:
    """What the variant is by each of the product's options: ``{"Color": "Pink"}``."""
    found = {row["parent"].get(f"{o} Name", ""): row.get(f"{o} Value", "") for o in OPTIONS}
    return {name: value for name, value in found.items() if value not in ("", NO_TITLE)}


def options(row: Payload) -> Any:
    """The same, missing where the product has no options."""
    return chosen(row) or MISSING


def variant_id(row: Payload) -> str:
    """The product's handle and the variant's options: the export has no ids."""
    return "/".join([row["Handle"].strip(), *chosen(row).values()])


def variant_title(row: Payload) -> str:
    """The options as Shopify writes them behind the product's title."""
    return " / ".join(chosen(row).values())


PRODUCT: Mapping[str, Any] = {
    "name": VariantName(FirstRow("parent.Title"), variant_title),
    "description": "parent.Body (HTML)",
    "price": "Variant Price",
    "compare_at_price": "Variant Compare At Price",
    "inventory_count": "Variant Inventory Qty",
    "availability": Stock(
        "Variant Inventory Qty", "Variant Inventory Policy", "Variant Inventory Tracker"
    ),
    "brand": "parent.Vendor",
    "gtin": Barcode(Plain("Variant Barcode")),
    "category": "parent.Type",
    "group_key": "Handle",
    "image_url": First("Variant Image", "parent.Image Src"),
    "status": status(Said("parent.Status")),
    "attributes": Attributes(
        handle="Handle",
        tags=Tags("parent.Tags"),
        options=options,
        barcode=Said(Plain("Variant Barcode")),
    ),
}


def unapostrophed(column: str) -> Any:
    """A column's text; the codes and numbers of an address may begin with an apostrophe."""
    return Plain(column) if column.endswith(("Zip", "Phone")) else column


def customer_place(name: str) -> Any:
    """A part of a customer's address, by its present or its former column."""
    return First(unapostrophed(f"Default Address {name}"), unapostrophed(name))


CUSTOMER: Mapping[str, Any] = {
    "email": "Email",
    "first_name": "First Name",
    "last_name": "Last Name",
    "phone": First(Plain("Phone"), Plain("Default Address Phone")),
    "company": First("Default Address Company", "Company"),
    "address": address(ADDRESS, customer_place),
}


LINE: Mapping[str, Any] = {
    "product": Ref("products", key="Lineitem sku", optional=True),
    "sku": Said("Lineitem sku"),
    "name": "Lineitem name",
    "unit_price": "Lineitem price",
    "quantity": "Lineitem quantity",
    "discount_amount": "Lineitem discount",
}


def lines(row: Payload) -> list[Payload]:
    """The rows that are lines of the order: later payments have rows of their own."""
    return [line for line in row["rows"] if line["Lineitem name"].strip()]


def subtotal(row: Payload) -> Decimal:
    """The lines before discounts; the column ``Subtotal`` is after them."""
    return sum(
        (number(line["Lineitem price"]) * number(line["Lineitem quantity"]) for line in lines(row)),
        Decimal(0),
    )


ORDER: Mapping[str, Any] = {
    "order_id": "Name",
    "customer": Ref("customers", key="Email", optional=True),
    "customer_email": "Email",
    "customer_name": FullName("Billing Name", "Shipping Name"),
    "order_date": Moment("Created at", format=TIME),
    "currency": "Currency",
    "subtotal": subtotal,
    "discount_total": "Discount Amount",
    "shipping_total": "Shipping",
    "tax_total": "Taxes",
    "total_amount": FirstRow("Total"),
    "billing_address": address(RECIPIENT, lambda name: unapostrophed(f"Billing {name}")),
    "shipping_address": address(RECIPIENT, lambda name: unapostrophed(f"Shipping {name}")),
    "status": OrderStatus(
        cancelled="Cancelled at",
        closed=Const(None),
        payment="Financial Status",
        fulfillment="Fulfillment Status",
    ),
    "payment_status": payment("Financial Status"),
    "fulfillment_status": fulfillment("Fulfillment Status"),
    "note": "Notes",
    "lines": Lines(lines, LINE),
}


def streams(terms: Terms) -> Sequence[Stream]:
    """Products by variant, customers and orders, each of a file of its own."""
    product = {**PRODUCT, "sku": terms.sku("Variant SKU", variant_id)}
    if terms.host:
        product["url"] = Template(f"https://{terms.host}/products/{{Handle}}")
    return (
        Stream(
            "products",
            group_by="Handle",
            each="rows",
            external_id=variant_id,
            currency=terms.currency,
            fields=product,
        ),
        Stream(
            "customers",
            external_id=Plain(First("Customer ID", "Email", "Phone")),
            fields=CUSTOMER,
        ),
        Stream(
            "orders",
            group_by="Name",
            external_id=First(Plain("Id"), "Name"),
            currency=terms.currency,
            fields=ORDER,
        ),
    )


EXPORT = Spelling(ExportRows(), NoPages(), streams)
