import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import XML, XMLFeed
from django_ecommerce_sync.feeds.formats.xml import _HEAD, _PIECE

from .reading import found, parse


def failure(content):
    with pytest.raises(FeedError) as caught:
        parse(XML(), content)
    return caught.value


def test_elements_become_objects():
    content = b"""<?xml version="1.0"?><shop xmlns:g="urn:g"><title>x</title>
      <product id="7" g:lang="de"><g:sku> a </g:sku><name><![CDATA[<b>&]]></name>
        <img src="1"/><img src="2"/><img>3</img>
        <price currency="EUR">5.00</price><stock><a>1</a><b/></stock></product>
      <product>text</product></shop>"""
    assert found(XML(), content, records="product") == [
        {
            "@id": "7",
            "@lang": "de",
            "sku": "a",
            "name": "<b>&",
            "img": [{"@src": "1"}, {"@src": "2"}, "3"],
            "price": {"@currency": "EUR", "#text": "5.00"},
            "stock": {"a": "1", "b": ""},
        },
        {"#text": "text"},
    ]


def test_items_and_entries_are_records_by_default():
    assert found(XML(), b"<rss><channel><item><id>1</id></item></channel></rss>") == [{"id": "1"}]
    assert found(XML(), b"<feed xmlns='urn:atom'><entry><id>1</id></entry></feed>") == [{"id": "1"}]


def test_a_record_inside_a_record_belongs_to_it():
    content = parse(XML(), b"<r><item><item>1</item></item><item/></r>")
    assert content.count == 2
    assert list(content.rows) == [{"item": "1"}, {}]


def test_declared_encodings():
    content = '<?xml version="1.0" encoding="iso-8859-1"?><r><item><n>é</n></item></r>'
    assert found(XML(), content.encode("latin-1")) == [{"n": "é"}]
    assert found(XML(), "<r><item><n>é</n></item></r>".encode("utf-16")) == [{"n": "é"}]


def test_text_in_another_encoding_than_declared():
    content = '<?xml version="1.0" encoding="iso-8859-1"?><r><item><n>à</n></item><item/></r>'
    assert found(XML(), content.replace("à", "’").encode()) == ["bad_unicode", {}]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"<r>\n<item>", 2),
        (b"", 1),
        (b"<r/>\n<r/>", 2),
        (b"<r>\n\n<item>\x01</item></r>", 3),
        (b'<r a="1" a="2"/>', 1),
        (b"<r>&nbsp;</r>", 1),
        (b"<r><item></r>", 1),
    ],
)
def test_a_document_that_is_not_well_formed(content, line):
    error = failure(content)
    assert (error.code, error.position) == ("xml_syntax", line)


@pytest.mark.parametrize("encoding", ["utf-7", "klingon", "utf-32"])
def test_encodings_nobody_can_read(encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?><r/>'.encode()
    assert failure(content).code == "xml_syntax"


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><r>&b;</r>',
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><r/>',
    ],
)
def test_document_types_are_forbidden(content):
    assert failure(content).code == "xml_forbidden"


def test_xinclude_is_inert():
    content = (
        b'<r xmlns:xi="http://www.w3.org/2001/XInclude"><item><xi:include href="/etc/passwd"/>'
        b"</item></r>"
    )
    assert found(XML(), content) == [{"include": {"@href": "/etc/passwd"}}]


@pytest.mark.parametrize(
    "content",
    [
        b"<r>\n" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</r>",
        b"<r><item>" + b"<a>" * 29 + b"</a>" * 29 + b"</item></r>",
    ],
)
def test_too_deep(content):
    error = failure(content)
    assert error.code == "too_deep"
    assert "<a>" in error.message


def test_thirty_levels_are_not_too_deep():
    assert found(XML(), b"<r><item>" + b"<a>" * 28 + b"1" + b"</a>" * 28 + b"</item></r>") != []


def test_a_record_that_is_too_large():
    content = b"<r><item><a>" + b"x" * (2 << 20) + b"</a></item><item><a>1</a></item></r>"
    assert found(XML(), content) == ["record_too_large", {"a": "1"}]


@pytest.mark.parametrize(
    "content", [b"<r><item><a>%s</a></item></r>", b"<r><a>%s</a></r>", b"<r><item>%s</item></r>"]
)
def test_what_memory_cannot_hold_ends_the_feed(monkeypatch, content):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.xml.MAX_HELD", 1 << 20)
    for text in (b"x" * (2 << 20), b"<b/>" * (1 << 19)):
        if b"<item>" in content or text.startswith(b"x"):
            assert failure(content % text).code == "record_too_large"


def test_text_between_elements_belongs_to_their_parent():
    assert found(XML(), b"<r>x<item>a<b>1</b>c<!-- - --><d e='f'>2</d><d/>g</item>y</r>") == [
        {"b": "1", "d": [{"@e": "f", "#text": "2"}, ""], "#text": "acg"}
    ]


@pytest.mark.parametrize("size", [1, 3, 64])
def test_piece_boundaries_change_nothing(monkeypatch, size):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.xml._PIECE", size)
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.xml._HEAD", size)
    content = "<r><c><item><n>é</n><n>’</n></item>\n<x/><item a='1'>b</item></c><item/></r>"
    assert found(XML(), content.encode()) == [{"n": ["é", "’"]}, {"@a": "1", "#text": "b"}, {}]
    assert failure(b"<!-- x --><!DOCTYPE r><r/>").code == "xml_forbidden"


def test_memory_stays_bounded(tmp_path):
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(b"<rss><channel>")
        for n in range(40_000):
            file.write(b"<item><sku>%d</sku><text>%s</text></item>\n" % (n, b"x" * 500))
        file.write(b"</channel></rss>")
    tracemalloc.start()
    with XMLFeed(url=path, stream="products", fields={"sku": "sku"}) as feed:
        (page,) = feed.fetch(feed.streams[0], None)
        assert sum(1 for _ in page.rows) == page.total == 40_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What is put away stays in memory up to 8 MiB.
    assert peak < 24 << 20


@given(st.text(st.sampled_from("<>/ab&;=\"' \n!-[]éitem"), max_size=80))
def test_any_text_is_rows_or_a_feed_error(text):
    with suppress(FeedError):
        list(parse(XML(), f"<r><item>{text}</item></r>".encode()).rows)


@pytest.mark.parametrize("cut", [3, 12, 40])
def test_a_document_type_is_seen_wherever_the_first_piece_ends(cut):
    head = f"<?xml version='1.0'?><!--{' ' * _HEAD}"[: _HEAD - cut - 3] + "-->"
    content = f"{head}<!DOCTYPE feed [<!ENTITY a 'b'>]><feed><item><sku>&a;</sku></item></feed>"
    with pytest.raises(FeedError) as caught:
        parse(XML(), content.encode())
    assert caught.value.code == "xml_forbidden"


def test_the_last_rows_are_there_however_late_the_parser_is():
    """From 2.6 on expat waits for more before it looks at an unfinished element again."""
    name = "x" * (2 * _PIECE)
    content = f"<feed><item sku='a'/><item name='{name}' sku='b'/></feed>".encode()
    assert [row["@sku"] for row in parse(XML(), content).rows] == ["a", "b"]
