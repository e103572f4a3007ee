"""Feeds of the API's tests."""

from django_ecommerce_sync.feeds import MemoryFeed, Stream

PRODUCTS = Stream("products", fields={"sku": "id", "price": "price"}, currency="EUR")
CUSTOMERS = Stream("customers", fields={"email": "mail"})


class ShopFeed(MemoryFeed):
    streams = [PRODUCTS, CUSTOMERS]
    rows = {
        "products": [{"id": "A", "price": "1"}, {"id": "B", "price": "x"}],
        "customers": [{"mail": "a@example.com"}],
    }


class StockFeed(MemoryFeed):
    streams = [PRODUCTS]
    rows = {"products": [{"id": "C", "price": "2"}]}
