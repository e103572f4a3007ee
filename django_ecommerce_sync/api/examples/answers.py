"""What the API answers, as the demo's shop does."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from drf_spectacular.utils import OpenApiExample

from ..exports import cells

_HOST = "http://127.0.0.1:8000"
_AT = "2026-11-20T06:00:00Z"
_TIMES = {"created_at": "2026-11-20T06:00:01.250000Z", "updated_at": "2026-11-21T09:30:00Z"}

PRODUCT: dict[str, Any] = {
    "id": 17,
    "sku": "SOCK-RED-42",
    "name": "Red sock",
    "description": "",
    "price": "9.90",
    "compare_at_price": None,
    "currency": "EUR",
    "inventory_count": 12,
    "reserved_count": 2,
    "availability": "in_stock",
    "brand": "Acme",
    "gtin": "2900000000438",
    "mpn": "",
    "category": "Socks",
    "group_key": "",
    "url": "",
    "image_url": "https://shop.example/images/17.webp",
    "attributes": {"colour": "red", "size": 42},
    "status": "active",
    "pinned": ["name"],
    "version": 3,
    **_TIMES,
    "archived_at": None,
}
CUSTOMER: dict[str, Any] = {
    "id": 12,
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "phone": "+44 1632 960012",
    "company": "",
    "address": {"city": "London", "country": "GB"},
    "status": "active",
    "pinned": [],
    "version": 2,
    **_TIMES,
    "archived_at": None,
}
ORDER: dict[str, Any] = {
    "id": 7,
    "order_id": "1001",
    "source": "local",
    "customer": 12,
    "customer_email": "ada@example.com",
    "customer_name": "Ada Lovelace",
    "order_date": "2026-11-20T06:00:01Z",
    "currency": "EUR",
    "lines": [
        {
            "position": 1,
            "product": 17,
            "sku": "SOCK-RED-42",
            "name": "Red sock",
            "unit_price": "9.90",
            "quantity": 2,
            "discount_amount": "0.00",
            "tax_amount": "0.00",
            "line_total": "19.80",
        }
    ],
    "subtotal": "19.80",
    "discount_total": "0.00",
    "shipping_total": "4.90",
    "tax_total": "0.00",
    "total_amount": "24.70",
    "billing_address": {},
    "shipping_address": {"city": "London", "country": "GB"},
    "status": "processing",
    "payment_status": "paid",
    "fulfillment_status": "unfulfilled",
    "allowed_transitions": ["shipped", "completed", "cancelled"],
    "note": "",
    "pinned": [],
    "version": 2,
    **_TIMES,
    "archived_at": None,
}
EVENT: dict[str, Any] = {
    "id": 31,
    "kind": "transition",
    "from": "pending",
    "to": "paid",
    "by": "ann",
    "note": "card ending in 4242",
    "at": _AT,
    "data": {},
}
_COUNTS = {
    "read": 501,
    "created": 497,
    "updated": 0,
    "unchanged": 0,
    "duplicate": 1,
    "skipped": 0,
    "rejected": 3,
    "archived": 0,
}
RUN: dict[str, Any] = {
    "id": 12,
    "feed": "shop",
    "status": "partial",
    "streams": ["products"],
    "dry_run": False,
    "full": False,
    "since": None,
    "limit": None,
    "trigger": "api",
    "requested_by": "ann",
    "retry_of": None,
    "retry_choice": {},
    "planned": False,
    "plan": None,
    "plan_counts": None,
    "counts": {"products": _COUNTS},
    "totals": {"products": 501},
    "progress": 1.0,
    "issues_count": 3,
    "error": None,
    "warnings": [],
    "cancel_requested": False,
    "attempts": 1,
    "created_at": _AT,
    "started_at": "2026-11-20T06:00:00.500000Z",
    "finished_at": "2026-11-20T06:00:01.868000Z",
    "seconds": 1.368,
    "url": f"{_HOST}/api/sync-runs/12/",
}
REQUESTED = {
    "runs": [{"id": 12, "feed": "shop", "status": "queued", "url": f"{_HOST}/api/sync-runs/12/"}]
}
ISSUE: dict[str, Any] = {
    "id": 731,
    "stream": "products",
    "position": 17,
    "external_id": "17",
    "key": "KES-TEX-0017",
    "field": "price",
    "code": "invalid_decimal",
    "message": "It is not a number.",
    "excerpt": "'on request'",
    "state": "open",
    "arrived_at": None,
    "retried_in": None,
    "created_at": _AT,
}
GROUP: dict[str, Any] = {
    "stream": "products",
    "field": "price",
    "code": "invalid_decimal",
    "count": 3,
    "open": 2,
    "message": "It is not a number.",
    "example": {
        name: ISSUE[name] for name in ("id", "position", "external_id", "key", "field", "excerpt")
    },
}
PLANNED: dict[str, Any] = {
    "id": 41,
    "stream": "products",
    "position": 7,
    "action": "update",
    "key": "SK-7",
    "external_id": "7",
    "model": "ecommerce_sync.product",
    "object_id": "731",
    "reason": "",
    "changes": {"price": ["5.0000", "6.0000"]},
}
BULK: dict[str, Any] = {
    "dry_run": False,
    "counts": {**dict.fromkeys(_COUNTS, 0), "read": 2, "created": 1, "rejected": 1},
    "warnings": [],
    "results": [
        {"index": 0, "key": "SOCK-RED-42", "id": 17, "status": "created", "errors": []},
        {
            "index": 1,
            "key": None,
            "id": None,
            "status": "rejected",
            "errors": [
                {
                    "pointer": "/1/price",
                    "code": "min_value",
                    "detail": "Ensure this value is greater than or equal to 0.",
                }
            ],
        },
    ],
}
QUEUED_BULK: dict[str, Any] = {
    "id": 13,
    "status": "queued",
    "rows": 25000,
    "url": f"{_HOST}/api/sync-runs/13/",
    "results_url": f"{_HOST}/api/sync-runs/13/results/",
}
SENT_ROW: dict[str, Any] = {
    "index": 0,
    "key": "SOCK-RED-42",
    "id": 17,
    "status": "created",
    "errors": [],
}
DUPLICATE: dict[str, Any] = {
    "id": 4,
    "model": "customers",
    "score": 93,
    "state": "open",
    "reasons": [
        {"code": "same_phone", "sentence": "The names agree, and the phone numbers are the same."}
    ],
    "first": {"id": 12, "name": "ada@example.com"},
    "second": {"id": 31, "name": "a.lovelace@example.org"},
    "merge": None,
    "decided_by": None,
    "decided_at": None,
    "found_at": _AT,
}
SIDE_BY_SIDE: dict[str, Any] = {
    **DUPLICATE,
    "survivor": 12,
    "fields_that_differ": [
        {
            "name": "email",
            "survivor": "ada@example.com",
            "other": "a.lovelace@example.org",
            "merged": "ada@example.com",
            "conflict": True,
            "side": "survivor",
        }
    ],
}
MERGE: dict[str, Any] = {
    "id": 9,
    "model": "customers",
    "survivor": 12,
    "other": 31,
    "choices": {"phone": "other"},
    "changed": ["phone"],
    "merged_by": "ann",
    "merged_at": _AT,
    "undone_by": None,
    "undone_at": None,
    "expired_at": None,
    "can_be_undone": True,
}
_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"  # noqa: S105
TOKENS = {"access": _TOKEN, "refresh": _TOKEN}


def answer(title: str, value: Any) -> OpenApiExample:
    """The example of a serializer's rows, whatever the status of success is."""
    return OpenApiExample(title, value, response_only=True, status_codes=["200", "201", "202"])


def csv_file(row: dict[str, Any]) -> OpenApiExample:
    """The row as a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows([list(row), *cells([row.values()])])
    return OpenApiExample("A file", text.getvalue(), media_type="text/csv", status_codes=["200"])


def json_lines(row: dict[str, Any]) -> OpenApiExample:
    """The row as a file of JSON Lines."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return OpenApiExample("A file", f"{text}\n")
