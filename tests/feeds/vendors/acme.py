"""A shop at Shopify: what its REST Admin API answers, and a server that answers like it."""

import base64
import json
from datetime import datetime
from urllib.parse import urlencode

CANARY = "canary"
TOKEN = "shpat_0123456789abcdef"
PATH = "/admin/api/2026-07/"


def variant(number, **values):
    """A variant; what the feed must not keep says so."""
    return {
        "id": number,
        "title": "Default Title",
        "price": "9.90",
        "compare_at_price": None,
        "sku": f"SKU-{number}",
        "barcode": None,
        "position": 1,
        "inventory_policy": "deny",
        "inventory_management": "shopify",
        "inventory_quantity": 5,
        "inventory_item_id": CANARY,
        "option1": "Default Title",
        "option2": None,
        "option3": None,
        "image_id": None,
        "cost": CANARY,
        "updated_at": "2026-03-01T09:00:00-05:00",
        **values,
    }


def product(number, *variants, **values):
    """A product; with one variant that has no title, if no other is given."""
    return {
        "id": number,
        "title": f"Thing {number}",
        "body_html": f"<p>Number {number}</p>",
        "vendor": "Acme",
        "product_type": "Things",
        "handle": f"thing-{number}",
        "status": "active",
        "tags": "",
        "created_at": "2026-01-01T09:00:00-05:00",
        "updated_at": "2026-03-01T09:00:00-05:00",
        "published_scope": CANARY,
        "template_suffix": CANARY,
        "options": [{"id": CANARY, "name": "Title", "values": ["Default Title"]}],
        "images": [],
        "image": None,
        "variants": list(variants) or [variant(number * 10, product_id=number)],
        **values,
    }


PLACE = {
    "id": CANARY,
    "first_name": "Ann",
    "last_name": "Bee",
    "name": "Ann Bee",
    "company": "Bee Ltd",
    "address1": "1 High Street",
    "address2": "Flat 2",
    "city": "Louisville",
    "province": "Kentucky",
    "province_code": "KY",
    "zip": "40202",
    "country": "United States",
    "country_code": "US",
    "phone": "555-625-1199",
    "latitude": CANARY,
    "longitude": CANARY,
}


def customer(number, **values):
    """A customer."""
    return {
        "id": number,
        "email": f"c{number}@example.com",
        "first_name": "Ann",
        "last_name": "Bee",
        "phone": "+1555625",
        "state": "disabled",
        "note": CANARY,
        "tags": CANARY,
        "multipass_identifier": CANARY,
        "last_order_name": CANARY,
        "total_spent": CANARY,
        "tax_exemptions": [CANARY],
        "email_marketing_consent": {"state": CANARY},
        "addresses": [{**PLACE, "address1": CANARY}],
        "default_address": PLACE,
        "updated_at": "2026-03-01T09:00:00-05:00",
        **values,
    }


def line(number, **values):
    """A line: three pieces at 4.00, less 1.20 by a code."""
    return {
        "id": number,
        "variant_id": 11,
        "product_id": 1,
        "sku": "SOCK-R",
        "title": "Sock",
        "name": "Sock - Red",
        "quantity": 3,
        "price": "4.00",
        "total_discount": "0.00",
        "discount_allocations": [{"amount": "1.00"}, {"amount": "0.20"}],
        "tax_lines": [{"price": "1.50", "title": CANARY}, {"price": "0.50"}],
        "properties": [{"name": CANARY, "value": CANARY}],
        "vendor": CANARY,
        **values,
    }


