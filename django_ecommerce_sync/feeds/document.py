"""One document of a feed, whole and decompressed, ready to be read more than once."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ..exceptions import FeedError, FeedUnreachable

CHUNK = 1 << 18
#: Up to this size a document stays in memory; beyond it goes to a temporary file.
IN_MEMORY = 8 << 20
#: No honest feed shrinks further than this under gzip; a bomb shrinks a thousandfold.
MAX_RATIO = 250
RATIO_FREE = 64 << 20
#: A gzipped file may be sent under gzip once more; one that unpacks to itself has no end.
MAX_LAYERS = 2
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(slots=True)
class Document:
    """A complete document: its bytes, and the response's headers where it came over HTTP.

    ``label`` names it in messages; it is made of scheme, host and path, never of the query.
    """

    file: IO[bytes]
    label: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Whether the source said that nothing has changed; the document is empty then.
    unchanged: bool = False
    _digest: str = field(default="", repr=False)

    @property
    def validators(self) -> dict[str, str]:
        """What the response gave to ask with the next time: ``etag``, ``last_modified``."""
        names = {"etag": "ETag", "last_modified": "Last-Modified"}
        return {name: self.headers[h] for name, h in names.items() if self.headers.get(h)}

    @property
    def date(self) -> datetime | None:
        """When the source answered, by its own clock."""
        try:
            moment = parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, OverflowError):
            return None
        return moment if moment.tzinfo else None

    def digest(self) -> str:
        """A digest of the content, 32 hexadecimal characters."""
        if not self._digest:  # several streams may ask for it
            digest = blake2b(digest_size=16)
            for chunk in chunks(self.rewind()):
                digest.update(chunk)
            self.rewind()
            self._digest = digest.hexdigest()
        return self._digest

    def rewind(self) -> IO[bytes]:
        """The file, at its beginning."""
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        """Give the file back."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_path(path: Path, max_bytes: int) -> Document:
    """A local file, plain ones in place, gzipped ones unpacked."""
    label = str(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would have us wait for ever
            raise FeedUnreachable("unreachable", f"{label} is not a file.")
        file = path.open("rb")
    except OSError as error:
        raise FeedUnreachable(
            "unreachable", f"{label} cannot be opened: {error.strerror}."
        ) from error
    return Document(unpacked(file, max_bytes, label), label)


def unpacked(file: IO[bytes], max_bytes: int, label: str) -> IO[bytes]:
    """The file itself, or if it is gzipped, one with its content; the first is closed then."""
    for _ in range(MAX_LAYERS):
        if not _is_gzipped(file):
            return file
        with file:
            plain = spool(gunzip(chunks(file), label), max_bytes, label)
        file = plain
    if _is_gzipped(file):
        file.close()
        raise FeedError("encoding", f"{label} is gzipped more than {MAX_LAYERS} times over.")
    return file


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, piece by piece."""
    while chunk := file.read(CHUNK):
        yield chunk


def spool(pieces: Iterable[bytes], max_bytes: int, label: str) -> IO[bytes]:
    """Everything in ``pieces`` in a temporary file that only we can read."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise FeedError("feed_too_large", f"{label} has more than {max_bytes:,} bytes.")
            with _room(label):
                file.write(piece)
        with _room(label):
            file.seek(0)  # writes what is still in buffers
    except BaseException:
        with suppress(OSError):  # a full disk, told already
            file.close()
        raise
    return file


@contextmanager
def _room(label: str) -> Iterator[None]:
    """Tell in our words that the disk is full."""
    try:
        yield
    except OSError as error:
        raise FeedError(
            "no_space",
            f"{label} cannot be kept in {tempfile.gettempdir()} while it is read: "
            f"{error.strerror}.",
        ) from error


def is_gzipped(path: Path) -> bool:
    """Whether a local file is gzipped, whatever its name."""
    with path.open("rb") as file:
        return _is_gzipped(file)


def _is_gzipped(file: IO[bytes]) -> bool:
    magic = file.read(2)
    file.seek(0)
    return magic == GZIP_MAGIC


def gunzip(pieces: Iterable[bytes], label: str) -> Iterator[bytes]:
    """Decompress one or several gzip members; each must be complete, its checksum right."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    read = written = 0
    try:
        for piece in pieces:
            read += len(piece)
            while piece:
                if decoder.eof:
                    piece = piece.lstrip(b"\0")  # archives may be padded
                    if not piece:
                        break
                    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
                plain = decoder.decompress(piece, CHUNK)
                written += len(plain)
                if written > RATIO_FREE and written > read * MAX_RATIO:
                    raise FeedError("feed_too_large", f"{label} unpacks to far more than it holds.")
                yield plain
                piece = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        if read and not decoder.eof:
            raise FeedError("feed_truncated", f"{label} ends inside its gzip data.", position=read)
    except zlib.error as error:
        raise FeedError(
            "feed_truncated", f"{label} has damaged gzip data.", position=read
        ) from error
