"""Samples as the documents a source sends, and documents as the samples in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import msgspec
from defusedxml.ElementTree import fromstring

from ..exceptions import ConfigurationError
from ..feeds import CSV, JSON, XML, BadRow, Format, JSONLines, Payload, Stream
from ..feeds.document import Document, unpacked

Row = Payload | BadRow
#: Records, or a document that holds them as the source sends it.
Sample = Sequence[Payload] | Path | bytes

_MAX_BYTES = 64 << 20
_HEADER = "header:"
#: The elements that are records where a stream names none, as in ``XML``.
_XML_RECORDS = ("item", "entry")
_JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def content(sample: Sample) -> bytes | None:
    """The sample's document, unpacked; None where it is a list of records."""
    if isinstance(sample, Path):
        sample = sample.read_bytes()
    if isinstance(sample, bytes):
        with unpacked(io.BytesIO(sample), _MAX_BYTES, "the sample") as file:
            return file.read()
    return None


def records(sample: Sample, format: Format, stream: Stream) -> list[Row]:
    """The records in a sample, whichever way it is given; raises ``FeedError``."""
    raw = content(sample)
    if raw is None:
        return list(sample)  # type: ignore[arg-type]
    return list(format.read(Document(io.BytesIO(raw), "the sample"), stream).rows)


def encoded(format: Format, lists: Mapping[str, Sequence[Any]], said: Mapping[str, Any]) -> bytes:
    """A document of the format with a list of records at each path, and what it says beside."""
    if isinstance(format, JSON):
        return _JSON.encode(_document(lists, said))
    (rows,) = lists.values()
    if isinstance(format, JSONLines):
        return b"".join(_JSON.encode(row) + b"\n" for row in rows)
    if isinstance(format, CSV):
        return _table(format, rows)
    raise ConfigurationError(
        f"No {type(format).__name__} document can be made of a list of records: give the "
        "samples as a file, samples = {'products': Path(...)}."
    )


def headers(said: Mapping[str, Any]) -> dict[str, str]:
    """Of what an answer says, that which stands in its headers."""
    return {
        path.removeprefix(_HEADER): str(value)
        for path, value in said.items()
        if path.startswith(_HEADER)
    }


def _document(lists: Mapping[str, Sequence[Any]], said: Mapping[str, Any]) -> Any:
    if "" in lists:
        return lists[""]
    document: dict[str, Any] = {}
    for path, value in [*said.items(), *lists.items()]:
        if path.startswith(_HEADER):
            continue
        *outer, last = path.split(".")
        place = document
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return document


def _table(format: CSV, rows: Sequence[Any]) -> bytes:
    names = format.columns or list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=format.delimiter or ",", lineterminator="\n")
    if not format.columns:
        writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue().encode(format.encoding or "utf-8")


def emptied(raw: bytes, format: Format, stream: Stream) -> bytes:
    """The document of a source that has nothing to give; raises ``ConfigurationError``."""
    if isinstance(format, JSON):
        return _JSON.encode(_without_records(msgspec.json.decode(raw), stream.records))
    if isinstance(format, JSONLines):
        return b""
    if isinstance(format, CSV):
        return b"" if format.columns else raw.split(b"\n", 1)[0] + b"\n"
    if isinstance(format, XML):
        root = fromstring(raw)
        _drop(root, (stream.records,) if stream.records else _XML_RECORDS)
        return tostring(root)
    raise ConfigurationError(f"The contract cannot make an empty {type(format).__name__} document.")


def _without_records(document: Any, path: str) -> Any:
    if not path:
        return []
    place = document
    *outer, last = path.split(".")
    for step in outer:
        place = place[step]
    place[last] = []
    return document


def _drop(element: Element, names: Sequence[str]) -> None:
    for child in list(element):
        if child.tag.rpartition("}")[2] in names:
            element.remove(child)
        else:
            _drop(child, names)
