"""Documents as no feed should send them, each through a whole sync.

The numbers are those of the project's list of bad inputs. A case says what becomes of it: all
rows land, one row is rejected and the others land, or the run fails and nothing is written.
"""

import codecs
import gzip
import json
from typing import NamedTuple

import pytest

from django_ecommerce_sync.feeds import Attributes, CSVFeed, JSONFeed, JSONLinesFeed, XMLFeed
from django_ecommerce_sync.models import OUTCOMES, Product, SyncIssue
from django_ecommerce_sync.sync import execute, request_run

pytestmark = pytest.mark.django_db

FIELDS = {
    "sku": "sku",
    "name": "name",
    "price": "price",
    "attributes": Attributes(material="material"),
}
#: What is used when a case says nothing else: two good rows, with the bad one between them.
GOOD = {"sku": "a", "name": "Lamp", "price": "1.50"}, {"sku": "b", "name": "Table", "price": "2"}


class Lands(NamedTuple):
    """Every row lands."""

    names: dict[str, str] = {"a": "Lamp", "b": "Table"}


class Rejected(NamedTuple):
    """The row at ``position`` is rejected, all others land."""

    code: str
    position: int = 2
    field: str = ""
    key: str = ""
    hint: str = ""


class Fails(NamedTuple):
    """The run fails; its message says where or why."""

    code: str
    hint: str


class Case(NamedTuple):
    number: str
    title: str
    feed: type
    content: bytes
    outcome: Lands | Rejected | Fails
    options: dict = {}


def array(*records):
    """A JSON array of the good rows with these between them; text is taken as it is."""
    first, last = map(json.dumps, GOOD)
    return f"[{','.join([first, *records, last])}]".encode("utf-8", "surrogateescape")


def lines(*records):
    """JSON Lines: the good rows with these between them."""
    first, last = (json.dumps(row).encode() for row in GOOD)
    return b"\n".join([first, *records, last, b""])


def table(*rows, header=b"sku,name,price"):
    """CSV: the good rows with these between them."""
    first, last = (",".join(row.values()).encode() for row in GOOD)
    return b"\n".join([header, first, *rows, last, b""])


def xml(*records, head=b"", root=b"shop"):
    """XML: the good rows with these between them."""
    first, last = (
        b"<item>%s</item>" % b"".join(b"<%s>%s</%s>" % (k, v, k) for k, v in pairs(row))
        for row in GOOD
    )
    return b"%s<%s>%s</%s>" % (head, root, b"\n".join([first, *records, last]), root)


def pairs(row):
    return [(name.encode(), value.encode()) for name, value in row.items()]


def record(**values):
    return json.dumps({"sku": "x", "name": "Chair", "price": "3"} | values)


def at(content, offset):
    """What a message says of a place in a document."""
    return f"byte {offset if offset >= 0 else len(content) + offset}"


