"""Digests: whether a record, read through this mapping, is the one that was applied last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import CodeType
from typing import Any

import msgspec

from ..feeds import Payload, Stream

_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=repr)
#: Raised whenever cleaning changes what a value becomes, so that every row is compared anew.
_RULES = "1"


def record_digest(stream: Stream, key: str, owners: Any = ()) -> Callable[[Payload], str]:
    """A function that digests payloads of a stream: 128 bits, 32 hexadecimal characters.

    It speaks of the payload's content, not of the order of its keys, and changes with the
    mapping and with what decides between feeds (``owners``), so that a mended mapping reaches
    rows whose payload did not change.
    """
    seed = bytes.fromhex(mapping_digest(stream, key, owners))
    encode = _ENCODER.encode

    def digest(payload: Payload) -> str:
        return blake2b(encode(payload), digest_size=16, key=seed).hexdigest()

    return digest


def mapping_digest(stream: Stream, key: str, owners: Any = ()) -> str:
    """A digest of what the stream makes of its payloads, 32 hexadecimal characters."""
    described = _describe([_RULES, key, stream, owners])
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
    if isinstance(value, CodeType):
        return f"{value.co_code.hex()}{_describe(value.co_consts)}{value.co_names}"
    if callable(value):
        code = getattr(value, "__code__", None)
        return _describe(code) if code else f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dict__"):
        return f"{type(value).__qualname__}{_describe(vars(value))}"
    return repr(value)
