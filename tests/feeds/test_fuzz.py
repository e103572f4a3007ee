"""Made-up documents, payloads and answers, beside what the standard library makes of them.

``fuzz/`` looks for more of the same for longer, and without being told where.
"""

import csv
import gzip
import io
import json
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from itertools import cycle
from xml.etree import ElementTree

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_ecommerce_sync.exceptions import FeedError, RecordError
from django_ecommerce_sync.feeds import (
    CSV,
    JSON,
    MISSING,
    XML,
    Attributes,
    BadRow,
    Cursor,
    First,
    HTTPFeed,
    JSONLines,
    Keyset,
    Lines,
    LinkHeader,
    Moment,
    Money,
    NextURL,
    Number,
    Offset,
    OneOf,
    PageNumber,
    Ref,
    Stream,
    Template,
    Text,
)
from django_ecommerce_sync.feeds.document import Document, gunzip
from django_ecommerce_sync.feeds.formats import XLSX

from .reading import FIELDS, codes, found, parse

#: The same examples every time, for a failure in CI is to be had again.
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=70)
quick = settings.get_profile("quick")
brief = settings(quick, max_examples=40)
answering = settings(
    quick, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FORMATS = "django_ecommerce_sync.feeds.formats"
SIZES = st.integers(1, 40)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(10**30), 10**30) | st.decimals(-(10**6), 10**6, allow_nan=False, places=3)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=4)
MARKS = '[]{}",:\\ \t\r\n\v\f\0NaNulltrue+-.eE0123é'


@pytest.fixture(scope="module")
def pieces():
    """Has documents read so many bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:

        def of(size):
            for name in ("jsonl", "scanning", "splitting", "text"):
                patch.setattr(f"{FORMATS}.{name}.CHUNK", size)
            patch.setattr(f"{FORMATS}.xml._PIECE", size)

        yield of


def dumped(value, **options):
    """JSON with decimals as they are, which the standard library would not write."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(k, **options)}: {dumped(v, **options)}" for k, v in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(dumped(element, **options) for element in value)}]"
    return json.dumps(value, **options)


class Unwelcome(Exception):
    """JSON for the standard library, but no record for us."""


def refuse(*_):
    raise Unwelcome


def unique(pairs):
    if len(dict(pairs)) < len(pairs):
        raise Unwelcome
    return dict(pairs)


def strictly(text):
    """What the text stands for; raises ``ValueError`` or ``Unwelcome``."""
    return json.loads(text, parse_float=Decimal, parse_constant=refuse, object_pairs_hook=unique)


# -- JSON ------------------------------------------------------------------------------------


@quick
@given(st.lists(OBJECTS, max_size=8), st.booleans(), SIZES)
def test_a_json_list_is_read_as_the_standard_library_reads_it(pieces, rows, ascii, size):
    pieces(size)
    text = dumped(rows, ensure_ascii=ascii)
    assert found(JSON(), text.encode()) == json.loads(text, parse_float=Decimal) == rows


@quick
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["1", "[]", '{"a": 1}'])))),
    SIZES,
)
def test_a_json_object_with_a_key_twice_is_rejected_alone(pieces, rows, size):
    pieces(size)
    members = [", ".join(f'"{key}": {value}' for key, value in row) for row in rows]
    text = f"[{', '.join(f'{{{row}}}' for row in members)}]"
    assert found(JSON(), text.encode()) == [
        json.loads(f"{{{member}}}") if len(row) == len(dict(row)) else "duplicate_key"
        for member, row in zip(members, rows, strict=True)
    ]


@brief
@given(st.integers(1, 60), st.booleans(), SIZES)
def test_json_nested_too_deep_is_rejected_alone(pieces, depth, is_list, size):
    pieces(size)
    opening, closing = ("[", "]") if is_list else ('{"a":', "}")
    row = f'{{"sku": {opening * depth}{"" if is_list else 1}{closing * depth}}}'
    deep = strictly(row) if depth < 30 else "too_deep"
    assert found(JSON(), f'[{{"a": 1}}, {row}, {{"b": 2}}]'.encode()) == [{"a": 1}, deep, {"b": 2}]


