import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError
from django_ecommerce_sync.feeds import CSV, BadRow, Stream
from django_ecommerce_sync.feeds.document import CHUNK, Document
from django_ecommerce_sync.feeds.formats.base import MAX_RECORD

from .reading import FIELDS, codes

TABS = {"Content-Type": "text/tab-separated-values; charset=utf-8"}


def parse(format, content, label="feed", headers=None, **stream):
    """The content a format finds in a document of that name and with these headers."""
    document = Document(io.BytesIO(content), label, headers or {})
    return format.read(document, Stream("products", **({"fields": FIELDS} | stream)))


def found(format, content, **options):
    """Its rows: payloads, and the codes of bad rows."""
    return codes(parse(format, content, **options).rows)


def failure(content, format=None, **stream):
    with pytest.raises(FeedError) as caught:
        list(parse(format or CSV(), content, **stream).rows)
    return caught.value


def test_rows_by_header():
    assert found(CSV(), b'sku,name\na,"x, ""y"""\nb,\n') == [
        {"sku": "a", "name": 'x, "y"'},
        {"sku": "b", "name": ""},
    ]


def test_the_header_is_trimmed_and_spelled_as_the_mapping_spells_it():
    assert found(CSV(), b"\xef\xbb\xbf SKU ,Name, Extra\n1,2,3\n") == [
        {"sku": "1", "name": "2", "Extra": "3"}
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_certain_delimiter_is_found(mark):
    assert found(CSV(), f'sku{mark}name\n"a,;"{mark}1\n'.encode()) == [{"sku": "a,;", "name": "1"}]


def test_of_several_delimiters_the_one_that_fits_the_mapping():
    assert found(CSV(), b"sku;name, full;x\na;b;c\n") == [{"sku": "a", "name, full": "b", "x": "c"}]


def test_an_uncertain_delimiter_is_asked_for():
    assert failure(b"a;b,c\n1;2,3\n", fields={"sku": lambda row: row}).code == "delimiter_unclear"
    assert failure(b"a;b,c\n1;2,3\n", CSV(columns=["x", "y", "z"])).code == "delimiter_unclear"


def test_the_separator_line_of_spreadsheets():
    assert found(CSV(), b"sep=;\r\nsku;name\r\na;b,c\r\n") == [{"sku": "a", "name": "b,c"}]


def test_columns_for_a_file_without_header():
    format = CSV(columns=["sku", "name"])
    assert found(format, b"a,b\nc,d\n") == [{"sku": "a", "name": "b"}, {"sku": "c", "name": "d"}]


def test_ragged_rows_cost_themselves():
    rows = list(parse(CSV(), b"sku,name\na,b\nc\n\nd,e,f\ng,h\n").rows)
    assert codes(rows) == [
        {"sku": "a", "name": "b"},
        "column_count",
        "column_count",
        {"sku": "g", "name": "h"},
    ]
    assert rows[1].error.message == "Line 3 has 1 columns instead of 2."
    assert rows[2].error.message.startswith("Line 5 ")


def test_lines_are_counted_through_quoted_line_ends():
    rows = list(parse(CSV(), b'sku,name\r\na,"x\r\ny\r\nz"\r\nb\r\n').rows)
    assert rows[0] == {"sku": "a", "name": "x\r\ny\r\nz"}
    assert rows[1].error.message.startswith("Line 5 ")


def test_line_ends_of_old_macs():
    assert found(CSV(), b"sku,name\ra,b\r") == [{"sku": "a", "name": "b"}]


@pytest.mark.parametrize("size", [1, 8, 1 << 18])
def test_line_ends_of_old_macs_and_of_everybody_at_once(monkeypatch, size):
    for name, value in {"CHUNK": size, "MAX_RECORD": 40}.items():
        monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.text.{name}", value)
    lines = [f'{n},"x\ry"' if n % 5 == 0 else f"{n},z" for n in range(30)]
    made = [{"sku": str(n), "name": "z" if n % 5 else "x\ry"} for n in range(30)]
    assert found(CSV(), "\r".join(["sku,name", *lines]).encode()) == made
    mixed = "".join(line + "\r\n"[n % 3 // 2 : n % 3 + 1] for n, line in enumerate(lines))
    assert found(CSV(columns=["sku", "name"]), mixed.encode()) == made


@pytest.mark.parametrize("content", [b"", b"sku,name\n", b"sku,name", b"\xef\xbb\xbf"])
def test_no_rows_is_for_the_engine_to_judge(content):
    assert found(CSV(), content) == []


def test_a_duplicate_header():
    error = failure(b"sku,name,sku\na,b,c\n")
    assert error.code == "duplicate_header"
    assert "'sku'" in error.message


def test_none_of_the_mapped_columns():
    error = failure(b"sku?name\na?b\n")
    assert error.code == "missing_columns"
    assert "sku?name" in error.message


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'sku,name\na,"b\nc,d\ne,f\n', 2),
        (b'sku,name\na,b\nc,"d"x\n', 3),
        (b'sku,name\na,"' + b"x\n" * 3_000_000, 2),
        (b'sku,name\na,"' + b"x" * 200_000 + b"\nb,c\n", 2),
    ],
)
def test_quotes_that_make_no_sense_end_the_feed(content, line):
    error = failure(content)
    assert (error.code, error.position) == ("csv_syntax", line)


