"""Plans: what a dry run would change, row by row, and carrying out exactly that.

A dry run stores its decisions (``storing``), as ``decisions`` describes them. Whoever applies
them makes them anew and compares (``comparing``); ``words`` tells them to people.
"""

from .comparing import Comparison
from .decisions import Decisions
from .seal import seal_of
from .storing import Planner, forget
from .words import CSV_COLUMNS, csv_rows, field_by_field, in_words

__all__ = [
    "CSV_COLUMNS",
    "Comparison",
    "Decisions",
    "Planner",
    "csv_rows",
    "field_by_field",
    "forget",
    "in_words",
    "seal_of",
]
