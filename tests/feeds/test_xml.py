import pickle
import tracemalloc
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import XML, XMLFeed
from django_ecommerce_sync.feeds.formats import tags
from django_ecommerce_sync.feeds.formats.xml import _HEAD, _PIECE

from .reading import codes, found, parse


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


# -- rows as they stand ----------------------------------------------------------------------

#: What stands between tags and may look like some.
DECOYS = [
    "<![CDATA[</item><item>]]>",
    "<![CDATA[<a>]] > ]]]>",
    "<!-- <item> - -->",
    "<!--<![CDATA[<a>-->",
    "<?php <item/> ?>",
    "text",
    "]] &gt; &amp;lt; &#65;&quot;",
    " \r\n",
    "\N{NO-BREAK SPACE}",
]
STARTS = [
    "item",
    "item a='/>'",
    'item b="</i>\'"'.replace("</i>", ">"),
    "g:item",
    "items",
    "a",
    "b",
]


def _tree(children):
    return st.builds(
        lambda start, parts: (
            f"<{start}/>" if parts is None else f"<{start}>{''.join(parts)}</{start.split()[0]}>"
        ),
        st.sampled_from(STARTS),
        st.none() | st.lists(children | st.sampled_from(DECOYS), max_size=4),
    )


TREES = st.recursive(_tree(st.sampled_from(["<sku>1</sku>", "<b>2</b>"])), _tree, max_leaves=12)


def expected(content, name="item"):
    """What the standard library makes of the records of a document."""

    def local(tag):
        return tag.rpartition("}")[2]

    def value(element):
        node = {f"@{local(name)}": text for name, text in element.attrib.items()}
        children = [(local(child.tag), value(child)) for child in element]
        for name in dict.fromkeys(name for name, _ in children):
            same = [found for other, found in children if other == name]
            node[name] = same if len(same) > 1 else same[0]
        text = "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
        return {**node, **({"#text": text} if text else {})} if node else text

    def records(element):
        if local(element.tag) != name:
            return [row for child in element for row in records(child)]
        row = value(element)
        return [row if isinstance(row, dict) else {"#text": row} if row else {}]

    return records(ElementTree.fromstring(content))


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(TREES | st.sampled_from(DECOYS), max_size=6), st.integers(1, 200))
def test_what_looks_like_a_tag_is_none(parts, size):
    content = f"<r xmlns:g='urn:g'>{''.join(parts)}</r>".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_ecommerce_sync.feeds.formats.xml._PIECE", size)
        rows = list(parse(XML(), content, records="item").rows.raw())
    payloads = [row[2].decode([row])[0] for row in rows]
    assert payloads == expected(content)


def raw(content, **stream):
    return list(parse(XML(), content, **stream).rows.raw())


def test_rows_are_their_bytes():
    content = b"<r> <item><a>1</a></item>\n<item b='2'/><x/><item><![CDATA[</item>]]></item ></r>"
    assert [row[0] for row in raw(content)] == [
        b"<item><a>1</a></item>",
        b"<item b='2'/>",
        b"<item><![CDATA[</item>]]></item >",
    ]


def test_bytes_mean_what_they_do_in_their_encoding():
    for encoding in ("iso-8859-1", "windows-1251"):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        (row,) = raw(head + b"<r><item><n>\xe0</n></item></r>")
        assert row[2].context == encoding.encode()
        assert row[2].decode([row]) == [{"n": b"\xe0".decode(encoding)}]
        (row,) = raw(head + b"<r><item n='\xe0'/></r>")
        assert row[2].decode([row]) == [{"@n": b"\xe0".decode(encoding)}]
    assert raw("<r><item>é</item></r>".encode("utf-16"))[0][0] == "<item>é</item>".encode()


def test_a_record_in_the_namespaces_around_it():
    content = b"""<r xmlns="urn:d" xmlns:g="urn:g"><group xmlns:h='urn:"h"' n=" xmlns:i='j' ">
      <h:item g:a="1"><h:b c="2"/></h:item></group><g:item g:a="3"/></r>"""
    rows = raw(content)
    assert [row[2].head for row in rows] == [
        b"""<r xmlns="urn:d" xmlns:g="urn:g" xmlns:h='urn:"h"'>""",
        b"""<r xmlns="urn:d" xmlns:g="urn:g">""",
    ]
    assert codes(row[2].decode([row])[0] for row in rows) == [
        {"@a": "1", "b": {"@c": "2"}},
        {"@a": "3"},
    ]
    assert pickle.loads(pickle.dumps(rows)) == rows


