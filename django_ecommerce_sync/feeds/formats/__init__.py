"""Documents into rows, format by format."""

from .base import Content, Format, Row
from .csv import CSV
from .json import JSON
from .jsonl import JSONLines
from .xlsx import XLSX
from .xml import XML

__all__ = ["CSV", "JSON", "XLSX", "XML", "Content", "Format", "JSONLines", "Row"]