CUT = array()[:-9]
TEXT = "sku,name,price\na,Lamp,1.50\nb,Table,2\n"
DEEP = '{"sku": "x", "name": ' + "[" * 33 + "]" * 33 + "}"
JSON_CASES = [
    Case("B01", "cut off", JSONFeed, CUT, Fails("json_syntax", at(CUT, len(CUT)))),
    Case(
        "B01", "cut off", JSONLinesFeed, lines(b'{"sku": '), Rejected("json_syntax", hint="Line 2")
    ),
    Case(
        "B01", "trailing", JSONFeed, array() + b"x", Fails("json_syntax", at(array(), len(array())))
    ),
    Case("B01", "twice", JSONFeed, array() * 2, Fails("json_syntax", at(array(), len(array())))),
    Case("B02", "an object", JSONFeed, b'{"error": "x"}', Fails("feed_not_a_list", "error")),
    Case("B02", "text", JSONFeed, b'"closed"', Fails("feed_not_a_list", "text")),
    Case("B02", "null", JSONFeed, b"null", Fails("feed_not_a_list", "null")),
    Case("B02", "a page", JSONFeed, b"<html></html>", Fails("feed_not_a_list", "HTML")),
    Case("B03", "mark", JSONFeed, codecs.BOM_UTF8 + array(), Lands()),
    Case("B03", "mark", JSONLinesFeed, codecs.BOM_UTF8 + lines(), Lands()),
    Case("B04", "UTF-16", JSONFeed, array().decode().encode("utf-16"), Fails("encoding", "UTF-16")),
    Case("B04", "UTF-32", JSONFeed, array().decode().encode("utf-32"), Fails("encoding", "UTF-32")),
    Case(
        "B05",
        "not UTF-8",
        JSONFeed,
        array(record(name="\udcff")).replace(b"\\udcff", b"\xff"),
        Fails("encoding", at(b"", array(record(name="\udcff")).index(b"\\udcff"))),
    ),
    Case(
        "B05",
        "not UTF-8",
        JSONLinesFeed,
        lines(b'{"sku": "x", "name": "\xff"}'),
        Rejected("encoding", hint="Line 2"),
    ),
    Case("B07", "33 deep", JSONFeed, array(DEEP), Rejected("too_deep")),
    Case("B07", "33 deep", JSONLinesFeed, lines(DEEP.encode()), Rejected("too_deep")),
    Case("B07", "2,000 deep", JSONFeed, array("[" * 2_000 + "]" * 2_000), Rejected("too_deep")),
    Case(
        "B07", "200,000 deep", JSONFeed, array("[" * 200_000 + "]" * 200_000), Rejected("too_deep")
    ),
    Case("B07", "200,000 deep", JSONLinesFeed, lines(b"[" * 200_000), Rejected("too_deep")),
    Case(
        "B08", "2 MB", JSONFeed, array(record(name="x" * (2 << 20))), Rejected("record_too_large")
    ),
    Case(
        "B08",
        "2 MB",
        JSONLinesFeed,
        lines(record(name="x" * (2 << 20)).encode()),
        Rejected("record_too_large"),
    ),
    Case(
        "B08",
        "a bomb",
        JSONFeed,
        gzip.compress(b"[" + b" " * (80 << 20) + b"]"),
        Fails("feed_too_large", "unpacks"),
    ),
    Case(
        "B09",
        "4,301 digits",
        JSONFeed,
        array('{"sku": "x", "price": %s}' % ("1" * 4301)),
        Rejected("number_too_long"),
    ),
    Case(
        "B09",
        "4,301 digits",
        JSONLinesFeed,
        lines(b'{"sku": "x", "price": %s}' % (b"1" * 4301)),
        Rejected("number_too_long"),
    ),
    *(
        Case("B10", word, feed, make(f'{{"sku": "x", "price": {word}}}'), Rejected("non_finite"))
        for word in ("NaN", "Infinity", "-Infinity")
        for feed, make in ((JSONFeed, array), (JSONLinesFeed, lambda row: lines(row.encode())))
    ),
    *(
        Case(
            "B11",
            word,
            JSONFeed,
            array(f'{{"sku": "x", "name": "C", "price": {word}}}'),
            Rejected("out_of_range", field="price", key="x"),
        )
        for word in ("1e999", "1e1000000000", "-1e1000000000")
    ),
    Case(
        "B12",
        "a key twice",
        JSONFeed,
        array('{"sku": "x", "price": 1, "price": 2}'),
        Rejected("duplicate_key", hint="'price'"),
    ),
    Case(
        "B12",
        "a key twice",
        JSONLinesFeed,
        lines(b'{"sku": "x", "price": 1, "price": 2}'),
        Rejected("duplicate_key", hint="'price'"),
    ),
    Case("B13", "half a pair", JSONFeed, array(record(name="\ud800")), Rejected("bad_unicode")),
    Case(
        "B13",
        "half a pair",
        JSONLinesFeed,
        lines(record(name="\ud800").encode()),
        Rejected("bad_unicode"),
    ),
    Case("B14", "half a pair", JSONFeed, array(record(material="\ud800")), Rejected("bad_unicode")),
    Case(
        "B15",
        "NUL",
        JSONFeed,
        array(record(name="a\0b")),
        Rejected("control_character", field="name", key="x"),
    ),
    Case(
        "B15",
        "NUL",
        JSONFeed,
        array(record(material="a\0b")),
        Rejected("control_character", field="attributes", key="x"),
    ),
    *(
        Case(
            "B16",
            f"U+{ord(mark):04X} in a key",
            JSONFeed,
            array(record(sku=f"x{mark}y")),
            Rejected("invalid_key", field="sku"),
        )
        for mark in "\x07\u202e\u200b"
    ),
    Case(
        "B16",
        "control in a name",
        JSONFeed,
        array(record(name="a\x07b")),
        Rejected("control_character", field="name", key="x"),
    ),
    *(
        Case("B17", text, JSONFeed, array(text), Rejected("not_an_object"))
        for text in ("[1]", '"x"', "7", "null", "true")
    ),
    *(
        Case(
            "B17",
            text,
            JSONLinesFeed,
            lines(text.encode()),
            Rejected("not_an_object", hint="Line 2"),
        )
        for text in ("[1]", '"x"', "7", "null")
    ),
    Case(
        "B18",
        "an extra field",
        JSONFeed,
        array().replace(b'"price"', b'"extra": 1, "price"'),
        Lands(),
    ),
    Case(
        "B18",
        "a price missing",
        JSONFeed,
        array('{"sku": "x"}'),
        Rejected("required", field="price", key="x"),
    ),
    Case("B19", "no rows", JSONFeed, b"[]", Fails("feed_empty", "allow_empty")),
    Case("B19", "no rows, allowed", JSONFeed, b"[]", Lands({}), {"allow_empty": True}),
    Case("B19", "no rows", JSONLinesFeed, b"\n\n", Fails("feed_empty", "allow_empty")),
]
CSV_CASES = [
    Case("B03", "mark", CSVFeed, codecs.BOM_UTF8 + table(), Lands()),
    *(
        Case("B04", f"{encoding} with its mark", CSVFeed, TEXT.encode(encoding), Lands())
        for encoding in ("utf-16", "utf-32")
    ),
    Case(
        "B04",
        "UTF-16 as it is told",
        CSVFeed,
        TEXT.encode("utf-16-le"),
        Lands(),
        {"encoding": "utf-16-le"},
    ),
    Case(
        "B04",
        "UTF-16 untold",
        CSVFeed,
        TEXT.encode("utf-16-le"),
        Fails("encoding", "option encoding"),
    ),
    Case(
        "B04",
        "a mark against the option",
        CSVFeed,
        TEXT.encode("utf-16"),
        Fails("encoding", "utf-16, but the option encoding says cp1252"),
        {"encoding": "cp1252"},
    ),
    Case("B05", "not UTF-8", CSVFeed, table(b"x,\xff,1"), Rejected("encoding", hint="Line 3")),
    Case(
        "B06",
        "no charset",
        CSVFeed,
        TEXT.replace("Table", "Tüβle").encode(),
        Lands({"a": "Lamp", "b": "Tüβle"}),
    ),
    Case(
        "B20",
        "a quote never closed",
        CSVFeed,
        table(b'x,"Chair,1', b"y,Bed,2"),
        Fails("csv_syntax", "line 3"),
    ),
    Case(
        "B21", "text after a quote", CSVFeed, table(b'x,"Chair"s,1'), Fails("csv_syntax", "line 3")
    ),
    Case(
        "B22",
        "a column more",
        CSVFeed,
        table(b"x,Chair,1,2"),
        Rejected("column_count", hint="Line 3"),
    ),
    Case(
        "B23", "a column less", CSVFeed, table(b"x,Chair"), Rejected("column_count", hint="Line 3")
    ),
    Case(
        "B24",
        "a column twice",
        CSVFeed,
        table(header=b"sku,name,name"),
        Fails("duplicate_header", "'name'"),
    ),
    Case("B25", "semicolons", CSVFeed, table().replace(b",", b";"), Lands()),
    Case("B25", "tabs", CSVFeed, table().replace(b",", b"\t"), Lands()),
    Case(
        "B25", "its separator named", CSVFeed, b"sep=;\r\n" + table().replace(b",", b";"), Lands()
    ),
    Case(
        "B25",
        "another separator than told",
        CSVFeed,
        table().replace(b",", b";"),
        Fails("missing_columns", "it has: sku;name;price"),
        {"delimiter": ","},
    ),
    Case(
        "B25",
        "other columns",
        CSVFeed,
        table(header=b"code,title,amount"),
        Fails("missing_columns", "it has: code, title, amount"),
    ),
    Case(
        "B26",
        "a header spelled otherwise",
        CSVFeed,
        codecs.BOM_UTF8 + table(header=b" SKU ,Name, PRICE"),
        Lands(),
    ),
    Case(
        "B27",
        "a field of 140,000",
        CSVFeed,
        table(b"x,%s,1" % (b"y" * 140_000)),
        Rejected("field_too_large", hint="Line 3"),
    ),
    Case("B28", "NUL", CSVFeed, table(b"x,\0,1"), Rejected("nul_character", hint="Line 3")),
    Case("B28", "lines ending in CR", CSVFeed, table().replace(b"\n", b"\r"), Lands()),
    Case("B28", "blank lines", CSVFeed, table().replace(b"\n", b"\n\n"), Lands()),
    Case(
        "B28",
        "a line end in quotes",
        CSVFeed,
        table(b"x").replace(b"Lamp", b'"Lamp\nor\nso"'),
        Rejected("column_count", hint="Line 5"),
    ),
    Case("B29", "a header only", CSVFeed, b"sku,name,price\n", Fails("feed_empty", "allow_empty")),
    Case("B29", "nothing", CSVFeed, b"", Fails("feed_empty", "allow_empty")),
    Case(
        "B30",
        "a shortened key",
        CSVFeed,
        table(b"1.23E+05,Chair,1"),
        Rejected("suspicious_key", field="sku", key="1.23E+05"),
    ),
    Case(
        "B30", "leading zeros", CSVFeed, b"sku,name,price\n00123,Lamp,1\n", Lands({"00123": "Lamp"})
    ),
    *(
        Case(
            "B31",
            price,
            CSVFeed,
            table(f'x,Chair,"{price}"'.encode()),
            Rejected("invalid_decimal", field="price", key="x"),
        )
        for price in ("12,50", "1.234,50", "€12")
    ),
    Case(
        "B31",
        "a decimal comma, told",
        CSVFeed,
        b'sku,name,price\na,Lamp,"12,50"\n',
        Lands({"a": "Lamp"}),
        {"decimal": ","},
    ),
]
LATIN = b'<?xml version="1.0" encoding="iso-8859-1"?>'
LAUGHS = b'<!DOCTYPE shop [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
FETCHED = b'<!DOCTYPE shop [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
XML_CASES = [
    Case("B04", "UTF-16", XMLFeed, xml().decode().encode("utf-16"), Lands()),
    Case(
        "B08",
        "2 MB",
        XMLFeed,
        xml(b"<item><sku>x</sku><name>%s</name></item>" % (b"x" * (2 << 20))),
        Rejected("record_too_large"),
    ),
    Case("B19", "no rows", XMLFeed, b"<shop/>", Fails("feed_empty", "allow_empty")),
    Case("B32", "billion laughs", XMLFeed, xml(head=LAUGHS), Fails("xml_forbidden", "DTD")),
    Case("B32", "another file", XMLFeed, xml(head=FETCHED), Fails("xml_forbidden", "DTD")),
    Case(
        "B33",
        "a DTD elsewhere",
        XMLFeed,
        xml(head=b'<!DOCTYPE shop SYSTEM "http://127.0.0.1/x.dtd">'),
        Fails("xml_forbidden", "DTD"),
    ),
    Case("B34", "cut off", XMLFeed, xml()[:-4], Fails("xml_syntax", "2:")),
    Case("B34", "two roots", XMLFeed, xml() + b"<shop/>", Fails("xml_syntax", "2:")),
    Case(
        "B34", "a control character", XMLFeed, xml(b"<item>\x01</item>"), Fails("xml_syntax", "2:6")
    ),
    Case(
        "B34", "an attribute twice", XMLFeed, xml(b'<item a="" a=""/>'), Fails("xml_syntax", "2:11")
    ),
    Case(
        "B34",
        "UTF-7",
        XMLFeed,
        xml(head=b'<?xml version="1.0" encoding="utf-7"?>'),
        Fails("xml_syntax", "decoded"),
    ),
    Case(
        "B35",
        "100,000 deep",
        XMLFeed,
        xml(b"<a>" * 100_000 + b"</a>" * 100_000),
        Fails("too_deep", "30 levels"),
    ),
    Case(
        "B35",
        "100,000 deep in a record",
        XMLFeed,
        xml(b"<item>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</item>"),
        Fails("too_deep", "30 levels"),
    ),
    Case(
        "B36",
        "not as it says",
        XMLFeed,
        xml("<item><sku>x</sku><name>it’s</name></item>".encode(), head=LATIN),
        Rejected("bad_unicode"),
    ),
    Case(
        "B37",
        "namespaces",
        XMLFeed,
        xml()
        .replace(b"<", b"<g:")
        .replace(b"<g:/", b"</g:")
        .replace(b"<g:shop", b'<g:shop xmlns:g="urn:x"'),
        Lands(),
    ),
    Case(
        "B37",
        "CDATA",
        XMLFeed,
        xml().replace(b"Lamp", b"<![CDATA[<b> & co]]>"),
        Lands({"a": "<b> & co", "b": "Table"}),
    ),
    Case(
        "B37",
        "XInclude",
        XMLFeed,
        xml()
        .replace(b"<shop>", b'<shop xmlns:xi="http://www.w3.org/2001/XInclude">')
        .replace(b"</item>", b'<xi:include href="/etc/passwd"/></item>', 1),
        Lands(),
    ),
]


