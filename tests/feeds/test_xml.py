import pytest

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import XML

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


def test_too_deep():
    error = failure(b"<r>\n" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</r>")
    assert (error.code, error.position) == ("too_deep", 2)


def test_a_record_that_is_too_large():
    content = b"<r><item><a>" + b"x" * (2 << 20) + b"</a></item><item><a>1</a></item></r>"
    assert found(XML(), content) == ["record_too_large", {"a": "1"}]
