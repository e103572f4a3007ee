import io
import re
import sys
import zipfile
from datetime import datetime
from decimal import Decimal

import openpyxl
import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError
from django_ecommerce_sync.feeds.files import XLSXFeed
from django_ecommerce_sync.feeds.formats import XLSX
from django_ecommerce_sync.models import Product
from django_ecommerce_sync.sync import execute, request_run

from .reading import codes, found, parse, rows

SHEET = "xl/worksheets/sheet1.xml"
SHARED = "xl/sharedStrings.xml"


def book(**sheets):
    """A workbook with these lists of rows as sheets."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, lines in sheets.items():
        sheet = made.create_sheet(title)
        for line in lines:
            sheet.append(line)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def edited(content, part, change):
    """The workbook with one of its parts changed."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            raw = before.read(name)
            after.writestr(name, change(raw) if name == part else raw)
    return file.getvalue()


def sharing(content):
    """The workbook with its cell A2 in the table of shared texts, as spreadsheets write it."""
    texts = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = f'<Override PartName="/{SHARED}" ContentType="{kind}"/></Types>'.encode()
    content = edited(content, "[Content_Types].xml", lambda raw: raw.replace(b"</Types>", entry))
    cell = re.compile(rb'<c r="A2"[^>]*>.*?</c>')
    content = edited(
        content, SHEET, lambda raw: cell.sub(b'<c r="A2" t="s"><v>0</v></c>', raw, count=1)
    )
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(SHARED, f"<?xml version='1.0'?>{texts}<si><t>shared</t></si></sst>")
    return file.getvalue()


def failure(content, format=None, **stream):
    with pytest.raises(FeedError) as caught:
        list(parse(format or XLSX(), content, **stream).rows)
    return caught.value


BOOK = book(Stock=[["sku", "name"], ["a", "Lamp"]], Other=[["sku"], ["z"]])
SHARING = sharing(BOOK)


def test_shared_texts():
    assert found(XLSX(), SHARING) == [{"sku": "shared", "name": "Lamp"}]


def test_values_as_the_cells_have_them():
    content = book(
        Stock=[
            ["sku", "price", "count", "when", "used", "none"],
            ["00123", 19.9, 5, datetime(2026, 1, 2, 3, 4, 5), True, None],
            [12, 1e-7, 1e20, "x\ny", False, "é"],
        ]
    )
    assert found(XLSX(), content) == [
        {
            "sku": "00123",
            "price": Decimal("19.9"),
            "count": 5,
            "when": datetime(2026, 1, 2, 3, 4, 5),
            "used": True,
            "none": None,
        },
        {
            "sku": 12,
            "price": Decimal("0.0000001"),
            "count": Decimal("1E+20"),
            "when": "x\ny",
            "used": False,
            "none": "é",
        },
    ]


def test_a_formula_is_the_value_it_had():
    content = book(Stock=[["sku", "price"], ["a", "=1+1"], ["b", "=1+1"]])
    content = edited(content, SHEET, lambda raw: raw.replace(b"<v></v>", b"<v>2</v>", 1))
    content = edited(content, SHEET, lambda raw: raw.replace(b"<v />", b"<v>2</v>", 1))
    assert [row["price"] for row in found(XLSX(), content)] == [2, None]


def test_the_header_is_trimmed_and_spelled_as_the_mapping_spells_it():
    content = book(Stock=[[], [" SKU ", "Name", 2026], ["a", "b", 1]])
    assert found(XLSX(), content) == [{"sku": "a", "name": "b", "2026": 1}]


def test_columns_for_a_sheet_without_header():
    content = book(Stock=[["a", "b"], ["c"]])
    assert found(XLSX(columns=["sku", "name"]), content) == [
        {"sku": "a", "name": "b"},
        {"sku": "c", "name": None},
    ]


def test_a_sheet_by_its_name():
    assert found(XLSX(), BOOK) == [{"sku": "a", "name": "Lamp"}]
    assert found(XLSX(sheet="Other"), BOOK) == [{"sku": "z"}]
    error = failure(BOOK, XLSX(sheet="Stuck"))
    assert error.code == "missing_sheet"
    assert "'Stuck'; it has: Stock, Other" in error.message


def test_blank_rows_are_passed_over_and_wide_ones_named():
    content = book(Stock=[["sku", "name"], [], ["a"], [None, None], ["b", "c", "d"], ["e", "f"]])
    made = list(parse(XLSX(), content).rows)
    assert codes(made) == [
        {"sku": "a", "name": None},
        "column_count",
        {"sku": "e", "name": "f"},
    ]
    assert made[1].error.message == "Row 5 of sheet 'Stock' has 3 columns instead of 2."


