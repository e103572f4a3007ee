"""The three ways in which a shop's records are had, and what the shop's owner decides for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...formats import Format
from ...mapping import Converter, First, converter
from ...pagination import Paginator
from ...streams import Stream
from .vocabulary import StandIn


@dataclass(frozen=True, slots=True)
class Terms:
    """What a mapping needs to know of the shop; the options of ``Shopify`` of the same names."""

    #: ``acme.myshopify.com``, or "" where nobody said.
    host: str = ""
    currency: str = ""
    blank_sku: str = ""
    own_sku: bool = True

    def sku(self, own: Any, number: Any) -> Converter:
        """The SKU of a variant with this ``own`` one and this id."""
        stand_in = StandIn(self.blank_sku, number)
        if not self.own_sku:
            return stand_in
        return First(own, stand_in) if self.blank_sku else converter(own)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One of the ways: what the documents are, how pages follow, and what is in them."""

    format: Format
    paginator: Paginator
    streams: Callable[[Terms], Sequence[Stream]]
