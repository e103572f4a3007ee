"""Ready-made feeds for known sources."""

from .dummyjson import DummyJSON
from .fakestore import FakeStore
from .google import GoogleMerchant

__all__ = ["DummyJSON", "FakeStore", "GoogleMerchant"]