def test_a_field_that_is_too_large():
    large = b"x" * 140_000
    content = b'sku,name\na,b\nc,%s\nd,"e\n%s\nf"\ng,h\n' % (large, large)
    good = [{"sku": "a", "name": "b"}, {"sku": "g", "name": "h"}]
    assert found(CSV(), content) == [good[0], "field_too_large", "field_too_large", good[1]]


def test_a_field_that_is_too_large_where_the_process_allows_more():
    before = csv.field_size_limit(1 << 30)
    try:
        assert found(CSV(), b"sku,name\na,%s\n" % (b"x" * 140_000)) == ["field_too_large"]
    finally:
        csv.field_size_limit(before)


def test_a_line_without_end():
    content = b"sku,name\na,%s\nb,c\n" % (b"x," * 2_000_000)
    assert found(CSV(), content) == ["record_too_large", {"sku": "b", "name": "c"}]


def test_bytes_that_are_no_text_and_nul_cost_their_row():
    assert found(CSV(), b"sku,name\na,\xff\nb,\0\nc,\xc3\xa9\n") == [
        "encoding",
        "nul_character",
        {"sku": "c", "name": "é"},
    ]


def test_encoding_and_quotechar():
    format = CSV(encoding="cp1252", quotechar="'")
    assert found(format, b"sku,name\na,'caf\xe9, x'\n") == [{"sku": "a", "name": "café, x"}]
    assert found(CSV(encoding="utf-16"), "sku,name\na,é\n".encode("utf-16")) == [
        {"sku": "a", "name": "é"}
    ]


def test_quotes_escaped_by_a_backslash():
    content = b'sku,name\na,"5\\" wide, \\"so\\""\n'
    assert found(CSV(escapechar="\\"), content) == [{"sku": "a", "name": '5" wide, "so"'}]
    large = b"x" * 140_000
    assert found(CSV(escapechar="\\"), content + b'b,"\\"%s"\nc,d\n' % large) == [
        {"sku": "a", "name": '5" wide, "so"'},
        "field_too_large",
        {"sku": "c", "name": "d"},
    ]


def test_an_unknown_encoding_is_a_mistake_of_configuration():
    with pytest.raises(ConfigurationError, match="utf-99"):
        CSV(encoding="utf-99")


