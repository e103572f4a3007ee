"""The fixtures of the neighbours."""

from tests.sync.conftest import shop
from tests.sync.test_ownership import feeds

__all__ = ["feeds", "shop"]
