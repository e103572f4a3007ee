"""Feeds that are documents: one for each stream, at a web address or a local path."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from ..exceptions import ConfigurationError
from .formats import CSV, JSON, XLSX, XML, Format, JSONLines
from .http import HTTPFeed
from .streams import Stream

_STREAM_OPTIONS = tuple(
    field.name for field in fields(Stream) if field.name not in ("name", "paginator")
)
_OPTIONS = tuple(name for name in HTTPFeed.option_names if name not in ("base_url", "format"))


class DocumentFeed(HTTPFeed):
    """Documents at ``url``, or below it where streams have a ``path``; gzipped or not.

    Either ``streams`` lists the streams, or ``stream`` names the only one and its attributes
    are given beside it: ``CSVFeed(url=…, stream="products", fields={…}, currency="EUR")``.
    """

    #: The format of the documents; its options are options of the feed.
    format_class: ClassVar[type[Format]] = JSON
    url: Any = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = ("url", "stream", *_STREAM_OPTIONS, *cls.format_class.option_names)
        cls.option_names = (*_OPTIONS, *own)

    def __init__(self, **options: Any) -> None:
        stream = options.pop("stream", "")
        attributes = {name: options.pop(name) for name in _STREAM_OPTIONS if name in options}
        names = self.format_class.option_names
        layout = {name: getattr(self, name) for name in names if hasattr(self, name)}
        layout |= {name: options.pop(name) for name in names if name in options}
        super().__init__(**options)
        self.base_url = str(self.url)
        self.format = self.format_class(**layout)
        if stream:
            if "streams" in options:
                raise ConfigurationError(
                    f"{type(self).__name__} has both stream='{stream}' and streams; give it one."
                )
            if "fields" not in attributes:
                raise ConfigurationError(
                    f"Stream '{stream}' maps no fields; give it fields={{...}}."
                )
            self.streams = (Stream(stream, **attributes),)
        elif attributes:
            raise ConfigurationError(
                f"{type(self).__name__} has {', '.join(attributes)} but no stream they belong to; "
                "give it stream='products' or the like, or streams=[Stream(...)]."
            )

    def check(self) -> list[str]:
        return [problem.replace("base_url", "url") for problem in super().check()]


class JSONFeed(DocumentFeed):
    """JSON documents, each with a list of records at ``records``."""

    format_class = JSON


class JSONLinesFeed(DocumentFeed):
    """A JSON object on each line."""

    format_class = JSONLines


class CSVFeed(DocumentFeed):
    """CSV, TSV and their kin.

    Options ``encoding``, ``delimiter``, ``quotechar``, ``escapechar`` and ``columns``.
    """

    format_class = CSV


class XMLFeed(DocumentFeed):
    """XML documents whose elements named ``records`` are the records."""

    format_class = XML


class XLSXFeed(DocumentFeed):
    """Sheets of XLSX workbooks; options ``sheet`` and ``columns``. Needs openpyxl."""

    format_class = XLSX
