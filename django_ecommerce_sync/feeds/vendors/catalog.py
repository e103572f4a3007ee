"""How shops spell what every catalogue and address book has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..mapping import Attributes, Converter, Path, Text, converter, unescaped
from ..records import MISSING, Payload

#: As many characters as ``Product.category`` holds.
CATEGORY_LENGTH = 255
_NOTHING: tuple[Any, ...] = (None, "", [], {})


class Present(Converter):
    """What a source has, or nothing where that is blank: many shops write "" for null."""

    def __init__(self, source: Any) -> None:
        self.source = converter(source)

    def extract(self, payload: Payload) -> Any:
        value = self.source.extract(payload)
        return MISSING if value in _NOTHING else value


class Names(Converter):
    """The ``name`` of each object in the list at a path, HTML entities made characters."""

    def __init__(self, path: str) -> None:
        self.source = Path(path)

    def extract(self, payload: Payload) -> Any:
        found = self.source.extract(payload)
        objects = found if isinstance(found, list) else []
        names = [one.get("name") for one in objects if isinstance(one, Mapping)]
        return [unescaped(name) for name in names if isinstance(name, str)] or MISSING


class Joined(Converter):
    """The texts of a list as one, as many as a category may have characters."""

    def __init__(self, source: Converter, separator: str = ", ") -> None:
        self.source = source
        self.separator = separator

    def extract(self, payload: Payload) -> Any:
        texts = self.source.extract(payload)
        return MISSING if texts is MISSING else fitting(texts, self.separator)


class Gtin(Text):
    """A GTIN without the blanks and hyphens it is printed with."""

    def extract(self, payload: Payload) -> Any:
        value = super().extract(payload)
        return re.sub(r"[\s-]", "", value) if isinstance(value, str) else value


def fitting(texts: list[str], separator: str) -> str:
    """Texts joined, as many from the left as a category may have characters."""
    kept = list(texts)
    while len(kept) > 1 and len(separator.join(kept)) > CATEGORY_LENGTH:
        kept.pop()
    return separator.join(kept)


def address(**paths: str) -> Attributes:
    """An address made of these parts, less those that are blank."""
    return Attributes(**{part: Present(path) for part, path in paths.items()})
