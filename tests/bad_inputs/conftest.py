"""What the tests of bad inputs share with those of the engine."""

from tests.sync.conftest import shop

__all__ = ["shop"]
