"""The package's limits made small, so that inputs of a few hundred bytes reach all of them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django_ecommerce_sync.feeds.formats import text

#: In their proportions to each other as they are in the package. A piece has to hold a gzip
#: header, and a record several pieces.
SMALL: dict[str, int] = {
    "CHUNK": 128,
    "_PIECE": 128,
    "_HEAD": 64,
    "MAX_RECORD": 512,
    "MAX_FIELD": 128,
    "MAX_OPEN": 2048,
    "MAX_HELD": 2048,
    "MAX_GROUP": 2048,
    "MAX_ROW": 4096,
}
TINY_PIECES = {"CHUNK": 16, "_PIECE": 16, "_HEAD": 16}


def shrink() -> None:
    """Make the limits small for the rest of this process."""
    _set(SMALL)
    text._TOO_LONG = " " * (SMALL["MAX_RECORD"] + 1)
    csv.field_size_limit(SMALL["MAX_FIELD"])


@contextmanager
def tiny_pieces() -> Iterator[None]:
    """Have documents read a few bytes at a time."""
    _set(TINY_PIECES)
    try:
        yield
    finally:
        _set({name: SMALL[name] for name in TINY_PIECES})


def _set(values: dict[str, int]) -> None:
    """Set the constants wherever they have been imported."""
    for name, module in list(sys.modules.items()):
        if name.startswith("django_ecommerce_sync.feeds"):
            for constant in values.keys() & vars(module).keys():
                setattr(module, constant, values[constant])
