"""How Oscar names one record in another: by its address."""

from __future__ import annotations

from typing import Any

from ...mapping import Converter, Path
from ...records import Payload


class Tail(Converter):
    """The last part of an address, by which Oscar names other records; an id as it is."""

    def __init__(self, path: str) -> None:
        self.source = Path(path)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else value