@quick
@given(st.lists(OBJECTS, min_size=1, max_size=3), st.data(), SIZES)
def test_json_cut_off_anywhere_is_refused(pieces, rows, data, size):
    pieces(size)
    content = dumped({"data": rows, "next": None}).encode()
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(FeedError):
        parse(JSON(), content[:cut], records="data")


@settings(quick, max_examples=250)
@given(st.lists(OBJECTS, max_size=3), st.text(MARKS, max_size=4), st.floats(0, 1), SIZES)
@example([{"a": 1}], "\v", 0.9, 3)
def test_damaged_json_is_refused_as_a_whole(pieces, rows, mark, place, size):
    pieces(size)
    text = dumped(rows)
    at = int(place * len(text))
    text = text[:at] + mark + text[at + 1 :]
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, list):
        assert parse(JSON(), text.encode()).count == len(value)
    else:
        with pytest.raises(FeedError):
            parse(JSON(), text.encode())


@pytest.mark.parametrize("unwelcome", ["NaN", "9" * 500, '{"a": 1, "a": 2}', r'"\ud800"'])
def test_json_broken_after_something_unwelcome_is_refused_as_a_whole(unwelcome):
    with pytest.raises(FeedError):
        parse(JSON(), f'[{{"sku": 1}}, {{"a": {unwelcome}, "b": }}]'.encode())


# -- JSON Lines ------------------------------------------------------------------------------


def expected_line(line):
    """The line's object, or None where it is to be rejected."""
    try:
        value = strictly(line.decode())
    except (ValueError, Unwelcome):
        return None
    return value if isinstance(value, dict) else None


@settings(quick, max_examples=150)
@given(
    st.lists(
        OBJECTS.map(dumped).map(str.encode)
        | st.text(MARKS.replace("\n", ""), max_size=8).map(str.encode)
        | st.binary(max_size=4).map(lambda line: line.replace(b"\n", b"")),
        max_size=8,
    ),
    SIZES,
)
@example([b'{"a": 1}\v'], 40)
@example([b'{"a": 1', b'}{"b": 2}', b""], 40)
def test_each_json_line_is_read_as_the_standard_library_reads_it(pieces, lines, size):
    pieces(size)
    lines = [b'{"first": 1}', *lines]
    rows = parse(JSONLines(), b"\n".join(lines)).rows
    assert [None if isinstance(row, BadRow) else row for row in rows] == [
        expected_line(line) for line in lines if line.strip(b" \t\r")
    ]


# -- CSV -------------------------------------------------------------------------------------


@settings(quick, max_examples=500)
@given(st.text('ab,"\n\r ', max_size=40), SIZES)
def test_csv_is_read_as_the_standard_library_reads_it(pieces, text, size):
    pieces(size)
    expected, is_sound = [], True
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            if cells:
                is_right = len(cells) == 2
                expected.append(dict(zip("xy", cells, strict=True)) if is_right else "column_count")
    except csv.Error:
        is_sound = False
    rows, read = parse(CSV(columns=["x", "y"], delimiter=","), text.encode()).rows, []
    try:
        for row in rows:
            read.append(row)
    except FeedError:
        assert not is_sound
    else:
        assert is_sound
    assert codes(read) == expected


@pytest.mark.parametrize(
    "charset",
    ["hex", "base64", "rot13", "zlib", "idna", "punycode", "undefined", "unicode_escape", "utf-7",
     "utf-16", "hz", "iso2022_jp", "shift_jis", "no-such", "a\0b", "\0", "é", '"', "=", " "],
)  # fmt: skip
@pytest.mark.parametrize("body", ["sku,name\na,é\n", r"sku,name\na,\q", "sku,name\na,b\n"])
def test_whatever_charset_is_announced_there_are_rows_or_a_refusal(charset, body):
    headers = {"Content-Type": f"text/csv; charset={charset}"}
    document = Document(io.BytesIO(body.encode("latin-1")), "feed", headers)
    with suppress(FeedError):
        rows = CSV(delimiter=",").read(document, Stream("products", fields=FIELDS)).rows
        assert all(isinstance(row, BadRow) or set(row) == {"sku", "name"} for row in rows)


