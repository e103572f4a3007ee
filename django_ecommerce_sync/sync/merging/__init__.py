"""Likely duplicates among customers and products: found, merged, and parted again."""

from ...exceptions import MergeRefused
from .candidates import (
    LEAST_SCORE,
    MERGEABLE,
    Search,
    dismiss,
    find,
    model_of,
    name_of,
    propose,
)
from .fields import FieldMerge, field_names
from .merges import changed_fields, merge
from .pairs import Outcome, both, merge_all, merge_candidate, ordered, preview, rows_of
from .undoing import expire, undo

__all__ = [
    "LEAST_SCORE",
    "MERGEABLE",
    "FieldMerge",
    "MergeRefused",
    "Outcome",
    "Search",
    "both",
    "changed_fields",
    "dismiss",
    "expire",
    "field_names",
    "find",
    "merge",
    "merge_all",
    "merge_candidate",
    "model_of",
    "name_of",
    "ordered",
    "preview",
    "propose",
    "rows_of",
    "undo",
]
