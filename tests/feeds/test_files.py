import gzip

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds import (
    CSVFeed,
    HTTPFeed,
    JSONFeed,
    JSONLinesFeed,
    PageNumber,
    Stream,
    XMLFeed,
)

from .reading import FIELDS, codes, pages, rows


def test_each_format_from_a_path(tmp_path):
    for kind, content in (
        (JSONFeed, b'[{"sku": "a"}]'),
        (JSONLinesFeed, b'{"sku": "a"}\n'),
        (CSVFeed, b"sku\na\n"),
        (XMLFeed, b"<r><item><sku>a</sku></item></r>"),
    ):
        path = tmp_path / "feed"
        for body in (content, gzip.compress(content)):
            path.write_bytes(body)
            assert rows(kind(url=path, stream="products", fields=FIELDS)) == [{"sku": "a"}]


def test_a_document_over_http_with_the_stream_s_attributes(server):
    server.answer = lambda request: (200, {}, b'{"data": [{"sku": "a"}, {"sku": "b"}]}')
    feed = JSONFeed(
        url=f"{server.url}/x.json",
        stream="products",
        fields=FIELDS,
        records="data",
        currency="EUR",
        params={"v": 2},
    )
    assert pages(feed) == [([{"sku": "a"}, {"sku": "b"}], None, 2)]
    assert server.requests[0].query == {"v": "2"}
    assert feed.streams[0].currency == "EUR"


def test_streams_in_files_of_their_own(tmp_path):
    (tmp_path / "p.csv").write_text("sku;name\na;1\n")
    (tmp_path / "c.csv").write_text("email\nx@y.z\n")
    feed = CSVFeed(
        url=tmp_path,
        streams=[
            Stream("products", path="p.csv", fields=FIELDS),
            Stream("customers", path="c.csv", fields={"email": "email"}),
        ],
    )
    assert rows(feed, "products") == [{"sku": "a", "name": "1"}]
    assert rows(feed, "customers") == [{"email": "x@y.z"}]


def test_streams_of_one_document_fetch_it_once(server):
    server.answer = lambda request: (200, {}, b'{"p": [{"sku": "a"}], "c": [{"email": "x"}]}')
    streams = [
        Stream("products", records="p", fields=FIELDS),
        Stream("customers", records="c", fields={"email": "email"}),
    ]
    with JSONFeed(url=server.url, streams=streams) as feed:
        for stream in streams:
            for page in feed.fetch(stream, None):
                assert len(list(page.rows)) == 1
    assert len(server.requests) == 1


def test_a_json_feed_with_pages(server):
    server.answer = lambda request: (
        200,
        {},
        b'[{"sku": "%s"}]' % request.query["page"].encode()
        if request.query["page"] < "3"
        else b"[]",
    )
    feed = JSONFeed(url=server.url, paginator=PageNumber(), stream="products", fields=FIELDS)
    assert rows(feed) == [{"sku": "1"}, {"sku": "2"}]


def test_format_options_given_or_on_the_class(tmp_path):
    class Stock(CSVFeed):
        delimiter = "|"
        columns = ["sku", "name"]
        streams = [Stream("products", fields=FIELDS)]

    path = tmp_path / "stock"
    path.write_bytes("a;b|é\n".encode("cp1252"))
    assert rows(Stock(url=path, encoding="cp1252")) == [{"sku": "a;b", "name": "é"}]
    assert rows(Stock(url=path, encoding="cp1252", delimiter=";", columns=["sku", "name"])) == [
        {"sku": "a", "name": "b|é"}
    ]


@pytest.mark.parametrize(
    ("kind", "options", "hint"),
    [
        (CSVFeed, {"delimeter": ";"}, "did you mean 'delimiter'"),
        (CSVFeed, {"curency": "EUR"}, "did you mean 'currency'"),
        (JSONFeed, {"delimiter": ";"}, "no option 'delimiter'"),
        (HTTPFeed, {"base_ur": ""}, "did you mean 'base_url'"),
        (CSVFeed, {"fields": FIELDS}, "stream='products'"),
        (CSVFeed, {"stream": "products"}, "maps no fields"),
        (CSVFeed, {"stream": "products", "streams": [], "fields": FIELDS}, "streams"),
    ],
)
def test_mistakes_in_the_options(kind, options, hint):
    with pytest.raises(ConfigurationError, match=hint):
        kind(**options)


def test_check_finds_what_is_missing(tmp_path):
    assert CSVFeed().check() == ["CSVFeed has no url.", "CSVFeed has no streams."]
    assert HTTPFeed().check() == ["HTTPFeed has no base_url.", "HTTPFeed has no streams."]
    assert CSVFeed(url=tmp_path, stream="products", fields=FIELDS).check() == []


def test_rows_that_belong_together(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("no,item\n1,a\n2,b\n1,c\nx\n,d\n2,e\n")
    feed = CSVFeed(url=path, stream="orders", fields={"order_id": "no"}, group_by="no")
    assert codes(rows(feed)) == [
        {"no": "1", "item": "a", "rows": [{"no": "1", "item": "a"}, {"no": "1", "item": "c"}]},
        {"no": "2", "item": "b", "rows": [{"no": "2", "item": "b"}, {"no": "2", "item": "e"}]},
        "column_count",
        "group_missing",
    ]


def test_groups_go_on_over_pages(server):
    bodies = {"1": b'[{"no": 1, "n": 1}]', "2": b'[{"no": 1, "n": 2}, {"no": 2, "n": 3}]'}
    server.answer = lambda request: (200, {}, bodies.get(request.query["page"], b"[]"))
    feed = JSONFeed(
        url=server.url,
        paginator=PageNumber(),
        stream="orders",
        fields={"order_id": "no"},
        group_by="no",
    )
    (found, cursor, _), *said = pages(feed)
    assert [[row["n"] for row in group["rows"]] for group in found] == [[1, 2], [3]]
    assert cursor is None
    assert [rows for rows, _, _ in said if rows] == []
