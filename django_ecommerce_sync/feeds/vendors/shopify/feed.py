"""Shopify, as a feed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ....exceptions import ConfigurationError
from ...auth import Header
from ...http import HTTPFeed
from ...source import did_you_mean
from ...streams import Stream
from .bulk import BULK
from .export import EXPORT
from .rest import REST
from .spelling import Terms

SOURCES = {"rest": REST, "bulk": BULK, "csv": EXPORT}
DOMAIN = ".myshopify.com"
_SHOP = re.compile(rf"([a-z0-9][a-z0-9-]*)(?:{re.escape(DOMAIN)})?", re.ASCII | re.IGNORECASE)


class Shopify(HTTPFeed):
    """A shop's products (one for each variant), customers and orders.

    ``Shopify(shop="acme", token_env="ACME_TOKEN", currency="EUR")`` reads the REST Admin API;
    ``Shopify(source="bulk", files={"products": "/srv/acme/products.jsonl"})`` the files of bulk
    operations, and ``source="csv"`` those of CSV exports, from paths or web addresses.
    """

    option_names: ClassVar[tuple[str, ...]] = (
        *(name for name in HTTPFeed.option_names if name not in ("format", "paginator")),
        "source",
        "shop",
        "api_version",
        "token_env",
        "files",
        "currency",
        "blank_sku",
        "own_sku",
    )
    #: What Shopify lets an app ask of a shop for any length of time; larger plans allow more.
    rate = "2/s"
    #: ``rest``, ``bulk`` or ``csv``.
    source: str = "rest"
    #: The shop's name at Shopify: ``acme`` or ``acme.myshopify.com``.
    shop: str = ""
    api_version: str = "2026-07"
    #: The environment variable with the access token of an app of the shop.
    token_env: str = "SHOPIFY_ACCESS_TOKEN"  # noqa: S105 - a variable's name
    #: The path or address of each stream's file, by the stream's name.
    files: Mapping[str, Any] = {}
    #: What the shop's prices are in; products do not say it, orders do.
    currency: str = ""
    #: What stands for a blank SKU; "" rejects such variants.
    blank_sku: str = "SH-{id}"
    #: Whether SKUs are the shop's; if not, ``blank_sku`` stands for all of them. For shops that
    #: give several variants the same one.
    own_sku: bool = True

    def __init__(self, **options: Any) -> None:
        wanted = options.pop("streams", None)
        super().__init__(**options)
        if self.source not in SOURCES:
            guess = did_you_mean(self.source, SOURCES)
            raise ConfigurationError(f"Shopify has no source '{self.source}'{guess}")
        if not (self.own_sku or self.blank_sku):
            raise ConfigurationError("Shopify with own_sku=False needs a blank_sku for them all.")
        host = _host(self.shop)
        spelling = SOURCES[self.source]
        self.format, self.paginator = spelling.format, spelling.paginator
        terms = Terms(host, self.currency, self.blank_sku, self.own_sku)
        self.streams = self._chosen(wanted, self.streams or spelling.streams(terms))
        if self.source == "rest":
            self.base_url = self.base_url or _api(host, self.api_version)
            self.auth = self.auth or Header("X-Shopify-Access-Token", self.token_env)

    def check(self) -> list[str]:
        name = type(self).__name__
        if self.source != "rest":
            what = "needs files: the path or address of each stream's file."
            return [] if self.files else [f"{name} {what}"]
        problems = [] if self.base_url else [f"{name} has no shop; give it shop='acme'."]
        if self.files:
            problems.append(f"{name} has files; they are for source='bulk' or source='csv'.")
        return problems or super().check()

    def address(self, stream: Stream) -> str:
        if self.source == "rest":
            return super().address(stream)
        return str(self.files[stream.name])

    def _chosen(
        self, wanted: Sequence[Stream | str] | None, ready: Sequence[Stream]
    ) -> Sequence[Stream]:
        """The streams asked for, by name or as they are; else all there is something to read of."""
        named = {stream.name: stream for stream in ready}
        if wanted is None:
            wanted = tuple(named if self.source == "rest" else self.files)
        names = {one for one in wanted if isinstance(one, str)}
        for name in sorted(names - named.keys()):
            raise ConfigurationError(f"Shopify has no stream '{name}'{did_you_mean(name, named)}")
        chosen = [named[one] if isinstance(one, str) else one for one in wanted]
        for stream in chosen:
            if self.source != "rest" and stream.name not in self.files:
                raise ConfigurationError(
                    f"Shopify has no file for '{stream.name}' among its files."
                )
        return tuple(chosen)


def _host(shop: str) -> str:
    """The shop's host at Shopify, "" where no shop is named."""
    match = _SHOP.fullmatch(shop)
    if shop and match is None:
        raise ConfigurationError(
            f"'{shop}' is no shop at Shopify; write its name there, acme or acme{DOMAIN}."
        )
    return f"{match[1].lower()}{DOMAIN}" if match else ""


def _api(host: str, version: str) -> str:
    return f"https://{host}/admin/api/{version}/" if host else ""