@pytest.mark.parametrize("first", ["x" * 140_000, f'"{"x" * 140_000}",y', "x," * 80_000])
def test_a_first_line_of_any_length_is_a_header_or_refused(first):
    with suppress(FeedError):
        assert list(parse(CSV(), f"{first}\na,b\n".encode(), fields={"sku": "x"}).rows)


# -- XML -------------------------------------------------------------------------------------

XML_TEXTS = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"]) | st.just("\n"), max_size=6
)
NAMES = st.sampled_from(["item", "a", "b", "ü"])


def element(children=None):
    """A name, attributes, the text, and children with the text after each."""
    return st.tuples(
        NAMES,
        st.dictionaries(NAMES, XML_TEXTS, max_size=2),
        XML_TEXTS,
        st.lists(st.tuples(children, XML_TEXTS), max_size=3)
        if children is not None
        else st.just([]),
    )


ELEMENTS = st.recursive(element(), element, max_leaves=6)


def built(tree):
    name, attributes, text, children = tree
    node = ElementTree.Element(name, attributes)
    node.text = text
    for child, tail in children:
        node.append(built(child))
        node[-1].tail = tail
    return node


def expected_element(tree):
    _, attributes, text, children = tree
    node = {f"@{name}": value for name, value in attributes.items()}
    for name in dict.fromkeys(child[0] for child, _ in children):
        values = [expected_element(child) for child, _ in children if child[0] == name]
        node[name] = values if len(values) > 1 else values[0]
    text = "".join([text, *(tail for _, tail in children)]).strip()
    if not node:
        return text
    return {**node, "#text": text} if text else node


@quick
@given(st.lists(ELEMENTS, max_size=4), st.sampled_from(["utf-8", "utf-16"]), SIZES)
def test_xml_is_read_as_the_tree_it_was_written_from(pieces, trees, encoding, size):
    pieces(size)
    root = ElementTree.Element("feed")
    root.extend(built(("item", *tree[1:])) for tree in trees)
    values = [expected_element(tree) for tree in trees]
    assert found(XML(), ElementTree.tostring(root, encoding)) == [
        value if isinstance(value, dict) else {"#text": value} if value else {} for value in values
    ]


# -- gzip ------------------------------------------------------------------------------------


def gunzipped(content, size):
    """What a gzipped document holds, read so many bytes at a time."""
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(gunzip(pieces, "feed"))


@quick
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.integers(0, 20), SIZES)
def test_gzip_members_are_read_one_after_the_other(texts, padding, size):
    packed = b"".join(gzip.compress(text, mtime=0) + b"\0" * padding for text in texts)
    assert gunzipped(packed, size) == b"".join(texts)


@quick
@given(st.binary(max_size=60), SIZES, st.data())
def test_gzip_data_cut_off_anywhere_is_refused(text, size, data):
    packed = gzip.compress(text, mtime=0)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(FeedError) as caught:
        gunzipped(packed[:cut], size)
    assert caught.value.code == "feed_truncated"


@quick
@given(st.binary(max_size=60), st.integers(0, 255), SIZES, st.data())
def test_gzip_data_with_a_wrong_byte_is_refused_or_as_before(text, byte, size, data):
    packed = bytearray(gzip.compress(text, mtime=0))
    packed[data.draw(st.integers(0, len(packed) - 1))] = byte
    with suppress(FeedError):
        assert gunzipped(bytes(packed), size) == text


# -- XLSX ------------------------------------------------------------------------------------

CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.integers(-(10**12), 10**12).map(lambda number: number / 1000)
    | st.text(st.characters(categories=["L", "N", "Zs"]), max_size=6).map("x".__add__)
    | st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    )
)


@brief
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5))
def test_a_workbook_is_read_as_it_was_written(rows):
    book = openpyxl.Workbook()
    for row in [list("xyz"), *rows]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    assert found(XLSX(), file.getvalue(), fields={"sku": "x"}) == [
        {
            name: Decimal(repr(cell)) if isinstance(cell, float) else cell
            for name, cell in zip("xyz", row, strict=True)
        }
        for row in rows
        if any(cell is not None for cell in row)
    ]


# -- mapping ---------------------------------------------------------------------------------

