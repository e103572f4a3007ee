"""Ready-made feeds for known sources."""

from .bestbuy import BestBuy
from .dummyjson import DummyJSON
from .fakestore import FakeStore
from .google import GoogleMerchant
from .oscar import DjangoOscar
from .shopify import Shopify
from .woocommerce import WooCommerce

__all__ = [
    "BestBuy",
    "DjangoOscar",
    "DummyJSON",
    "FakeStore",
    "GoogleMerchant",
    "Shopify",
    "WooCommerce",
]
