"""Streams read by many workers at once, a part each, with the result of one that reads it all.

Each part is a row with a lease, a fence and a cursor of its own, as the run has. The run itself
lays them out, lets go, and is taken again by whoever ended the last one: to add the counts up,
to settle what several parts had a say in, and to go on as with any other stream.
"""

from .gathering import Gathering
from .reading import PartitionExecution, beside_others, run_of
from .sightings import Sightings
from .stored import close, is_waited_for, number_free
from .work import Outcome, work_through

__all__ = [
    "Gathering",
    "Outcome",
    "PartitionExecution",
    "Sightings",
    "beside_others",
    "close",
    "is_waited_for",
    "number_free",
    "run_of",
    "work_through",
]
