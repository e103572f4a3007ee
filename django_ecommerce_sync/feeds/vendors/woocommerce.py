"""WooCommerce: https://woocommerce.github.io/woocommerce-rest-api-docs/ (version wc/v3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from ..auth import Auth, basic, secret
from ..http import HTTPFeed
from ..mapping import (
    Attributes,
    Const,
    Converter,
    First,
    Lines,
    Moment,
    OneOf,
    Ref,
    Template,
    Text,
    identifier,
    rounded,
    unescaped,
)
from ..pagination import PageNumber
from ..records import Payload, Reference
from ..streams import Since, Stream
from .catalog import Gtin, Joined, Names, Present, address

API = "wp-json/wc/v3/"
#: What is the same for every shop, or follows from its address.
_FIXED = ("base_url", "format", "paginator")
MAX_PER_PAGE = 100
#: By id: what changes while we read stays where it is, so that no row moves past us.
IN_ORDER = {"orderby": "id", "order": "asc"}
#: The shop takes the time as one of its own zone unless it is told; with a zone of its own, a
#: ``Z``, it would be moved into the shop's first.
CHANGED = Since(
    Moment("date_modified_gmt"), param="modified_after", format="%Y-%m-%dT%H:%M:%S", overlap="5m"
)
SINCE_PARAMS = {**IN_ORDER, "dates_are_gmt": "true"}
PRODUCT_STATUSES = {"publish": "active", "trash": "archived"}
ORDER_STATUSES = {
    "pending": "pending",
    "checkout-draft": "pending",
    "auto-draft": "pending",
    "processing": "processing",
    "on-hold": "on_hold",
    "completed": "completed",
    "cancelled": "cancelled",
    "trash": "cancelled",
    "refunded": "refunded",
    "failed": "failed",
}
FULFILLMENT = {
    "pending": "unfulfilled",
    "on-hold": "unfulfilled",
    "processing": "unfulfilled",
    "completed": "fulfilled",
}


@dataclass(frozen=True, slots=True)
class ConsumerKey(Auth):
    """A REST API key of the shop: both halves are in environment variables."""

    key_env: str
    secret_env: str

    def headers(self) -> dict[str, str]:
        pair = basic(secret(self.key_env), secret(self.secret_env))
        return {"Authorization": f"Basic {pair}"}


class WooCommerce(HTTPFeed):
    """The products, customers and orders of the shop at ``url``.

    ``WooCommerce(url="https://shop.example", key_env="WOO_KEY", secret_env="WOO_SECRET",
    currency="EUR")``
    """

    option_names: ClassVar[tuple[str, ...]] = (
        *(name for name in HTTPFeed.option_names if name not in _FIXED),
        "url",
        "key_env",
        "secret_env",
        "currency",
        "per_page",
        "blank_sku",
        "blank_price",
        "variations",
        "customer_role",
        "order_statuses",
    )
    #: The shop's address, without the path of its API.
    url: str = ""
    #: The environment variables with the two halves of the API key.
    key_env: str = ""
    secret_env: str = ""
    #: What the shop's prices are in; products do not say it, orders do.
    currency: str = ""
    per_page: int = MAX_PER_PAGE
    #: What stands for a blank SKU; "" rejects such products.
    blank_sku: str = "WC-{id}"
    #: What stands for a blank price; "" rejects such products.
    blank_price: str = ""
    #: Whether to read the variations of variable products too; WooCommerce 10.3 and later.
    variations: bool = False
    #: Whose accounts are customers; ``all`` has the shop's staff too.
    customer_role: str = "customer"
    #: The statuses that plugins add, each with one of ours.
    order_statuses: Mapping[str, str] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        url = self.url.rstrip("/")
        self.base_url = f"{url}/" if "/wp-json/" in url else f"{url}/{API}"
        if self.auth is None and self.key_env and self.secret_env:
            self.auth = ConsumerKey(self.key_env, self.secret_env)
        self.paginator = PageNumber(
            size_param="per_page",
            size=self.per_page,
            total_pages="header:X-WP-TotalPages",
            total="header:X-WP-Total",
        )
        self.streams = self.streams or self.own_streams()

    def check(self) -> list[str]:
        name = type(self).__name__
        problems = []
        if not self.url:
            problems.append(f"{name} has no url.")
        if self.auth is None:
            problems.append(f"{name} needs key_env and secret_env, the names of two variables.")
        if not 1 <= self.per_page <= MAX_PER_PAGE:
            problems.append(f"{name} has per_page={self.per_page}; the shop gives 1 to 100.")
        return problems + super().check()

    def own_streams(self) -> Sequence[Stream]:
        """The streams as the options shape them."""
        products = [self._products("products", PRODUCT)]
        if self.variations:
            products.append(self._products("variations", VARIATION))
        return (*products, self._customers(), self._orders())

    def _products(self, name: str, fields: Mapping[str, Any]) -> Stream:
        stand_ins = {
            "sku": First("sku", Template(self.blank_sku)) if self.blank_sku else "sku",
            "price": First("price", Const(self.blank_price)) if self.blank_price else "price",
        }
        return Stream(
            name,
            model="ecommerce_sync.Product",
            path=name,
            params=SINCE_PARAMS,
            since=CHANGED,
            external_id="id",
            currency=self.currency,
            allow_empty=name != "products",
            fields={**stand_ins, **fields},
        )

    def _customers(self) -> Stream:
        params = {**IN_ORDER, "role": self.customer_role}
        return Stream(
            "customers",
            path="customers",
            params=params,
            external_id="id",
            allow_empty=True,
            fields=CUSTOMER,
        )

    def _orders(self) -> Stream:
        statuses = {**ORDER_STATUSES, **self.order_statuses}
        line = {**LINE, "product": Sold() if self.variations else PARENT}
        return Stream(
            "orders",
            path="orders",
            params=SINCE_PARAMS,
            since=CHANGED,
            external_id="id",
            allow_empty=True,
            fields={**ORDER, "status": OneOf("status", statuses), "lines": Lines(charged, line)},
        )


# -- products --------------------------------------------------------------------------------


def full_price(row: Payload) -> Any:
    """What the product costs when its sale is over, None outside a sale."""
    return row.get("regular_price") if row.get("on_sale") else None


def group(row: Payload) -> Any:
    """The id that a variable product shares with its variations."""
    return row["id"] if str(row.get("type", "")).startswith("variable") else ""


def options(row: Payload) -> dict[str, Any]:
    """The product's attributes by name: the choices of a product, the choice of a variation."""
    found = {}
    for attribute in row.get("attributes") or ():
        chosen = attribute.get("options", attribute.get("option"))
        texts = chosen if isinstance(chosen, list) else [chosen]
        names = [unescaped(text) for text in texts if text]
        if names:
            found[unescaped(attribute["name"])] = names if chosen is texts else names[0]
    return found


