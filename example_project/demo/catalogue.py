"""The demo's shop: products, customers and orders made up by a seeded generator.

Every name, address and number is invented; the same version is the same catalogue on every
machine. ``catalogue(1)`` is the shop as it opens, ``catalogue(2)`` the shop some days later.
Rows have the shape of DummyJSON's ``products``, ``users`` and ``carts``. A few are broken on
purpose (``FAULTS``), as in every real feed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Row = dict[str, Any]

PRODUCTS, CUSTOMERS, ORDERS = 500, 200, 1000
NEW_PRODUCTS, NEW_CUSTOMERS, NEW_ORDERS = 15, 8, 40
#: In version 2 every so-many-th product has another price, stock or SKU.
REPRICED, RESTOCKED, RENAMED = 10, 7, 100
#: The product that the paged list shows twice, as lists do that move while they are read.
SHOWN_TWICE = 233

BRANDS = (
    "Aldermoor", "Brindlewick", "Cobblefen", "Dunmarrow", "Elderquill", "Fennimoss",
    "Greyhollow", "Hartlebrook", "Ivensande", "Kestrelby", "Lanternfold", "Mossgarth",
)  # fmt: skip
COLOURS = ("Chalk", "Moss", "Rust", "Slate", "Sand", "Ink")
#: Category: (nouns, materials, cheapest and dearest in cents).
CATEGORIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], int, int]] = {
    "kitchen": (("Teapot", "Bowl", "Pepper Mill", "Jug"), ("Stoneware", "Steel"), 890, 8900),
    "lighting": (("Table Lamp", "Pendant", "Lantern"), ("Glass", "Copper"), 2900, 24900),
    "textiles": (("Blanket", "Cushion", "Table Runner"), ("Linen", "Wool"), 690, 12900),
    "furniture": (("Stool", "Side Table", "Bookshelf"), ("Oak", "Walnut"), 5900, 89900),
    "office": (("Desk Tray", "Pen Cup", "Letter Rack"), ("Cork", "Walnut"), 790, 5900),
    "garden": (("Plant Pot", "Watering Can", "Bird Feeder"), ("Zinc", "Terracotta"), 590, 6900),
}
FIRST_NAMES = (
    "Ada", "Bela", "Clara", "Dario", "Elin", "Farid", "Greta", "Hana", "Ivo", "Jonas",
    "Katja", "Luca", "Mira", "Nils", "Olga", "Pavel", "Rosa", "Sami", "Tove", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Ambergate", "Birkenfold", "Copperwell", "Dovetree", "Eschenried", "Fairhollow",
    "Grünmoor", "Holzbrück", "Larkmead", "Nordquell", "Pinewright", "Rivensholm",
)  # fmt: skip
STREETS = ("Lindengasse", "Mill Lane", "Quai des Ormes", "Harbour Row", "Via dei Tigli")
CITIES = (("Altenried", "DE"), ("Port Ellery", "IE"), ("Sainte-Aure", "FR"), ("Valdoro", "IT"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One row broken on purpose: which, how, and what is wrong with it in a shopkeeper's words."""

    stream: str
    id: int
    break_row: Callable[[Row], Row]
    reason: str
    #: The last version in which it is broken.
    until: int = 2


def _with(**changes: Any) -> Callable[[Row], Row]:
    return lambda row: {**row, **changes}


def _with_line(**changes: Any) -> Callable[[Row], Row]:
    return lambda row: {**row, "products": [{**row["products"][0], **changes}]}


FAULTS = (
    Fault("products", 17, _with(price="on request"), "the price is no number", until=1),
    Fault("products", 123, _with(sku=""), "the SKU is missing"),
    Fault("products", 321, _with(price=-4.5), "the price is below zero"),
    Fault("users", 42, _with(phone="+44 1632 960042 " * 5), "the phone number is too long"),
    Fault("carts", 77, _with(userId=9999), "nobody knows the customer"),
    Fault("carts", 404, _with_line(quantity="a few"), "the quantity is no number", until=1),
    Fault("carts", 900, _with_line(id=99999), "nobody knows the product"),
)


def catalogue(version: int = 1) -> dict[str, list[Row]]:
    """All rows of the shop by stream, in the order it lists them."""
    products = _products(version)
    users = _users(version)
    rows = {
        "products": products,
        "users": users,
        "carts": _carts(version, _whole("products", _products(1)), _whole("users", _users(1))),
    }
    for fault in faults(version):
        stream = rows[fault.stream]
        stream[fault.id - 1] = fault.break_row(stream[fault.id - 1])
    products.insert(SHOWN_TWICE, products[SHOWN_TWICE - 1])
    return rows


