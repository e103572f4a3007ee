"""The REST Admin API: https://shopify.dev/docs/api/admin-rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...formats import JSON
from ...mapping import Attributes, First, Lines, Moment, Ref, Template, Text
from ...pagination import LinkHeader
from ...records import MISSING, Payload
from ...streams import Since, Stream
from .spelling import Spelling, Terms
from .vocabulary import (
    NO_TITLE,
    Barcode,
    FullName,
    OrderStatus,
    Said,
    Stock,
    Tags,
    Total,
    VariantName,
    address,
    fulfillment,
    payment,
    status,
)

#: As many records as a page may have.
LIMIT = 250
#: Read replicas of the shop may be some minutes behind.
OVERLAP = "5m"

ADDRESS = {
    "street": ["address1"],
    "street2": ["address2"],
    "city": ["city"],
    "state": ["province_code", "province"],
    "postal_code": ["zip"],
    "country": ["country_code", "country"],
}
RECIPIENT = {"name": ["name"], "company": ["company"], **ADDRESS, "phone": ["phone"]}


def image(row: Payload) -> Any:
    """The variant's own picture, or else the product's first."""
    product = row["parent"]
    images = [product.get("image") or {}, *(product.get("images") or ())]
    own = [one for one in images if one.get("id", "") == row.get("image_id")]
    return next((one["src"] for one in (*own, *images) if one.get("src")), "")


def options(row: Payload) -> Any:
    """What the variant is by each of the product's options: ``{"Color": "Pink"}``."""
    names = [option.get("name") for option in row["parent"].get("options") or ()]
    chosen = zip(names, ("option1", "option2", "option3"), strict=False)
    values = {name: row.get(option) for name, option in chosen}
    return {n: value for n, value in values.items() if value not in (None, "", NO_TITLE)} or MISSING


PRODUCT: Mapping[str, Any] = {
    "name": VariantName("parent.title", "title"),
    "description": "parent.body_html",
    "price": "price",
    "compare_at_price": "compare_at_price",
    "inventory_count": "inventory_quantity",
    "availability": Stock("inventory_quantity", "inventory_policy", "inventory_management"),
    "brand": "parent.vendor",
    "gtin": Barcode("barcode"),
    "category": "parent.product_type",
    "group_key": Text(First("parent.id", "parent.product_id")),
    "image_url": image,
    "status": status("parent.status"),
    "attributes": Attributes(
        handle="parent.handle", tags=Tags("parent.tags"), options=options, barcode=Said("barcode")
    ),
}
PRODUCT_FIELDS = (
    "id,title,body_html,vendor,product_type,handle,status,tags,updated_at,variants,options,images,"
    "image"
)

CUSTOMER: Mapping[str, Any] = {
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone": First("phone", "default_address.phone"),
    "company": "default_address.company",
    "address": address(ADDRESS, lambda name: f"default_address.{name}"),
}
CUSTOMER_FIELDS = "id,email,first_name,last_name,phone,default_address,updated_at"

LINE: Mapping[str, Any] = {
    "product": Ref("products", "variant_id", key="sku", optional=True),
    "sku": Said("sku"),
    "name": First("name", "title"),
    "unit_price": "price",
    "quantity": "quantity",
    "discount_amount": First(Total("discount_allocations", "amount"), "total_discount"),
    "tax_amount": Total("tax_lines", "price"),
}
ORDER: Mapping[str, Any] = {
    "order_id": First("name", Text("id")),
    "customer": Ref(
        "customers", "customer.id", key=First("customer.email", "email"), optional=True
    ),
    "customer_email": First("email", "contact_email", "customer.email"),
    "customer_name": FullName(
        ("customer.first_name", "customer.last_name"),
        "billing_address.name",
        "shipping_address.name",
    ),
    "order_date": Moment("created_at"),
    "currency": "currency",
    "subtotal": "total_line_items_price",
    "discount_total": "total_discounts",
    "shipping_total": First(
        "total_shipping_price_set.shop_money.amount", Total("shipping_lines", "price")
    ),
    "tax_total": "total_tax",
    "total_amount": "total_price",
    "billing_address": address(RECIPIENT, lambda name: f"billing_address.{name}"),
    "shipping_address": address(RECIPIENT, lambda name: f"shipping_address.{name}"),
    "status": OrderStatus(
        cancelled="cancelled_at",
        closed="closed_at",
        payment="financial_status",
        fulfillment="fulfillment_status",
    ),
    "payment_status": payment("financial_status"),
    "fulfillment_status": fulfillment("fulfillment_status"),
    "note": "note",
    "lines": Lines("line_items", LINE),
}
ORDER_FIELDS = (
    "id,name,email,contact_email,created_at,updated_at,cancelled_at,closed_at,currency,"
    "financial_status,fulfillment_status,total_line_items_price,total_discounts,"
    "total_shipping_price_set,shipping_lines,total_tax,total_price,billing_address,"
    "shipping_address,customer,line_items,note"
)


def streams(terms: Terms) -> Sequence[Stream]:
    """Products by variant, customers and orders of any status."""
    product = {**PRODUCT, "sku": terms.sku("sku", "id")}
    if terms.host:
        product["url"] = Template(f"https://{terms.host}/products/{{parent.handle}}?variant={{id}}")
    return (
        _stream("products", product, PRODUCT_FIELDS, terms, each="variants"),
        _stream("customers", CUSTOMER, CUSTOMER_FIELDS, terms),
        _stream("orders", ORDER, ORDER_FIELDS, terms, status="any"),
    )


def _stream(
    name: str, fields: Mapping[str, Any], asked: str, terms: Terms, each: str = "", **params: Any
) -> Stream:
    changed = "parent.updated_at" if each else "updated_at"
    return Stream(
        name,
        path=f"{name}.json",
        records=name,
        params={"limit": LIMIT, "fields": asked, **params},
        since=Since(Moment(changed), param="updated_at_min", overlap=OVERLAP),
        external_id="id",
        each=each,
        currency=terms.currency,
        fields=fields,
        allow_empty=not each,  # a new shop has no customers yet, and no orders
    )


REST = Spelling(JSON(), LinkHeader(), streams)
