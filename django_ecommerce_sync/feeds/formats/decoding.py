"""JSON text of records into payloads: in batches where all is well, one by one where not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any

import msgspec

from ...exceptions import RecordError
from ..records import BadRow, Payload
from .base import MAX_DEPTH, MAX_RECORD, Row, bad_row

#: Python refuses to read or print integers much longer than this.
MAX_DIGITS = 400
_HUGE = 10**MAX_DIGITS
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidOperation)
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|([{\[])|[}\]]', re.DOTALL)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_batch(lines: Sequence[bytes]) -> list[Payload] | None:
    """The payloads of a few records, or None where some record needs a closer look.

    The decoder keeps the last of two equal keys without a word; then the text has more quotes
    than the result needs.
    """
    batch = b"".join(lines)
    if len(batch) > MAX_RECORD:
        return None
    try:
        rows = list(map(_decode, lines))
    except _UNREADABLE:
        return None
    if any(type(row) is not dict for row in rows):
        return None
    found = _count_strings(rows)
    return rows if found is not None and found * 2 == _count_quotes(batch) else None


def finder(name: str) -> Callable[[Iterable[bytes]], list[Any]]:
    """What JSON objects have under a name, texts or integers; see ``Encoding.finder``."""
    shape = msgspec.defstruct("Shape", [("value", str | int)], rename={"value": name})
    decode = msgspec.json.Decoder(shape).decode

    def find(contents: Iterable[bytes]) -> list[Any]:
        return [found.value for found in map(decode, contents)]  # type: ignore[attr-defined]

    return find


def decode_record(raw: bytes, where: str = "") -> Row:
    """One record's payload, or why there is none; ``where`` leads the message."""
    try:
        return _checked(raw)
    except json.JSONDecodeError as error:
        return bad_row("json_syntax", f"{where}{error.msg} at character {error.pos}.")
    except RecordError as error:
        return BadRow(RecordError(error.code, where + error.message, value=error.value))


def syntax_error(raw: bytes) -> json.JSONDecodeError | None:
    """Why this is no JSON at all, or None if it is, however unwelcome its content."""
    if len(raw) > MAX_RECORD:  # too large to be looked at
        return None
    try:
        json.loads(raw.decode(), parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        return error
    except RecursionError:
        return None
    return None


def _checked(raw: bytes) -> Payload:
    """The payload; raises ``RecordError`` or ``JSONDecodeError``."""
    if len(raw) > MAX_RECORD:
        raise RecordError("record_too_large", f"The record has more than {MAX_RECORD:,} bytes.")
    if _too_deep(raw):
        raise RecordError("too_deep", f"The record is nested more than {MAX_DEPTH} levels deep.")
    try:
        value = _decode(raw)
    except _UNREADABLE:
        value = _decode_exactly(raw)
        if isinstance(value, dict):  # all that the decoder refuses and the standard one does not
            raise RecordError("bad_unicode", "The record has half of a surrogate pair.") from None
    if not isinstance(value, dict):
        raise RecordError("not_an_object", "A record must be an object.", value=value)
    found = _count_strings([value])
    if found is None or found * 2 != _count_quotes(raw):
        _decode_exactly(raw)
    return value


def _count_strings(rows: list[dict[str, Any]]) -> int | None:
    """How many keys and texts decoded rows have at all levels; None if one breaks a limit."""
    count = 0
    dicts, lists = rows, list[list[Any]]()
    for _ in range(MAX_DEPTH):  # level by level, for a call for each value costs more than it
        members = list(chain.from_iterable(map(dict.values, dicts)))
        count += len(members)  # as many keys
        members.extend(chain.from_iterable(lists))
        others = [member for member in members if type(member) is not str]
        count += len(members) - len(others)
        numbers = [member for member in others if type(member) is int]
        if numbers and not -_HUGE < min(numbers) <= max(numbers) < _HUGE:
            return None
        dicts = [member for member in others if type(member) is dict]
        lists = [member for member in others if type(member) is list]
        if not dicts and not lists:
            return count
    return None


def _count_quotes(raw: bytes) -> int:
    """How many quotes begin or end a string."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return raw.count(b'"')


def _too_deep(raw: bytes) -> bool:
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _BRACKETS.finditer(raw):
        if token[1]:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in b"}]":
            depth -= 1
    return False


def _decode_exactly(raw: bytes) -> Any:
    """The slow decoder, which names what the fast one passes over or cannot name."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise RecordError("encoding", f"Byte {error.start} is not valid UTF-8.") from None
    return json.loads(
        text,
        parse_float=_decimal,
        parse_int=_integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise RecordError("number_too_long", f"A number has more than {MAX_DIGITS} digits.")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        reason = "A number is beyond what decimals can be."
        raise RecordError("number_too_long", reason) from None


def _refuse_constant(name: str) -> None:
    raise RecordError("non_finite", f"{name} is no number.", value=name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RecordError("duplicate_key", f"The key '{key}' is there twice.", value=key)
            seen.add(key)
    return found