def named(case):
    return f"{case.number}-{case.feed.__name__}-{case.title}".replace(" ", "_")


@pytest.fixture
def sync(settings):
    """Configure a feed at an address or path and carry out a run of it."""

    def sync(feed, url, **options):
        options = {"stream": "products", "fields": FIELDS, "currency": "EUR"} | options
        configured = {"BACKEND": feed, "OPTIONS": {"url": url, **options}}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": configured}}
        run, _ = request_run("shop")
        run = execute(run.pk)
        for counts in run.counts.values():
            assert counts["read"] == sum(counts[name] for name in OUTCOMES)
        return run

    return sync


def landed():
    return dict(Product.objects.values_list("sku", "name"))


def assert_fails(run, outcome):
    assert (run.status, run.error_code) == ("failed", outcome.code)
    assert outcome.hint in run.error
    assert landed() == {}


def assert_lands(run, outcome):
    assert (run.status, run.error) == ("succeeded", "")
    assert landed() == outcome.names


def assert_rejected(run, outcome):
    assert (run.status, run.error) == ("partial", "")
    issue = SyncIssue.objects.get(run=run)
    assert (issue.position, issue.code, issue.field, issue.key or issue.external_id) == (
        outcome.position,
        outcome.code,
        outcome.field,
        outcome.key,
    )
    assert outcome.hint in issue.message
    assert sorted(landed()) == ["a", "b"]


