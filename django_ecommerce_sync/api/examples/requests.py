"""Bodies and addresses of requests that the demo's shop takes as they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model

_NDJSON = "application/x-ndjson"
_SOCK = {
    "sku": "SOCK-RED-42",
    "name": "Red sock",
    "price": "9.90",
    "currency": "EUR",
    "inventory_count": 12,
    "brand": "Acme",
    "category": "Socks",
    "attributes": {"colour": "red", "size": 42},
}
_ADA = {
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "address": {"city": "London", "country": "GB"},
}
_SHELF = {
    "sku": "ALD-FUR-0043",
    "name": "Aldermoor Oak Bookshelf, Slate",
    "price": "799.00",
    "currency": "EUR",
    "inventory_count": 30,
}
_CLARA = {
    "email": "customer001@example.com",
    "first_name": "Clara",
    "last_name": "Fairhollow",
    "phone": "+44 1632 960001",
}
_SOCKS = [
    {"sku": "SOCK-RED-42", "price": "8.90"},
    {"sku": "SOCK-BLUE-42", "name": "Blue sock", "price": "8.90", "currency": "EUR"},
]
_PEOPLE = [
    {"email": "ada@example.com", "phone": "+44 1632 960900"},
    {"email": "charles@example.com", "first_name": "Charles", "last_name": "Babbage"},
]
_SOLD = [
    {"order_id": "W-2001", "currency": "EUR", "lines": [{"product": 1, "quantity": 2}]},
    {"order_id": "W-2002", "currency": "EUR", "lines": [{"product": 2, "quantity": 1}]},
]


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _bulk(title: str, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {"application/json": {title: rows}, _NDJSON: {"One row a line": _lines(rows)}}


def _json(**examples: Any) -> dict[str, dict[str, Any]]:
    return {"application/json": {name.replace("_", " "): it for name, it in examples.items()}}


_BODIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "token_verify": _json(An_access_token={"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"}),
    "token_refresh": _json(A_refresh_token={"refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"}),
    "token_blacklist": _json(A_refresh_token={"refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"}),
    "products_create": _json(A_sock=_SOCK),
    "products_update": _json(A_bookshelf=_SHELF),
    "products_partial_update": _json(
        Another_price={"price": "749.00"}, A_pinned_name={"name": "Oak shelf", "pinned": ["name"]}
    ),
    "products_bulk": _bulk("Two socks", _SOCKS),
    "products_by_sku_update": _json(A_bookshelf=_SHELF),
    "products_by_sku_partial_update": _json(Another_stock={"inventory_count": 29}),
    "customers_create": _json(Somebody=_ADA),
    "customers_update": _json(Somebody=_CLARA),
    "customers_partial_update": _json(Another_phone={"phone": "+44 1632 960901"}),
    "customers_bulk": _bulk("Two people", _PEOPLE),
    "customers_by_email_update": _json(Somebody=_CLARA),
    "customers_by_email_partial_update": _json(Another_company={"company": "Fairhollow Studio"}),
    "orders_create": _json(
        Two_bookshelves={
            "order_id": "1001",
            "customer_email": "ada@example.com",
            "lines": [{"sku": "ALD-FUR-0043", "quantity": 2}],
            "shipping_total": "4.90",
        },
        For_a_customer={"customer": 1, "lines": [{"product": 2, "quantity": 1}]},
    ),
    "orders_update": _json(A_note={"order_id": "1", "note": "Ring twice."}),
    "orders_partial_update": _json(A_note={"note": "Leave it with the neighbours."}),
    "orders_bulk": _bulk("Two sold elsewhere", _SOLD),
    "orders_transition": _json(Paid_by_card={"to": "paid", "note": "card ending in 4242"}),
    "refresh": _json(
        Plan={"plan": True, "streams": ["products"]}, Only_look={"dry_run": True}, Everything={}
    ),
    "sync_runs_retry": _json(
        One_kind_of_mistake={"code": "invalid_decimal", "field": "price"},
        Everything={},
    ),
    "duplicates_create": _json(
        Two_customers={"model": "customers", "first": 12, "second": 31},
        Two_products={"model": "products", "first": 7, "second": 8},
    ),
    "duplicates_merge": _json(
        Keep_12_with_the_phone_of_31={"survivor": 12, "choices": {"phone": "other"}}
    ),
}


def bodies(operation: str) -> Mapping[str, Mapping[str, Any]]:
    """The examples of an operation's body, by media type and name."""
    if operation == "token_create":  # the user model says what a name is
        name = get_user_model().USERNAME_FIELD
        return _json(Somebody={name: "admin", "password": "correct horse battery staple"})
    return _BODIES.get(operation, {})


def _each(name: str, verbs: str, **values: Any) -> dict[str, dict[str, Any]]:
    return {f"{name}_{verb}": values for verb in verbs.split()}


_CHANGES = "retrieve update partial_update"
#: Operation → what stands in its address. Deletions have rows that nothing else is about.
PATHS: Mapping[str, Mapping[str, Any]] = {
    **_each("products", f"{_CHANGES} changes_list provenance_list", id=1),
    **_each("products", "destroy", id=3),
    **_each("products_by_sku", _CHANGES, sku="ALD-FUR-0043"),
    **_each("products_by_sku", "destroy", sku="ALD-FUR-0300"),
    **_each("customers", f"{_CHANGES} changes_list provenance_list", id=1),
    **_each("customers", "destroy", id=3),
    **_each("customers_by_email", _CHANGES, email="customer001@example.com"),
    **_each("customers_by_email", "destroy", email="customer004@example.com"),
    **_each("orders", f"{_CHANGES} changes_list provenance_list events_list transition", id=1),
    **_each("orders", "destroy", id=998),
    **_each("sync_runs", "retrieve issues_list issue_groups results retry", id=1),
    **_each("sync_runs", "plan_list apply cancel", id=2),
    **_each("duplicates", "retrieve merge", id=1),
    **_each("duplicates", "dismiss", id=2),
    **_each("merges", "retrieve undo", id=1),
}