CONVERTERS = [
    "a",
    "a.b",
    "a.0.b",
    Text("a"),
    Text("a", unescape=True),
    Template("{a}-{b.a}"),
    First("a", "b"),
    OneOf("a", {"x": 1, 2: "y"}),
    OneOf("a", {"x": 1}, default=None),
    Attributes(x="a", y="b.0"),
    Number("a", places=2),
    Number("a", decimal=",", thousands="."),
    Money("a"),
    Money("a", currency="b", places=4),
    Moment("a"),
    Moment("a", unit="s"),
    Moment("a", unit="ms"),
    Moment("a", format="%Y-%m-%d", tz="Europe/Berlin"),
    Ref("customers", "a"),
    Ref("products", "a", key="b"),
    Lines("a", {"sku": "b", "unit_price": Money("a"), "on": Moment("a", unit="s")}),
    lambda row: Decimal(row["a"]["b"][0]) * 100,
]
#: What is a number or a time to some, and none to others.
ODD = [
    "", " ", "0", "15.00 USD", "1.234,50", "NaN", "-Infinity", "1E+999999", "1E+999990",
    "1e-999999", "2024-02-30", "0001-01-01T00:00:00+23:59", "&#0;", "９", "²", 0, 10**18, 10**400,
    -1, True, Decimal("1E+999990"), Decimal("-0.0"), Decimal("1E-999999"),
]  # fmt: skip
PAYLOADS = st.dictionaries(
    st.sampled_from("ab"),
    st.recursive(
        st.none() | st.sampled_from(ODD) | NUMBERS | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
        ),
        max_leaves=5,
    ),
)


@pytest.mark.parametrize("source", CONVERTERS, ids=lambda source: type(source).__name__)
@brief
@given(payload=PAYLOADS)
def test_a_mapping_gives_values_or_rejects_the_record(source, payload):
    stream = Stream("products", fields={"sku": source}, external_id=source)
    with suppress(RecordError):
        values = stream.map(payload)
        assert values.keys() <= {"sku", "currency"}
        assert MISSING not in values.values()
    with suppress(RecordError):
        assert isinstance(stream.identify(payload, "sku"), str)


# -- pagination ------------------------------------------------------------------------------

MAX_PAGES = 6
LEADS = st.sampled_from(
    [
        None, "", "items?page=2", "?page=3", "//[", "http://[::1", "http://", "http:", "/\0", "é",
        "#", "https://elsewhere.example/", 0, 7, -1, 1.5, True, "9" * 5000, [1.5], {"a": 1.5}, "1",
        "2",
    ]
)  # fmt: skip
ANSWERS = st.fixed_dictionaries(
    {
        "items": st.lists(st.fixed_dictionaries({"id": LEADS}), max_size=2),
        "next": LEADS,
        "total": LEADS,
        "pages": LEADS,
    }
)
LINKS = st.sampled_from(
    [
        "", "<items?page=2>; rel=next", '</items>; rel="prev next"', "<//[>; rel=next", "rel=next",
        "<>; rel=next", "<<>>;;,;rel=next", "<http://elsewhere.example/>; rel=next", "<?page=3",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    "paginator",
    [
        PageNumber(total_pages="pages", total="total"),
        PageNumber(total="header:X-Total"),
        Offset(total="total"),
        Cursor("after", "next", partial="total"),
        NextURL("next", total="total"),
        LinkHeader(total="header:X-Total"),
        Keyset("since", "id"),
    ],
    ids=lambda paginator: type(paginator).__name__,
)
@answering
@given(answers=st.lists(st.tuples(ANSWERS, LINKS, LEADS), min_size=1, max_size=5))
def test_a_walk_ends_whatever_the_source_answers(server, paginator, answers):
    queue = cycle(answers)

    def answer(request):
        document, link, total = next(queue)
        headers = {"Link": link, "X-Total": str(total).encode("unicode_escape").decode()}
        return 200, headers, json.dumps(document).encode()

    server.answer, server.requests = answer, []
    stream = Stream("products", path="items", records="items", fields=FIELDS)
    read = 0
    with (
        HTTPFeed(
            base_url=server.url, streams=[stream], paginator=paginator, max_pages=MAX_PAGES
        ) as feed,
        suppress(FeedError),
    ):
        for page in feed.fetch(stream, None):
            read += len(list(page.rows))
    assert 1 <= len(server.requests) <= MAX_PAGES
    assert read <= 2 * MAX_PAGES