_SHARED = {
    "description": "description",
    "compare_at_price": full_price,
    "inventory_count": "stock_quantity",
    "availability": "stock_status",
    "gtin": Gtin("global_unique_id"),
    "url": "permalink",
    "status": OneOf("status", PRODUCT_STATUSES, default="draft"),
}
PRODUCT: Mapping[str, Any] = {
    **_SHARED,
    "name": Text("name", unescape=True),
    "brand": Text("brands.0.name", unescape=True),
    "category": Joined(Names("categories")),
    "group_key": group,
    "image_url": "images.0.src",
    "attributes": Attributes(
        type=Present("type"),
        tags=Names("tags"),
        categories=Names("categories"),
        options=options,
        weight=Present("weight"),
    ),
}
VARIATION: Mapping[str, Any] = {
    **_SHARED,
    "name": Text("name", unescape=True),
    "group_key": "parent_id",
    "image_url": "image.src",
    "attributes": Attributes(type=Present("type"), options=options, weight=Present("weight")),
}


# -- customers -------------------------------------------------------------------------------


def postal(kind: str, **more: str) -> Attributes:
    """The billing or the shipping address of a customer or an order."""
    return address(
        **{part: f"{kind}.{path}" for part, path in more.items()},
        street=f"{kind}.address_1",
        street2=f"{kind}.address_2",
        city=f"{kind}.city",
        state=f"{kind}.state",
        postal_code=f"{kind}.postcode",
        country=f"{kind}.country",
    )