def order(number, **values):
    """An order of one line, paid by card."""
    return {
        "id": 9000 + number,
        "name": f"#{number}",
        "order_number": number,
        "email": "c1@example.com",
        "contact_email": "c1@example.com",
        "phone": CANARY,
        "created_at": "2026-03-02T10:00:00-05:00",
        "updated_at": "2026-03-02T11:00:00-05:00",
        "processed_at": "2026-03-02T10:00:00-05:00",
        "cancelled_at": None,
        "closed_at": None,
        "currency": "USD",
        "presentment_currency": CANARY,
        "financial_status": "paid",
        "fulfillment_status": None,
        "total_line_items_price": "12.00",
        "subtotal_price": "10.80",
        "total_discounts": "1.20",
        "total_shipping_price_set": {"shop_money": {"amount": "5.00", "currency_code": "USD"}},
        "shipping_lines": [{"price": "5.00", "phone": CANARY}],
        "total_tax": "2.00",
        "total_price": "17.80",
        "note": "Ring twice",
        "note_attributes": [{"name": CANARY, "value": CANARY}],
        "token": CANARY,
        "cart_token": CANARY,
        "browser_ip": CANARY,
        "order_status_url": f"https://acme.example/{CANARY}",
        "client_details": {"browser_ip": CANARY, "user_agent": CANARY},
        "payment_details": {"credit_card_number": CANARY, "credit_card_bin": CANARY},
        "payment_gateway_names": [CANARY],
        "customer": {"id": 1, "email": "c1@example.com", "first_name": "Ann", "last_name": "Bee"},
        "billing_address": PLACE,
        "shipping_address": {**PLACE, "city": "Paris"},
        "fulfillments": [{"tracking_number": CANARY, "receipt": {"authorization": CANARY}}],
        "refunds": [{"note": CANARY, "transactions": [{"amount": CANARY}]}],
        "line_items": [line(1)],
        **values,
    }


class Acme:
    """Answers as Shopify does: token, fields, pages behind a ``Link`` that bears no other filter.

    ``busy`` is how many requests are put off with 429 first; ``refused`` has the reasons of
    every other refusal, which a well-made client never meets.
    """

    def __init__(self, server, *, limit=250, knows_fields=True):
        self.server = server
        self.limit = limit
        self.knows_fields = knows_fields
        self.rows = {"products": [], "customers": [], "orders": []}
        self.busy = 0
        self.refused = []
        server.answer = self.answer

    def answer(self, request):
        """What the shop answers; 429 with seconds that have a decimal point, as it sends them."""
        if request.headers.get("X-Shopify-Access-Token") != TOKEN:
            return self._refuse(401, "no token")
        if self.busy:
            self.busy -= 1
            return 429, {"Retry-After": "2.0"}, b'{"errors":"Exceeded 2 calls per second"}'
        name = request.path.removeprefix(PATH).removesuffix(".json")
        if request.path != f"{PATH}{name}.json" or name not in self.rows:
            return self._refuse(404, request.path)
        query = dict(request.query)
        if "page_info" in query:
            if set(query) - {"page_info", "limit", "fields"}:
                return self._refuse(400, "page_info goes with limit and fields only")
            query = json.loads(base64.urlsafe_b64decode(query["page_info"]))
        return self._page(name, query)

    def _page(self, name, query):
        start, limit = query.get("start", 0), min(int(query["limit"]), self.limit)
        found = [row for row in self.rows[name] if _is_asked(name, row, query)]
        headers = {"X-Shopify-Shop-Api-Call-Limit": "1/40"}
        links = []
        for rel, begin in (("previous", start - limit), ("next", start + limit)):
            if 0 <= begin < len(found):
                links.append(f'<{self._address(name, query, begin)}>; rel="{rel}"')
        if links:
            headers["Link"] = ", ".join(links)
        rows = [self._shown(row, query) for row in found[start : start + limit]]
        return 200, headers, json.dumps({name: rows}).encode()

    def _address(self, name, query, start):
        state = json.dumps({**query, "start": start}).encode()
        page = urlencode({"limit": query["limit"], "page_info": base64.urlsafe_b64encode(state)})
        return f"{self.server.url}{PATH}{name}.json?{page}"

    def _shown(self, row, query):
        if not self.knows_fields:
            return row
        return {field: row[field] for field in query["fields"].split(",") if field in row}

    def _refuse(self, status, reason):
        self.refused.append(reason)
        return status, {}, json.dumps({"errors": reason}).encode()


def _is_asked(name, row, query):
    since = query.get("updated_at_min")
    if since and datetime.fromisoformat(row["updated_at"]) < datetime.fromisoformat(since):
        return False
    # Without a status the shop shows only orders that are still open.
    is_open = row.get("closed_at") is None and row.get("cancelled_at") is None
    return name != "orders" or is_open or query.get("status") == "any"
