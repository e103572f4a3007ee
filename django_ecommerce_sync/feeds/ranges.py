"""A stretch of a file, read as if it were the whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, cast

from ..exceptions import FeedError, FeedUnreachable
from .document import Document


class Stretch:
    """The bytes of a file from ``start`` to ``end``, after some that are put before them."""

    def __init__(self, file: IO[bytes], start: int, end: int, head: bytes = b"") -> None:
        self.file = file
        self.start = start
        self.end = end
        self.head = head
        self.seek(0)

    def seek(self, offset: int) -> int:
        """Back to the beginning; nobody goes elsewhere."""
        self._ahead = self.head
        self.file.seek(self.start)
        return offset

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes, all that are left if it is negative; nothing at the end."""
        left = self.end - self.file.tell()
        if self._ahead:
            piece = self._ahead if size < 0 else self._ahead[:size]
            self._ahead = self._ahead[len(piece) :]
            return piece
        return self.file.read(left if size < 0 else min(size, left))

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def identity(path: Path) -> dict[str, int]:
    """What tells a file from what it may be later: its size, and when it changed."""
    found = os.stat(path)
    return {"size": found.st_size, "changed": found.st_mtime_ns}


def open_range(path: Path, part: dict[str, Any]) -> Document:
    """A stretch of a local file as a document; raises ``FeedError`` if that changed meanwhile."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise FeedUnreachable(
            "unreachable", f"{path} cannot be opened: {error.strerror}."
        ) from error
    now = identity(path)
    if any(now[name] != part[name] for name in now):
        file.close()
        raise FeedError("feed_changed", f"{path} changed while it was read; the next run reads it.")
    stretch = Stretch(file, part["start"], part["end"], bytes.fromhex(part["head"]))
    label = f"{path} from byte {part['start']:,}" if part["start"] else str(path)
    return Document(cast(IO[bytes], stretch), label)
