"""Shopify, by its REST Admin API, its bulk operations or its CSV exports."""

from .feed import Shopify

__all__ = ["Shopify"]
