"""A stream's parts have, one after the other, the rows that it has as one."""

import gzip
import json
import random
from dataclasses import replace

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError
from django_ecommerce_sync.feeds import (
    BadRow,
    ByteRanges,
    CSVFeed,
    Files,
    HTTPFeed,
    IdRanges,
    JSONFeed,
    JSONLinesFeed,
    MemoryFeed,
    Offset,
    PageNumber,
    PageRanges,
    Stream,
    TimeWindows,
)

FIELDS = {"sku": "sku", "name": "name"}
OPEN = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPEN:
        OPEN.pop().close()


def read(pages):
    """The rows, bad ones by their code."""
    return [
        row.error.code if isinstance(row, BadRow) else row for page in pages for row in page.rows
    ]


def in_parts(feed):
    """The rows of each part of the feed's only stream."""
    (stream,) = feed.streams
    return [read(feed.fetch_part(stream, part, None)) for part in feed.parts(stream)]


def as_one(feed):
    (stream,) = feed.streams
    return read(feed.fetch(replace(stream, partitions=None), None))


def joined(parts):
    return [row for part in parts for row in part]


def lines(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def file_feed(kind, path, number=5, **options):
    options.setdefault("partitions", ByteRanges(number, least=1))
    OPEN.append(kind(url=path, stream="products", fields=FIELDS, **options))
    return OPEN[-1]


def test_json_lines_are_cut_between_lines(tmp_path):
    rows = [{"sku": str(n), "name": "x" * (n % 7)} for n in range(99)]
    path = lines(tmp_path / "shop.jsonl", rows)
    with path.open("a") as file:
        file.write("\n{broken\n\n")
    feed = file_feed(JSONLinesFeed, path)
    parts = in_parts(feed)
    assert len(parts) == 5
    assert all(10 < len(part) < 40 for part in parts)
    assert joined(parts) == as_one(feed) == [*rows, "json_syntax"]


def test_a_line_longer_than_a_part_is_in_one_of_them(tmp_path):
    rows = [{"sku": "1"}, {"sku": "2", "name": "x" * 900}, {"sku": "3"}]
    feed = file_feed(JSONLinesFeed, lines(tmp_path / "shop.jsonl", rows))
    assert joined(in_parts(feed)) == rows


def test_the_line_of_a_bad_row_is_told_with_the_byte_it_is_counted_from(tmp_path):
    path = lines(tmp_path / "shop.jsonl", [{"sku": str(n)} for n in range(50)])
    with path.open("a") as file:
        file.write("{broken\n")
    feed = file_feed(JSONLinesFeed, path, 2)
    (stream,) = feed.streams
    first, last = feed.parts(stream)
    ((*_, bad),) = [list(page.rows) for page in feed.fetch_part(stream, last, None)]
    at = path.read_bytes()[last["start"] :].count(b"\n")
    assert bad.error.message.startswith(f"Line {at}: ")
    assert f"counted from byte {last['start']:,} on" in bad.error.message
    assert first["end"] == last["start"]


TEXTS = ["plain", "", "two\nlines", 'a "quoted" word', "a,comma", '\n"\n"\n', "x" * 40, "ünï"]


@pytest.mark.parametrize("seed", range(12))
def test_csv_is_cut_between_records_whatever_their_cells_hold(tmp_path, seed):
    chance = random.Random(seed)
    mark = chance.choice([",", ";"])
    end = chance.choice(["\n", "\r\n"])
    rows = [{"sku": str(n), "name": chance.choice(TEXTS)} for n in range(60)]

    def cell(text):
        needs = any(character in text for character in f'{mark}"\n')
        return '"' + text.replace('"', '""') + '"' if needs or chance.random() < 0.3 else text

    body = "".join(mark.join(map(cell, row.values())) + end for row in rows)
    before = chance.choice(["", "\ufeff"]) + chance.choice(["", f"sep={mark}{end}"])
    path = tmp_path / "shop.csv"
    path.write_text(f"{before}sku{mark}name{end}{body}", newline="", encoding="utf-8")
    feed = file_feed(CSVFeed, path, chance.choice([2, 3, 8]))
    parts = in_parts(feed)
    assert len(parts) > 1
    assert joined(parts) == as_one(feed) == rows


def test_csv_with_quotes_inside_of_bare_cells(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("sku,name\n" + "".join(f'{n},5" pipe\n{n}x,"two\nlines"\n' for n in range(40)))
    feed = file_feed(CSVFeed, path)
    assert len(in_parts(feed)) == 5
    assert joined(in_parts(feed)) == as_one(feed)


def test_csv_without_a_header_is_cut_where_its_separator_is_given(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("".join(f"{n};Ding\n" for n in range(40)))
    columns = ["sku", "name"]
    told = file_feed(CSVFeed, path, columns=columns, delimiter=";")
    assert len(in_parts(told)) == 5
    assert joined(in_parts(told)) == as_one(told)
    guessed = file_feed(CSVFeed, path, columns=columns)
    assert len(guessed.parts(guessed.streams[0])) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis"])
def test_csv_in_other_encodings_is_read_as_one(tmp_path, encoding):
    path = tmp_path / "shop.csv"
    path.write_text("sku,name\n" + "".join(f"{n},Ding\n" for n in range(40)), encoding=encoding)
    feed = file_feed(CSVFeed, path, encoding=encoding)
    assert len(feed.parts(feed.streams[0])) == 1


def test_what_cannot_be_cut_is_read_as_one(tmp_path):
    rows = [{"sku": str(n)} for n in range(40)]
    packed = tmp_path / "shop.jsonl.gz"
    packed.write_bytes(gzip.compress(lines(tmp_path / "shop.jsonl", rows).read_bytes()))
    for feed in (
        file_feed(JSONLinesFeed, packed),
        file_feed(JSONLinesFeed, "https://shop.example/feed.jsonl"),
        file_feed(JSONLinesFeed, tmp_path / "none.jsonl"),
    ):
        assert list(feed.parts(feed.streams[0])) == []
    document = tmp_path / "shop.json"
    document.write_text(json.dumps(rows))
    feed = file_feed(JSONFeed, document)
    assert len(feed.parts(feed.streams[0])) == 1


def test_a_small_file_has_fewer_parts(tmp_path):
    path = lines(tmp_path / "shop.jsonl", [{"sku": str(n)} for n in range(100)])
    rule = ByteRanges(8, least=path.stat().st_size // 3)
    feed = file_feed(JSONLinesFeed, path, partitions=rule)
    assert len(feed.parts(feed.streams[0])) == 3


def test_a_file_that_changed_meanwhile_is_refused(tmp_path):
    path = lines(tmp_path / "shop.jsonl", [{"sku": str(n)} for n in range(40)])
    feed = file_feed(JSONLinesFeed, path)
    (stream,) = feed.streams
    part = feed.parts(stream)[1]
    lines(path, [{"sku": f"new {n}"} for n in range(40)])
    with pytest.raises(FeedError) as caught:
        read(feed.fetch_part(stream, part, None))
    assert caught.value.code == "feed_changed"


def test_an_unchanged_file_is_not_cut(tmp_path):
    feed = file_feed(JSONLinesFeed, lines(tmp_path / "shop.jsonl", [{"sku": "1"}] * 40))
    (stream,) = feed.streams
    known = replace(stream, known=next(feed.fetch(stream, None)).validators)
    assert list(feed.parts(known)) == []
    assert next(feed.fetch(known, None)).unchanged


def test_files_of_a_directory_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a", "c"):
        lines(tmp_path / f"{name}.jsonl", [{"sku": f"{name}{n}"} for n in range(3)])
    (tmp_path / "notes.txt").write_text("not one of them")
    feed = file_feed(JSONLinesFeed, tmp_path, partitions=Files("*.jsonl"))
    (stream,) = feed.streams
    assert feed.parts(stream) == ["a.jsonl", "b.jsonl", "c.jsonl"]
    rows = [{"sku": f"{name}{n}"} for name in "abc" for n in range(3)]
    assert joined(in_parts(feed)) == rows
    assert read(feed.fetch(stream, None)) == rows
    after_first = next(feed.fetch(stream, None)).cursor
    assert read(feed.fetch(stream, after_first)) == rows[3:]
    empty = file_feed(JSONLinesFeed, tmp_path, partitions=Files("*.csv"))
    with pytest.raises(FeedError, match="no file that fits"):
        empty.parts(empty.streams[0])


ITEMS = [{"sku": str(n), "name": "N"} for n in range(53)]


def paged(request):
    page, size = int(request.query.get("page", 1)), 5
    start = int(request.query["offset"]) if "offset" in request.query else (page - 1) * size
    body = json.dumps({"items": ITEMS[start : start + size], "total": len(ITEMS)})
    return 200, {}, body.encode()


@pytest.mark.parametrize("paginator", [PageNumber(total="total"), Offset(size=5, total="total")])
@pytest.mark.parametrize("number", [2, 4, 40])
def test_ranges_of_pages(server, paginator, number):
    server.answer = paged
    stream = Stream("products", records="items", fields=FIELDS, partitions=PageRanges(number))
    feed = HTTPFeed(base_url=server.url, paginator=paginator, streams=[stream])
    OPEN.append(feed)
    feed.allow_private_addresses = True
    parts = in_parts(feed)
    assert len(parts) == min(number, 11)
    assert joined(parts) == ITEMS
    # The first page tells how many there are; a number of pages leads on to an empty one.
    assert len(server.requests) == 1 + 11 + isinstance(paginator, PageNumber)


def test_pages_that_nobody_can_count_cannot_be_cut(server):
    server.answer = paged
    stream = Stream("products", records="items", fields=FIELDS, partitions=PageRanges(3))
    feed = HTTPFeed(base_url=server.url, paginator=PageNumber(), streams=[stream])
    OPEN.append(feed)
    feed.allow_private_addresses = True
    with pytest.raises(FeedError, match="how many pages"):
        feed.parts(stream)


def test_ranges_of_ids_leave_nobody_out(server):
    def answer(request):
        low = int(request.query.get("min_id", 0))
        high = int(request.query.get("max_id", 10**9))
        rows = [row for row in ITEMS if low <= int(row["sku"]) <= high]
        return 200, {}, json.dumps({"items": rows, "total": len(rows)}).encode()

    server.answer = answer
    rule = IdRanges(10, 40, 10)
    stream = Stream("products", records="items", fields=FIELDS, partitions=rule)
    feed = HTTPFeed(base_url=server.url, streams=[stream])
    OPEN.append(feed)
    feed.allow_private_addresses = True
    assert feed.parts(stream) == [[None, 19], [20, 29], [30, None]]
    assert [len(part) for part in in_parts(feed)] == [20, 10, 23]
    assert joined(in_parts(feed)) == ITEMS


def test_a_window_that_lacks_rows_says_so(server):
    server.answer = lambda request: (200, {}, b'{"items": [{"sku": "1"}], "total": 3}')
    rule = TimeWindows("2026-01-01", "20d", params=("after", "before"))
    paginator = PageNumber(total_pages="pages", total="total")
    stream = Stream("products", records="items", fields=FIELDS, partitions=rule)
    feed = HTTPFeed(base_url=server.url, paginator=paginator, streams=[stream], max_pages=5)
    OPEN.append(feed)
    feed.allow_private_addresses = True
    first, *others = feed.parts(stream)
    assert first == [None, "2026-01-21T00:00:00Z"]
    assert others[0][0] == "2026-01-21T00:00:00Z"
    assert others[-1][1] is None
    server.answer = lambda request: (
        200, {}, b'{"items": [{"sku": "1"}], "total": 3, "pages": 1}',
    )  # fmt: skip
    (page,) = feed.fetch_part(stream, first, None)
    assert page.partial
    assert page.total is None
    assert server.requests[-1].query == {"before": "2026-01-21T00:00:00Z", "page": "1"}


def test_records_made_of_several_rows_cannot_come_apart(tmp_path):
    feed = CSVFeed(
        url=tmp_path / "shop.csv",
        stream="products",
        fields=FIELDS,
        group_by="sku",
        partitions=ByteRanges(2),
    )
    assert any("cannot have partitions" in problem for problem in feed.check())


def test_a_source_without_pages_says_that_it_cannot_be_cut():
    stream = Stream("products", fields=FIELDS, partitions=ByteRanges(2))
    feed = MemoryFeed(streams=[stream], rows={"products": []})
    with pytest.raises(ConfigurationError, match="MemoryFeed cannot be cut into ranges of bytes"):
        feed.parts(stream)
