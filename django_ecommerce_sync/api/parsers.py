"""One strict reader of JSON bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import IO, Any, NamedTuple, NoReturn

from django.http.request import UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from .conf import api_settings
from .problems import BodyTooLarge, FieldProblem, InvalidBody, TooManyRows, step

#: How deep a body may be nested; deeper is no data but an attack on the parser.
MAX_DEPTH = 64
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class JSONParser(BaseParser):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no key twice, no NUL, no half characters.

    Numbers with a point become ``Decimal``: money never passes through binary floats.
    """

    media_type = "application/json"

    @property
    def max_size(self) -> int:
        """Bytes a body may have."""
        return int(api_settings.MAX_BODY_SIZE)

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body's value; raises ``ParseError`` with what is wrong and where."""
        _check_charset(media_type or "")
        body = _read(stream, (parser_context or {}).get("request"), self.max_size)
        return self.read(body)

    def read(self, body: bytes) -> Any:
        """The value of the whole body."""
        document = read_json(body)
        if (unusable := _unusable(document)) is not None:
            raise InvalidBody([unusable])
        return document


class Element(NamedTuple):
    """One row of a bulk request: its value, or what is wrong with it."""

    value: Any = None
    problem: FieldProblem | None = None


class BulkJSONParser(JSONParser):
    """An array of rows; one that no column can hold takes its place as a problem."""

    @property
    def max_size(self) -> int:
        return int(api_settings.MAX_BULK_BODY_SIZE)

    def read(self, body: bytes) -> list[Element]:
        rows = read_json(body)
        if not isinstance(rows, list):
            raise InvalidBody([FieldProblem("", "not_a_list", _("An array of rows is expected."))])
        _check_number(rows)
        return [Element(row, _unusable(row)) for row in rows]


class BulkNDJSONParser(BulkJSONParser):
    """One row a line; a line that is no JSON takes its place as a problem."""

    media_type = "application/x-ndjson"

    def read(self, body: bytes) -> list[Element]:
        lines = [line for line in body.split(b"\n") if not line.isspace() and line]
        _check_number(lines)
        return [self._element(line) for line in lines]

    def _element(self, line: bytes) -> Element:
        try:
            row = read_json(line)
        except ParseError as error:
            # The line stands for itself where two requests are compared.
            text = line.decode(errors="backslashreplace")
            code = str(getattr(error.detail, "code", error.default_code))
            return Element(text, FieldProblem("", code, error.detail))
        return Element(row, _unusable(row))


class BulkJSONLinesParser(BulkNDJSONParser):
    """The same under its other name."""

    media_type = "application/jsonl"


def _check_number(rows: Sequence[Any]) -> None:
    limit = max(api_settings.MAX_BULK_ROWS, api_settings.MAX_QUEUED_BULK_ROWS)
    if len(rows) > limit:
        raise TooManyRows(len(rows), limit)


def _check_charset(media_type: str) -> None:
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", media_type, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(media_type, _("JSON is read as UTF-8 only."))


def _read(stream: IO[Any], request: Any, limit: int) -> bytes:
    announced = request.META.get("CONTENT_LENGTH") if request is not None else None
    if announced and announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge(limit)
    try:
        body: bytes = stream.read(limit + 1)
    except (UnreadablePostError, OSError) as error:
        raise ParseError(_("The request body ended before its time.")) from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def read_json(body: bytes) -> Any:
    """The value of a text; raises ``ParseError`` with what is wrong and where."""
    try:
        return json.loads(
            body.decode(),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise ParseError(_("The body is not UTF-8 at byte %d.") % error.start) from error
    except RecursionError as error:
        raise ParseError(_("The body is nested too deeply."), "too_deep") from error
    except (ValueError, ArithmeticError) as error:
        raise ParseError(_("The body is no JSON: %s") % error) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                raise ParseError(_("The name %r is there twice in one object.") % name[:100])
            seen.add(name)
    return members


def _unusable(document: Any) -> FieldProblem | None:
    """The first value no column can hold; walks without recursion."""
    pending = [("", document, 1)]
    while pending:
        pointer, value, depth = pending.pop()
        if isinstance(value, str) and _UNSTORABLE.search(value):
            return FieldProblem(pointer, "bad_unicode", _("It has a NUL or half a character."))
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                return FieldProblem("", "too_deep", _("The body is nested too deeply."))
            if isinstance(value, dict) and any(_UNSTORABLE.search(name) for name in value):
                detail = _("A name in it has a NUL or half a character.")
                return FieldProblem(pointer, "bad_unicode", detail)
            members: Any = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [(pointer + step(name), item, depth + 1) for name, item in members]
    return None
