import json
import tracemalloc
from decimal import Decimal

import pytest

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import JSON, BadRow, JSONFeed
from django_ecommerce_sync.feeds.formats.decoding import decode_batch
from django_ecommerce_sync.feeds.formats.scanning import Scanner
from django_ecommerce_sync.feeds.formats.splitting import elements

from .reading import found, parse

FORMAT = JSON()


def failure(content, **stream):
    with pytest.raises(FeedError) as caught:
        list(parse(FORMAT, content, **stream).rows)
    return caught.value


def test_rows_and_exact_numbers():
    assert found(FORMAT, b'[{"sku": "a", "price": 1.10}, {"sku": "b", "price": 5}]') == [
        {"sku": "a", "price": Decimal("1.10")},
        {"sku": "b", "price": 5},
    ]


def test_the_envelope_is_the_document_without_its_records():
    content = parse(
        FORMAT,
        b'{"meta": {"next": "x"}, "data": {"n": 2, "items": [{"sku": "a"}, {"sku": "b"}]}, "z": 1}',
        records="data.items",
    )
    assert content.envelope == {"meta": {"next": "x"}, "data": {"n": 2, "items": []}, "z": 1}
    assert content.count == 2
    assert list(content.rows) == [{"sku": "a"}, {"sku": "b"}]


def test_a_huge_sibling_is_passed_over():
    sibling = json.dumps(["x" * 1000] * 2000)
    content = parse(
        FORMAT,
        f'{{"a": {sibling}, "items": [{{"sku": "a"}}], "b": {sibling}}}'.encode(),
        records="items",
    )
    assert content.envelope is None
    assert list(content.rows) == [{"sku": "a"}]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64])
def test_chunk_boundaries_change_nothing(monkeypatch, size):
    for module in ("scanning", "splitting"):
        monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.{module}.CHUNK", size)
    monkeypatch.setattr(Scanner.more, "__defaults__", (size,))
    rows = [
        {"sku": f"ü{n}", "text": 'a"},{\\' * n, "deep": [[{"x": [n]}], {}], "n": n}
        for n in range(9)
    ]
    document = {"a": {"b": "]}"}, "items": rows, "tail": [1, {"x": "y\\"}]}
    for indent in (None, 2):
        raw = json.dumps(document, ensure_ascii=False, indent=indent).encode()
        content = parse(FORMAT, raw, records="items")
        assert list(content.rows) == rows
        assert content.envelope == {**document, "items": []}


def test_byte_order_mark():
    assert found(FORMAT, b'\xef\xbb\xbf[{"sku": "a"}]') == [{"sku": "a"}]
    content = parse(FORMAT, b'\xef\xbb\xbf{"n": 1, "items": [{"sku": "a"}]}', records="items")
    assert content.envelope == {"n": 1, "items": []}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_other_encodings_are_refused(encoding):
    assert failure('[{"sku": "a"}]'.encode(encoding)).code == "encoding"


def test_invalid_utf8_names_its_byte():
    error = failure(b'[{"sku": "ab\xff"}]')
    assert (error.code, error.position) == ("encoding", 12)


def test_utf8_cut_off_at_the_end():
    assert failure('[{"sku": "é'.encode()[:-1]).code == "encoding"


@pytest.mark.parametrize(
    ("content", "position"),
    [
        (b'[{"a": 1}', 9),
        (b'[{"a": 1},', 10),
        (b'[{"a": 1}, {"b": "x', 19),
        (b'[{"a": 1}] x', 11),
        (b'[{"a": 1}] []', 11),
        (b'[{"a": 1} {"b": 2}]', 10),
        (b'[{"a": 1},]', 10),
        (b'[{"a" 1}]', 6),
        (b'[{"a": 1]]', 8),
        (b'[{"a": tru}]', 7),
        (b'[{"a": 01}]', 8),
        (b"[{'a': 1}]", 2),
        (b'[{"a": "x\ny"}]', 9),
        (b'[{"a": 1}\x0b, {"b": 2}]', 9),
        (b'[{"a": 1},\x0c{"b": 2}]', 11),
        (b"[1\x0b]", 2),
        (b'[{"a": NaN, "b" 1}]', 16),
        (b'[{"a": 1, "a": 2, "b" 1}]', 22),
        (b"[1:2]", 2),
        (b"[", 1),
        (b"", 0),
    ],
)
def test_a_document_that_is_not_well_formed(content, position):
    error = failure(content)
    assert (error.code, error.position) == ("json_syntax", position)


@pytest.mark.parametrize(
    "content",
    [
        b'{"items": [{"a": 1}]',
        b'{"items": [{"a": 1}], "b"}',
        b'{"items": [{"a": 1}]} 1',
        b'{"items": [{"a": 1}], "b": 1 "c": 2}',
        b'{"x": 1 "items": []}',
        b'{"x"',
        b'{"x": ',
    ],
)
def test_what_surrounds_the_records_must_be_well_formed_too(content):
    assert failure(content, records="items").code == "json_syntax"