JUDGES = {Fails: assert_fails, Lands: assert_lands, Rejected: assert_rejected}


@pytest.mark.parametrize("case", JSON_CASES + CSV_CASES + XML_CASES, ids=named)
def test_a_bad_document(sync, tmp_path, case):
    path = tmp_path / "feed"
    path.write_bytes(case.content)
    run = sync(case.feed, path, **case.options)
    JUDGES[type(case.outcome)](run, case.outcome)


@pytest.mark.parametrize(
    ("kind", "encoding", "outcome"),
    [
        ("text/csv", "utf-8", Lands({"a": "Lamp", "b": "Tüβle"})),
        ("text/csv; charset=iso-8859-7", "iso-8859-7", Lands({"a": "Lamp", "b": "Tόβle"})),
        (
            'text/csv; charset="ISO-8859-1"',
            "utf-8",
            Fails("encoding", "iso8859-1 but reads as utf-8"),
        ),
        (
            "text/csv; charset=klingon",
            "utf-8",
            Fails("encoding", "'klingon', which is no encoding"),
        ),
        ("text/csv; charset=iso-8859-1", "utf-8-sig", Lands({"a": "Lamp", "b": "Tüβle"})),
    ],
)
def test_b06_what_the_answer_says_of_its_encoding(sync, server, kind, encoding, outcome):
    name = "Tόβle" if encoding == "iso-8859-7" else "Tüβle"
    body = TEXT.replace("Table", name).encode(encoding)
    server.answer = lambda request: (200, {"Content-Type": kind}, body)
    run = sync(CSVFeed, server.url, allow_private_addresses=True)
    JUDGES[type(outcome)](run, outcome)


