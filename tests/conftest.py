"""Fixtures of the whole suite."""

from tests.feeds.conftest import server

__all__ = ["server"]