@pytest.mark.parametrize("leaf", ["<b/>", "<b>1</b>", "<b c='>'>1</b>", "<b c='1'/>"])
def test_many_elements_are_not_deep(leaf):
    # The record and what it is in take two of the levels.
    nested = "<a>" * 27 + leaf + "</a>" * 27
    content = f"<r><item>{leaf * 100}{nested}</item><item/></r>"
    assert len(found(XML(), content.encode())) == 2
    assert failure(content.replace(nested, f"<a>{nested}</a>").encode()).code == "too_deep"


def test_records_with_many_elements_are_split_at_once(monkeypatch):
    monkeypatch.delattr(tags, "_end_of_one")
    record = f"<item>{'<b>1</b>' * 100}<c d='2'>3</c></item>"
    assert len(raw(f"<r>{record * 3}</r>".encode())) == 3


def test_odd_records_are_not_all_looked_at_for_each(monkeypatch):
    looks = []
    look = tags._ends_of_many
    monkeypatch.setattr(tags, "_ends_of_many", lambda *args: looks.append(1) or look(*args))
    assert len(raw(b"<r>" + b"<item/>" * 1000 + b"</r>")) == 1000
    assert len(looks) == 2  # when they are counted, and when they are read


@pytest.mark.parametrize(
    ("record", "name", "value"),
    [
        ("<item><sku> 1 </sku></item>", "sku", "1"),
        ("<item><a>2</a>\n<g:sku>1</g:sku><g:skus>3</g:skus></item>", "sku", "1"),
        ("<item><sku>a&amp;b</sku></item>", "sku", "a&b"),
        ("<item><sku><![CDATA[1]]></sku></item>", "sku", "1"),
        ("<item><a><sku>2</sku></a><sku>1</sku></item>", "sku", "1"),
        ("<item><a b='>'/><sku>1</sku></item>", "sku", "1"),
        ("<item><sku>é</sku></item>", "sku", "é"),
        ("<item a=' sku=\"2\" >' sku='1'/>", "@sku", "1"),
        ("<item sku='a&amp;b'><sku>2</sku></item>", "@sku", "a&b"),
    ],
)
def test_an_id_is_found_in_a_row(record, name, value):
    (row,) = raw(f"<r xmlns:g='urn:g'>{record}</r>".encode())
    assert row[2].finder(name)([row[0]]) == [value]


def test_ids_are_found_beside_odd_ones():
    odd = ["<sku>1</sku>", "<sku>sku </sku>", "<sku>a&amp;b</sku>", "<a/><sku>2</sku>"]
    rows = raw(f"<r>{''.join(f'<item>{record}</item>' for record in odd)}</r>".encode())
    find = rows[0][2].finder("sku")
    assert find([row[0] for row in rows]) == ["1", "sku", "a&b", "2"]
    (twice,) = raw(b"<r><item><sku>3</sku><sku>4</sku></item></r>")
    with pytest.raises(ValueError, match="not one text"):
        find([rows[0][0], twice[0]])


@pytest.mark.parametrize(
    "record",
    [
        "<item><sku>1</sku><sku>2</sku></item>",
        "<item><sku>a&amp;b</sku><sku>2</sku></item>",
        "<item><sku/><sku>2</sku></item>",
        "<item><sku>1</sku><g:sku >2</g:sku></item>",
        "<item><a><sku>1</sku></a></item>",
        "<item><sku a='1'>2</sku></item>",
        "<item>sku<b>1</b></item>",
    ],
)
def test_an_id_that_is_no_single_text_wants_a_closer_look(record):
    (row,) = raw(f"<r xmlns:g='urn:g'>{record}</r>".encode())
    for name in ("sku", "@sku"):
        with pytest.raises(ValueError, match="not one text"):
            row[2].finder(name)([row[0]])


@pytest.mark.parametrize(
    ("written", "code"), [(b"<item></item>", "feed_changed"), (b"<item a>", "xml_syntax")]
)
def test_a_document_that_changes_while_it_is_read(written, code):
    content = parse(XML(), b"<r><item><a></a></item><item><a>1</a></item></r>")
    file = content.rows.document.file
    file.seek(3)
    file.write(written)
    try:
        codes_found = codes(content.rows)
    except FeedError as error:
        codes_found = [error.code]
    assert codes_found[0] == code


def test_records_too_large_to_be_held_in_batches_come_decoded():
    large = b"<item>" + b"<b/>" * (1 << 19) + b"</item>"
    rows = raw(b"<r><item>1</item>" + large + b"<item>2</item></r>")
    assert [type(row) for row in rows].count(dict) in (1, 2, 3)
    assert sum(len(row[0]) for row in rows if type(row) is tuple) < 100


@pytest.mark.parametrize("text", ["&#65;", "a\r\nb\rc", "a&#13;b", "&lt;&amp;lt;&gt;&quot;&apos;"])
def test_texts_are_what_a_parser_makes_of_them(text):
    content = f"<r><item><a>{text}</a></item></r>".encode()
    assert found(XML(), content) == expected(content) != []
