from decimal import Decimal

import pytest

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import BadRow, JSONLines

from .reading import codes, found, parse

FORMAT = JSONLines()


def test_a_row_on_each_line():
    content = b'{"sku": "a", "price": 1.10}\n{"sku": "b"}\r\n\n  \n{"sku": "c"}'
    assert found(FORMAT, content) == [
        {"sku": "a", "price": Decimal("1.10")},
        {"sku": "b"},
        {"sku": "c"},
    ]


def test_a_byte_order_mark_and_an_empty_file():
    assert found(FORMAT, b'\xef\xbb\xbf{"sku": "a"}\n') == [{"sku": "a"}]
    assert found(FORMAT, b"") == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"sku": ', "json_syntax"),
        (b'{"sku": "a"} {"sku": "b"}', "json_syntax"),
        (b'{"sku": "\xff"}', "encoding"),
        (b'{"sku": NaN}', "non_finite"),
        (b'{"sku": -1E99999999999999999999}', "number_too_long"),
        (b"\x0b", "json_syntax"),
        (b'{"sku": "\\udc00"}', "bad_unicode"),
        (b'{"sku": 1, "sku": 2}', "duplicate_key"),
        (b"[]", "not_an_object"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b"[" * 200_000, "too_deep"),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "record_too_large"),
        (b'{"a": "' + b"x" * (5 << 20) + b'"}', "record_too_large"),
    ],
)
def test_a_bad_line_costs_itself_and_is_named(line, code):
    rows = list(parse(FORMAT, b'{"sku": "a"}\n' + line + b'\n{"sku": "b"}\n{"sku": "c"').rows)
    assert codes(rows) == [{"sku": "a"}, code, {"sku": "b"}, "json_syntax"]
    assert "Line 2" in rows[1].error.message
    assert "Line 4" in rows[3].error.message


def test_the_last_line_may_be_too_long_as_well():
    (row,) = parse(FORMAT, b'{"a": "' + b"x" * (2 << 20)).rows
    assert isinstance(row, BadRow)
    assert row.error.code == "record_too_large"


@pytest.mark.parametrize("size", [1, 3, 16])
def test_chunk_boundaries_change_nothing(monkeypatch, size):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.jsonl.CHUNK", size)
    assert found(FORMAT, b'{"sku": "a"}\n\n{"sku"}\n{"sku": "b"}') == [
        {"sku": "a"},
        "json_syntax",
        {"sku": "b"},
    ]


def test_other_encodings_are_refused():
    with pytest.raises(FeedError) as caught:
        list(parse(FORMAT, '{"sku": "a"}\n'.encode("utf-16")).rows)
    assert caught.value.code == "encoding"


@pytest.mark.parametrize("page", [b"<!doctype html><p>Sign in", b"\n  <html></html>\n"])
def test_a_page_for_people_is_no_feed(page):
    with pytest.raises(FeedError) as caught:
        found(FORMAT, page)
    assert caught.value.code == "feed_not_a_list"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'{"a": 1\n}{"b": 2}\n', ["json_syntax", "json_syntax"]),
        (b'{"a": 1}{"b": 2}\n\n', ["json_syntax"]),
        (b'{"a":\n1}\n{"b": 2}{"c": 3}\n', ["json_syntax"] * 3),
        (b'{"a": 1}\r{"b": 2}\n', ["json_syntax"]),
        (b'{"a":\r1}\r\n{"b": 2}', [{"a": 1}, {"b": 2}]),
    ],
)
def test_a_record_is_a_line(content, rows):
    assert found(FORMAT, content) == rows


@pytest.mark.parametrize("size", [3, 16, 1 << 16])
def test_a_line_at_the_limit_is_the_same_wherever_pieces_end(monkeypatch, size):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.jsonl.CHUNK", size)
    for module in ("jsonl", "decoding"):
        monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.{module}.MAX_RECORD", 40)
    longest = b'{"sku": "a"}'.ljust(40)
    content = longest + b"\n" + longest + b" \n" + b" " * 41 + b"\n" + longest
    assert found(FORMAT, content) == [
        {"sku": "a"},
        "record_too_large",
        "record_too_large",
        {"sku": "a"},
    ]


@pytest.mark.parametrize("size", [3, 16, 1 << 16])
def test_a_page_of_markup_is_told_however_many_blanks_lead_it(monkeypatch, size):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.jsonl.CHUNK", size)
    with pytest.raises(FeedError, match="HTML"):
        found(FORMAT, b"\r\n" * 20 + b"<html>")
