import csv

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError
from django_ecommerce_sync.feeds import CSV

from .reading import codes, found, parse


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


def test_utf16_that_nobody_announced():
    assert failure("sku,name\na,b\n".encode("utf-16")).code == "encoding"


def test_an_unknown_encoding_is_a_mistake_of_configuration():
    with pytest.raises(ConfigurationError, match="utf-99"):
        CSV(encoding="utf-99")