CUSTOMER: Mapping[str, Any] = {
    "email": "email",
    "first_name": First("first_name", "billing.first_name"),
    "last_name": First("last_name", "billing.last_name"),
    "phone": "billing.phone",
    "company": "billing.company",
    "address": postal("billing"),
}


# -- orders ----------------------------------------------------------------------------------


class Sold(Converter):
    """The variation that a line sells, or the product where it has no variations."""

    def extract(self, payload: Payload) -> Any:
        sku = identifier(payload.get("sku"))
        for stream, name in (("variations", "variation_id"), ("products", "product_id")):
            number = identifier(payload.get(name))
            if number:
                return Reference(stream, number, sku, optional=True)
        return Reference("products", key=sku, optional=True) if sku else None


#: A variation that is not synced is sold as the product it belongs to.
PARENT = Ref("products", "product_id", key="sku", optional=True)


def charged(row: Payload) -> list[Any]:
    """What the order's total is made of beside shipping and tax: the items, then the fees."""
    fees = [
        {
            "name": fee.get("name"),
            "quantity": 1,
            "subtotal": fee["total"],
            "total": fee["total"],
            "total_tax": fee.get("total_tax"),
        }
        for fee in row.get("fee_lines") or ()
    ]
    return [*row["line_items"], *fees]


def subtotal(row: Payload) -> Decimal:
    """The lines before discounts; the shop says only what each of them comes to."""
    return sum((Decimal(line["subtotal"]) for line in charged(row)), Decimal(0))


def unit_price(line: Payload) -> Any:
    """What one piece cost before discounts; the line's own ``price`` is after them."""
    quantity = Decimal(line["quantity"])
    return rounded(Decimal(line["subtotal"]) / quantity, 4) if quantity else line.get("price")


def discount(line: Payload) -> Decimal:
    """What coupons took off a line."""
    return Decimal(line["subtotal"]) - Decimal(line["total"])


def full_name(row: Payload) -> str:
    """The name of whom the order is billed to."""
    billing = row.get("billing") or {}
    names = [billing.get("first_name"), billing.get("last_name")]
    return " ".join(name for name in names if name) or billing.get("company") or ""


def payment(row: Payload) -> str:
    """How far the order is paid, from its status, its day of payment and its refunds."""
    refunded = sum((abs(Decimal(one["total"])) for one in row.get("refunds") or ()), Decimal(0))
    if row["status"] == "refunded" or (refunded and refunded >= Decimal(row["total"])):
        return "refunded"
    if refunded:
        return "partially_refunded"
    if row.get("date_paid_gmt") or row.get("date_paid"):
        return "paid"
    return "voided" if row["status"] in ("cancelled", "trash") else "pending"


_NAMED = {"first_name": "first_name", "last_name": "last_name", "company": "company"}
ORDER: Mapping[str, Any] = {
    "order_id": Text(First("number", "id")),
    "customer": Ref("customers", "customer_id", key="billing.email", optional=True),
    "customer_email": "billing.email",
    "customer_name": full_name,
    "order_date": Moment("date_created_gmt"),
    "currency": "currency",
    "subtotal": subtotal,
    "discount_total": "discount_total",
    "shipping_total": "shipping_total",
    "tax_total": "total_tax",
    "total_amount": "total",
    "billing_address": postal("billing", **_NAMED, phone="phone"),
    "shipping_address": postal("shipping", **_NAMED),
    "payment_status": payment,
    "fulfillment_status": OneOf("status", FULFILLMENT, default="unknown"),
    "note": "customer_note",
}
LINE: Mapping[str, Any] = {
    "sku": Present("sku"),
    "name": Text("name", unescape=True),
    "unit_price": unit_price,
    "quantity": "quantity",
    "discount_amount": discount,
    "tax_amount": "total_tax",
    "line_total": "total",
}
