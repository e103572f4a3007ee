"""Documents into rows, format by format."""

from .base import Content, Format, Row
from .csv import CSV
from .json import JSON
from .jsonl import JSONLines
from .xml import XML

__all__ = ["CSV", "JSON", "XML", "Content", "Format", "JSONLines", "Row"]