@pytest.mark.parametrize("lines", [[], [["sku", "name"]]])
def test_no_rows_is_for_the_engine_to_judge(lines):
    assert found(XLSX(), book(Stock=lines)) == []


@pytest.mark.parametrize(
    ("header", "code"), [(["sku", "sku"], "duplicate_header"), (["x", "y"], "missing_columns")]
)
def test_headers_nobody_can_use(header, code):
    assert failure(book(Stock=[header, ["a", "b"]])).code == code


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\3\4", BOOK[:-1], BOOK[:-30]])
def test_what_is_no_workbook(content):
    assert failure(content).code == "xlsx_syntax"


def test_a_workbook_cut_off_anywhere():
    for at in range(0, len(BOOK) - 1, 97):
        assert failure(BOOK[:at]).code == "xlsx_syntax"


def test_a_damaged_byte_is_found_before_the_first_row():
    at = BOOK.index(b"xl/worksheets/sheet1.xml") + len(SHEET) + 20
    damaged = BOOK[:at] + bytes([BOOK[at] ^ 0xFF]) + BOOK[at + 1 :]
    with pytest.raises(FeedError) as caught:
        parse(XLSX(), damaged)
    assert caught.value.code == "xlsx_syntax"


def test_a_sheet_that_is_not_well_formed_gives_no_row():
    content = edited(BOOK, SHEET, lambda raw: raw.replace(b"</sheetData>", b"</sheet>"))
    with pytest.raises(FeedError, match=f"{SHEET}, is not well-formed at 1:") as caught:
        parse(XLSX(), content)
    assert caught.value.code == "xlsx_syntax"


@pytest.mark.parametrize("part", [SHEET, SHARED, "xl/workbook.xml", "_rels/.rels"])
@pytest.mark.parametrize(
    "kind", [b'[<!ENTITY x SYSTEM "file:///etc/passwd">]', b'SYSTEM "http://127.0.0.1/x.dtd"']
)
def test_document_types_are_forbidden(part, kind):
    def change(raw):
        declaration, mark, rest = raw.rpartition(b"?>")
        return declaration + mark + b"<!DOCTYPE x " + kind + b">" + rest

    assert failure(edited(SHARING, part, change)).code == "xml_forbidden"


def test_a_part_that_unpacks_a_thousandfold():
    content = edited(BOOK, SHEET, lambda raw: raw + b" " * (100 << 20))
    error = failure(content)
    assert error.code == "feed_too_large"
    assert "unpacks" in error.message


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_UNPACKED", 1000), ("MAX_SHARED", 10), ("MAX_ROW", 50)]
)
def test_limits_on_size(monkeypatch, limit, value):
    monkeypatch.setattr(f"django_ecommerce_sync.feeds.formats.xlsx.{limit}", value)
    assert failure(SHARING).code == "feed_too_large"


def test_a_row_number_beyond_any_sheet_ends_the_feed():
    content = edited(BOOK, SHEET, lambda raw: raw.replace(b'<row r="2"', b'<row r="99999999999"'))
    assert failure(content).code == "feed_too_large"


def test_a_sheet_that_lies_about_its_size():
    def change(raw):
        assert b'ref="A1:B2"' in raw
        return raw.replace(b'ref="A1:B2"', b'ref="A1:A1"')

    assert found(XLSX(), edited(BOOK, SHEET, change)) == [{"sku": "a", "name": "Lamp"}]


def test_without_openpyxl_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigurationError, match=r"install django-ecommerce-sync\[xlsx\]"):
        XLSX()


def test_a_feed_with_two_sheets(tmp_path):
    path = tmp_path / "shop.xlsx"
    path.write_bytes(BOOK)
    options = {"url": path, "stream": "products", "fields": {"sku": "sku"}}
    assert rows(XLSXFeed(**options)) == [{"sku": "a", "name": "Lamp"}]
    assert rows(XLSXFeed(**options, sheet="Other")) == [{"sku": "z"}]


@pytest.mark.django_db
def test_a_sync_of_a_workbook(settings, tmp_path):
    path = tmp_path / "shop.xlsx"
    path.write_bytes(
        book(Stock=[["Code", "Title", "Price"], ["007", "Lamp", 19.9], [12, "Table", 5]])
    )
    fields = {"sku": "Code", "name": "Title", "price": "Price"}
    options = {"url": path, "stream": "products", "fields": fields, "currency": "EUR"}
    feeds = {"shop": {"BACKEND": XLSXFeed, "OPTIONS": options}}
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": feeds}
    run = execute(request_run("shop")[0].pk)
    assert (run.status, run.error) == ("succeeded", "")
    assert set(Product.objects.values_list("sku", "name", "price")) == {
        ("007", "Lamp", Decimal("19.9000")),
        ("12", "Table", Decimal("5.0000")),
    }
