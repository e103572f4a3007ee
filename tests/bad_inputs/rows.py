"""Good records, to be made bad in one place."""

from django_ecommerce_sync.feeds import Stream

GADGETS = Stream(
    "gadgets",
    model="shop.Gadget",
    key="serial",
    external_id="id",
    fields={"serial": "serial", "name": "name", "refurbished": "used", "launched": "launched"},
)


def order(number, **values):
    line = {"product_id": 1, "quantity": 1, "price": "9.90"}
    day = "2026-01-02T10:00:00Z"
    return {"id": number, "customer_id": 1, "date": day, "lines": [line], **values}


def line(**values):
    return [{"product_id": 1, "quantity": 1, "price": "9.90"}, {"product_id": 1, **values}]


def gadget(number, **values):
    return {"id": number, "serial": f"G-{number}", "name": f"Thing {number}", **values}