@pytest.mark.parametrize("option", ["delimiter", "quotechar", "escapechar"])
def test_marks_are_one_character(option):
    with pytest.raises(ConfigurationError, match=f"{option} '::' must be one character"):
        CSV(**{option: "::"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_decides(encoding):
    content = "sku,name\na,é\n".encode(encoding)
    assert found(CSV(), content) == [{"sku": "a", "name": "é"}]
    assert found(CSV(encoding=encoding), content) == [{"sku": "a", "name": "é"}]
    assert failure(content, CSV(encoding="cp1252")).code == "encoding"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_an_encoding_without_its_mark_must_be_told(encoding):
    content = "sku,name\na,é\n".encode(encoding)
    assert "option encoding" in failure(content).message
    assert found(CSV(encoding=encoding), content) == [{"sku": "a", "name": "é"}]


@pytest.mark.parametrize("kind", ["text/csv; charset=cp1252", 'text/csv;x=1; charset="CP1252"'])
def test_the_answer_s_charset_counts_where_nothing_else_is_said(kind):
    headers = {"Content-Type": kind}
    good = [{"sku": "a", "name": "é"}]
    content = "sku,name\na,é\n"
    assert found(CSV(), content.encode("cp1252"), headers=headers) == good
    assert found(CSV(encoding="utf-8"), content.encode(), headers=headers) == good
    assert found(CSV(), content.encode("utf-8-sig"), headers=headers) == good


@pytest.mark.parametrize(
    ("charset", "hint"),
    [("cp1252", "announced as cp1252 but reads as utf-8"), ("klingon", "'klingon', which is no")],
)
def test_a_charset_that_cannot_be(charset, hint):
    headers = {"Content-Type": f"text/csv; charset={charset}"}
    error = failure("sku,name\na,é\n".encode(), headers=headers)
    assert error.code == "encoding"
    assert hint in error.message


@pytest.mark.parametrize(
    "place", [{"label": "x.tsv"}, {"label": "X.TAB.gz"}, {"headers": TABS}, {"label": "a/b.tsv"}]
)
def test_tabs_by_name_or_type(place):
    assert found(CSV(), b"sku;x\tname\na\tb\n", fields={"name": "name"}, **place) == [
        {"sku;x": "a", "name": "b"}
    ]


def test_quotes_that_mean_nothing():
    format = CSV(quotechar="", delimiter="\t")
    assert found(format, b'sku\tname\na\t5" wide\nb\t"c"\nc\t"\n') == [
        {"sku": "a", "name": '5" wide'},
        {"sku": "b", "name": '"c"'},
        {"sku": "c", "name": '"'},
    ]
    assert found(format, b"sku\tname\na\t%s\nb\tc\n" % (b"x" * 140_000)) == [
        "field_too_large",
        {"sku": "b", "name": "c"},
    ]


def test_a_long_list_of_columns_is_cut_short():
    content = ",".join(f"column{n}" for n in range(300)).encode()
    message = failure(content + b"\n").message
    assert "column19 and 280 more" in message
    assert "column20" not in message


ODD = (
    'sku,name\r\na,"x\r\n""y"", é"\r\n\r\nb,"’"\r\nc\r\n"d","e\n\n"\r\nf,g\r\n'
    'h,"i"\r\n"j","k","l"\r\n'
)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_chunk_boundaries_change_nothing(monkeypatch, size, encoding):
    monkeypatch.setattr("django_ecommerce_sync.feeds.formats.text.CHUNK", size)
    rows = list(parse(CSV(), ODD.encode(encoding)).rows)
    assert codes(rows) == [
        {"sku": "a", "name": 'x\r\n"y", é'},
        {"sku": "b", "name": "’"},
        "column_count",
        {"sku": "d", "name": "e\n\n"},
        {"sku": "f", "name": "g"},
        {"sku": "h", "name": "i"},
        "column_count",
    ]
    assert [row.error.message[:7] for row in rows if isinstance(row, BadRow)] == [
        "Line 6 ",
        "Line 12",
    ]


@pytest.mark.parametrize("size", range(5, 21))
def test_a_line_without_end_in_pieces(monkeypatch, size):
    for name, value in {"CHUNK": size, "MAX_RECORD": 40, "_TOO_LONG": " " * 41}.items():
        monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.text.{name}", value)
    for name, value in {"MAX_FIELD": 30, "MAX_RECORD": 40}.items():
        monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.csv.{name}", value)
    rows = found(CSV(), b'sku,name\na,b\nc,"%s,"x\nd,e\n' % (b"x" * 100))
    assert rows == [{"sku": "a", "name": "b"}, "record_too_large", {"sku": "d", "name": "e"}]


CELLS = st.text(st.sampled_from('ab",;é’ \n'), max_size=8)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.integers(1, 60),
)
def test_what_the_csv_module_writes_is_read(rows, end, quoting, size):
    file = io.StringIO()
    csv.writer(file, lineterminator=end, quoting=quoting).writerows([["x", "y", "z"], *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_ecommerce_sync.feeds.formats.text.CHUNK", size)
        content = file.getvalue().encode()
        assert found(CSV(delimiter=","), content, fields={"name": "x"}) == [
            dict(zip("xyz", row, strict=True)) for row in rows
        ]


@given(st.binary(max_size=200), st.integers(1, 40))
def test_any_bytes_are_rows_or_a_feed_error(content, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_ecommerce_sync.feeds.formats.text.CHUNK", size)
        with suppress(FeedError):
            for row in parse(CSV(columns=["sku", "name"]), content).rows:
                assert isinstance(row, BadRow) or set(row) == {"sku", "name"}


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_the_row_after_one_too_long_where_lines_end_in_a_carriage_return(beyond):
    head = "sku,name\ra,"
    size = (MAX_RECORD // CHUNK + 2) * CHUNK - len(head) - 1 + beyond  # the \r ends a piece
    content = f"{head}{'x' * size}\rb,c\r".encode()
    assert found(CSV(), content) == ["record_too_large", {"sku": "b", "name": "c"}]


def test_a_header_of_very_many_columns():
    """Names are compared by sight of all at once: each with each would take minutes."""
    names = ",".join(f"c{number}" for number in range(80_000))
    content = f"sku,{names}\na{',' * 80_000}\n".encode()
    assert [row["sku"] for row in found(CSV(), content)] == ["a"]