def test_no_row_of_a_broken_document_is_handed_out():
    content = b"[" + b",".join(b'{"sku": "%d"}' % n for n in range(100_000)) + b",{"
    with pytest.raises(FeedError, match="cut off"):
        parse(FORMAT, content)


@pytest.mark.parametrize(
    ("content", "records", "hint"),
    [
        (b'{"error": "x", "n": 1}', "", "an object with the keys error, n"),
        (b"{}", "", "an empty object"),
        (b'"text"', "", "text"),
        (b"null", "", "null"),
        (b"12", "", "a number"),
        (b"<html></html>", "", "HTML"),
        (b'{"error": "x"}', "data.items", "no 'data' among error"),
        (b'{"data": {"x": 1}}', "data.items", "no 'items' among x"),
        (b'{"data": null}', "data", "null"),
        (b"[]", "data", "a list"),
    ],
)
def test_a_document_without_the_list(content, records, hint):
    error = failure(content, records=records)
    assert error.code == "feed_not_a_list"
    assert hint in error.message


def test_an_empty_list_is_no_error():
    assert found(FORMAT, b"[ ]") == []


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (b"[" * 31 + b"]" * 31, "too_deep"),
        (b'{"a":' * 30 + b"[]" + b"}" * 30, "too_deep"),
        (b"[" * 200_000 + b"]" * 200_000, "too_deep"),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "record_too_large"),
        (b'{"a": "' + b'\\"' * (1 << 20) + b'"}', "record_too_large"),
        (b'{"a": ' + b"1" * 4301 + b"}", "number_too_long"),
        (b'{"a": -' + b"1" * 401 + b"}", "number_too_long"),
        (b'{"a": [[{"b": ' + b"1" * 401 + b"}]]}", "number_too_long"),
        (b'{"a": 1e99999999999999999999}', "number_too_long"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "duplicate_key"),
        (b'{"a": 1, "a" : 2}', "duplicate_key"),
        (b'{"a": [{"c": [], "c": {}}]}', "duplicate_key"),
        (b'{"a": 1, "a": 2, "b": "\\\\", "c": "\\\\"}', "duplicate_key"),
        (b'{"a": "\\\\", "a": "\\""}', "duplicate_key"),
        (b'{"a": NaN}', "non_finite"),
        (b'{"a": [-Infinity]}', "non_finite"),
        (b'{"a": "\\ud800"}', "bad_unicode"),
        (b"[1]", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_a_bad_record_costs_itself(record, code):
    good = b'{"sku": "a", "text": "say \\"a\\": [{", "u": "\\ud83d\\ude00"}'
    assert [
        row if isinstance(row, str) else row["sku"]
        for row in found(FORMAT, b"[" + b",".join([good, record, good]) + b"]")
    ] == ["a", code, "a"]


@pytest.mark.parametrize(
    "record",
    [
        {"a": "", "b": ["x", ["y", {"c": "z"}]], "d": {}, "e": []},
        {"a": 'say "a"', "b": "\\", "c": '\\"', "é\n": "\u2028"},
        {"a": [10**400 - 1, 1 - 10**400, -1, 0], "b": [None, True, 1]},
    ],
)
def test_what_is_sound_is_decoded_in_batches(record):
    for text in (json.dumps([record] * 3), json.dumps([record] * 3, ensure_ascii=False)):
        assert decode_batch(elements(text.encode()[1:-1])) == [record] * 3


def test_thirty_levels_are_not_too_deep():
    record = b'{"a":' * 29 + b"[]" + b"}" * 29
    assert isinstance(found(FORMAT, b"[" + record + b"]")[0], dict)
    assert decode_batch([record]) is not None


def test_the_duplicate_key_is_named():
    row = next(iter(parse(FORMAT, b'[{"sku": 1, "sku": 2}]').rows))
    assert isinstance(row, BadRow)
    assert "'sku'" in row.error.message


def test_memory_stays_bounded(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.write(b"[")
        for n in range(60_000):
            file.write(b'%s{"sku": "%d", "text": "%s"}' % (b"," if n else b"", n, b"x" * 500))
        file.write(b"]")
    tracemalloc.start()
    with JSONFeed(url=path, stream="products", fields={"sku": "sku"}) as feed:
        (page,) = feed.fetch(feed.streams[0], None)
        assert sum(1 for _ in page.rows) == page.total == 60_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_duplicate_key_around_the_records():
    assert failure(b'{"n": 1, "n": 2, "items": []}', records="items").code == "duplicate_key"


def test_a_document_that_changes_while_it_is_read(tmp_path):
    path = tmp_path / "feed.json"
    path.write_bytes(b'[{"sku": "a"}, {"sku": "b"}]')
    with JSONFeed(url=path, stream="products", fields={"sku": "sku"}) as feed:
        (page,) = feed.fetch(feed.streams[0], None)
        path.write_bytes(b'[{"sku": "a"}]              ')
        with pytest.raises(FeedError, match="changed"):
            list(page.rows)
