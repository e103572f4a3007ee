"""What is fuzzed, by name."""

from . import csv, gzip, headers, json, mapping, reshaping, xlsx, xml
from .base import Target

TARGETS: dict[str, Target] = {
    "json": json.JSON_TARGET,
    "jsonl": json.LINES_TARGET,
    "csv": csv.TARGET,
    "xml": xml.TARGET,
    "gzip": gzip.TARGET,
    "xlsx": xlsx.TARGET,
    "mapping": mapping.TARGET,
    "headers": headers.TARGET,
    "reshaping": reshaping.TARGET,
}

__all__ = ["TARGETS", "Target"]