def test_b06_the_feed_s_own_option_comes_first(sync, server):
    body = TEXT.replace("Table", "Tüble").encode("latin-1")
    server.answer = lambda request: (200, {"Content-Type": "text/csv; charset=utf-8"}, body)
    run = sync(CSVFeed, server.url, allow_private_addresses=True, encoding="latin-1")
    assert_lands(run, Lands({"a": "Lamp", "b": "Tüble"}))


@pytest.mark.parametrize("count", [9, 10])
def test_b18_a_required_field_that_most_rows_lack(sync, tmp_path, count):
    """From ten rows on it is the source that has changed; fewer are each rejected."""
    path = tmp_path / "feed"
    rows = [{"sku": f"S{n}", "price" if n < 4 else "Price": "1"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = sync(JSONLinesFeed, path)
    if count == 10:
        assert_fails(run, Fails("schema_drift", "'price'"))
        return
    assert run.status == "partial"
    assert set(landed()) == {"S0", "S1", "S2", "S3"}
    assert list(
        run.issues.order_by("position").values_list("position", "key", "code", "field")
    ) == [(n + 1, f"S{n}", "required", "price") for n in range(4, count)]


def test_b18_a_renamed_field_that_is_not_required_is_told(sync, tmp_path):
    path = tmp_path / "feed"
    path.write_bytes(array().replace(b'"name"', b'"Name"'))
    run = sync(JSONFeed, path)
    assert_lands(run, Lands({"a": "", "b": ""}))
    (warning,) = run.warnings
    assert (warning["stream"], warning["code"]) == ("products", "unknown_path")
    assert "'name'" in warning["message"]
    assert "'Name'" in warning["message"]
