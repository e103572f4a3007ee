"""Digests: whether a record, read through this mapping, is the one that was applied last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import msgspec
from django.conf import settings

from ..feeds import BadRow, Encoding, FeedSource, Payload, RawRow, Stream

_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=repr)
#: Raised whenever cleaning changes what a value becomes, so that every row is compared anew.
_RULES = "1"
#: What a function may hold on to and be described with.
_PLAIN = (str, bytes, int, float, Decimal, tuple, list, dict, set, frozenset, CodeType, type(None))


class RecordDigest:
    """Digests the records of a stream: 128 bits, 32 hexadecimal characters.

    A row that is not decoded is digested as it stands; of a payload, the content counts and not
    the order of its keys. Either changes with the mapping and with what decides between feeds
    (``owners``), so that a mended mapping reaches rows whose record did not change.
    """

    def __init__(self, stream: Stream, key: str, owners: Any = ()) -> None:
        mapping = bytes.fromhex(mapping_digest(stream, key, owners))
        self._empty = blake2b(digest_size=16, person=mapping)
        #: Of rows that are not decoded, by what their digests begin with.
        self._begun: dict[Encoding, Any] = {}

    def of_raw(self, row: RawRow) -> str:
        """The digest of a row that is not decoded."""
        return self.of_contents(row[2], [row[0]])[0]

    def of_contents(self, encoding: Encoding, contents: Iterable[bytes]) -> list[str]:
        """The digests of rows that are not decoded, all written in one way."""
        begun = self._begun.get(encoding)
        if begun is None:
            begun = self._begun[encoding] = self._empty.copy()
            begun.update(encoding.context)
        digests = []
        for content in contents:
            digest = begun.copy()
            digest.update(content)
            digests.append(digest.hexdigest())
        return digests

    def of_payload(self, payload: Payload) -> str:
        """The digest of a payload."""
        digest = self._empty.copy()
        digest.update(_ENCODER.encode(payload))
        return digest.hexdigest()


def content_of(row: RawRow | Payload | BadRow | None) -> str:
    """A digest of what a row says, whatever it is mapped to; "" where that cannot be told.

    Keyed, for it is kept, and there may be personal data in the row.
    """
    if isinstance(row, tuple):
        content = b"\0".join((row[2].context, row[0]))
    elif row is None or isinstance(row, BadRow):
        return ""
    else:
        try:
            content = _ENCODER.encode(row)
        except (TypeError, ValueError, RecursionError):
            return ""
    key = blake2b(f"ecommerce_sync.content {settings.SECRET_KEY}".encode()).digest()
    return blake2b(content, digest_size=16, key=key).hexdigest()


def mapping_digest(stream: Stream, key: str, owners: Any = ()) -> str:
    """A digest of what the stream makes of its payloads, 32 hexadecimal characters."""
    described = _describe([_RULES, key, stream, owners])
    return blake2b(described.encode(), digest_size=16).hexdigest()


def reading_digest(feed: FeedSource, stream: Stream, key: str, owners: Any = ()) -> str:
    """A digest of which records the stream has, and of what it makes of them."""
    described = _describe([mapping_digest(stream, key, owners), feed.reads(stream)])
    return blake2b(described.encode(), digest_size=16).hexdigest()


def _describe(value: Any) -> str:
    """A text that is equal for mappings that do the same, in every process."""
    if isinstance(value, Stream):
        mapped = (value.fields, value.external_id, value.currency, value.decimal, value.casefold)
        shape = (value.group_by, value.parent, value.each)
        return _describe([value.model_label, *shape, *mapped])
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{_describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_describe, value)) + "]"
    if isinstance(value, set | frozenset):  # in an order of its own in each process
        return "{" + ",".join(sorted(map(_describe, value))) + "}"
    if isinstance(value, CodeType):
        return f"{value.co_code.hex()}{_describe(value.co_consts)}{value.co_names}"
    if isinstance(value, partial):
        return _describe(["partial", value.func, value.args, value.keywords])
    if isinstance(value, MethodType):
        return _describe(value.__func__)
    if isinstance(value, FunctionType):
        return _describe([value.__code__, value.__defaults__, value.__kwdefaults__, _held(value)])
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    if is_dataclass(value):  # also one with slots
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return f"{type(value).__qualname__}{_describe(named)}"
    if hasattr(value, "__dict__"):
        return f"{type(value).__qualname__}{_describe(vars(value))}"
    return repr(value)


def _held(function: FunctionType) -> list[Any]:
    """What a function holds on to of the one it was made in; of objects only the kind."""
    values = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing in it yet
            values.append(cell.cell_contents)
    codes = [getattr(value, "__code__", value) for value in values]  # it may hold on to itself
    return [code if isinstance(code, _PLAIN) else type(code) for code in codes]