def faults(version: int) -> list[Fault]:
    """The rows that are broken in this version."""
    return [fault for fault in FAULTS if version <= fault.until]


def _whole(stream: str, rows: list[Row]) -> list[Row]:
    """The rows that are broken in no version: the only ones orders speak of."""
    broken = {fault.id for fault in FAULTS if fault.stream == stream}
    return [row for row in rows if row["id"] not in broken]


def _products(version: int) -> list[Row]:
    random = Random("products")
    count = PRODUCTS + (NEW_PRODUCTS if version > 1 else 0)
    products = [_product(number, random) for number in range(1, count + 1)]
    return [_moved_on(product) for product in products] if version > 1 else products


def _product(number: int, random: Random) -> Row:
    category = random.choice(list(CATEGORIES))
    nouns, materials, cheapest, dearest = CATEGORIES[category]
    noun, material = random.choice(nouns), random.choice(materials)
    brand, colour = random.choice(BRANDS), random.choice(COLOURS)
    stock = random.choice((0, *range(3, 120)))
    return {
        "id": number,
        "title": f"{brand} {material} {noun}, {colour}",
        "description": f"{noun} in {material.lower()} by {brand}, finished in {colour.lower()}.",
        "category": category,
        "price": random.randrange(cheapest, dearest, 5) / 100,
        "discountPercentage": random.choice((0, 0, 0, 5, 10)),
        "stock": stock,
        "tags": [category, material.lower()],
        "brand": brand,
        "sku": f"{brand[:3].upper()}-{category[:3].upper()}-{number:04d}",
        "weight": random.randrange(1, 40),
        "availabilityStatus": "In Stock" if stock else "Out of Stock",
        "meta": {"barcode": _ean13(number)},
        "images": [f"https://shop.example/images/{number}.webp"],
        "thumbnail": f"https://shop.example/images/{number}-small.webp",
    }


def _moved_on(product: Row) -> Row:
    """The product some days later."""
    number, changes = product["id"], {}
    if number % REPRICED == 0:
        changes["price"] = round(product["price"] + 1, 2)
    if number % RESTOCKED == 0:
        changes["stock"] = product["stock"] + 20
        changes["availabilityStatus"] = "In Stock"
    if number % RENAMED == 0:
        changes["sku"] = f"{product['sku']}-B"
    return {**product, **changes}


def _ean13(number: int) -> str:
    """An article number from the range kept for use inside shops (20…29)."""
    digits = f"29{number:010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _users(version: int) -> list[Row]:
    random = Random("users")
    count = CUSTOMERS + (NEW_CUSTOMERS if version > 1 else 0)
    return [_user(number, random) for number in range(1, count + 1)]


def _user(number: int, random: Random) -> Row:
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    city, country = random.choice(CITIES)
    domain = random.choice(("example.com", "example.org"))
    return {
        "id": number,
        "firstName": first,
        "lastName": last,
        "email": f"customer{number:03d}@{domain}",
        "phone": f"+44 1632 960{number:03d}",  # a range kept for fiction
        "address": {
            "address": f"{random.randrange(1, 180)} {random.choice(STREETS)}",
            "city": city,
            "postalCode": f"{random.randrange(10000, 99999)}",
            "country": country,
        },
        "company": {"name": f"{last} {random.choice(('Studio', 'Interiors', 'Café'))}"},
    }


def _carts(version: int, products: list[Row], users: list[Row]) -> list[Row]:
    random = Random("carts")
    count = ORDERS + (NEW_ORDERS if version > 1 else 0)
    return [_cart(number, random, products, users) for number in range(1, count + 1)]


def _cart(number: int, random: Random, products: list[Row], users: list[Row]) -> Row:
    lines = [_line(product, random) for product in random.sample(products, random.randint(1, 4))]
    return {
        "id": number,
        "products": lines,
        "total": _sum(lines, "total"),
        "discountedTotal": _sum(lines, "discountedTotal"),
        "userId": random.choice(users)["id"],
        "totalProducts": len(lines),
        "totalQuantity": sum(line["quantity"] for line in lines),
    }


def _line(product: Row, random: Random) -> Row:
    quantity = random.randint(1, 3)
    total = round(product["price"] * quantity, 2)
    return {
        "id": product["id"],
        "title": product["title"],
        "price": product["price"],
        "quantity": quantity,
        "total": total,
        "discountPercentage": product["discountPercentage"],
        "discountedTotal": round(total * (100 - product["discountPercentage"]) / 100, 2),
        "thumbnail": product["thumbnail"],
    }


def _sum(lines: list[Row], name: str) -> float:
    return round(sum(line[name] for line in lines), 2)
