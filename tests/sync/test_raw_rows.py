"""Rows that are as they were are told by their bytes, and not decoded."""

from __future__ import annotations

import json

import pytest

from django_ecommerce_sync.feeds import CSVFeed, JSONFeed, JSONLinesFeed, XMLFeed
from django_ecommerce_sync.feeds.formats import decoding
from django_ecommerce_sync.feeds.formats.elements import XMLElement
from django_ecommerce_sync.models import Product, SyncLink
from django_ecommerce_sync.sync import execute, request_run

pytestmark = pytest.mark.django_db

FIELDS = {"sku": "sku", "name": "name", "price": "price"}


@pytest.fixture
def deliver(settings, tmp_path):
    """Sync a text as the only document of a feed; returns the counts that are not zero."""

    def deliver(backend, text, **options):
        path = tmp_path / "feed"
        path.write_text(text, encoding="utf-8")
        options = {"url": str(path), "stream": "products", "fields": FIELDS, **options}
        settings.ECOMMERCE_SYNC = {
            **settings.ECOMMERCE_SYNC,
            "FEEDS": {"shop": {"BACKEND": backend, "OPTIONS": options}},
        }
        run = execute(request_run("shop")[0].pk)
        assert not run.error_code, run.error
        return {name: n for name, n in run.counts_of("products").items() if n}

    return deliver


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def listed(*rows):
    return json.dumps(rows)


def elements(*rows):
    cells = ["".join(f"<{name}>{cell}</{name}>" for name, cell in row.items()) for row in rows]
    return f"<feed>{''.join(f'<item>{row}</item>' for row in cells)}</feed>"


def row(number, **values):
    return {"sku": f"S{number}", "name": f"Thing {number}", "price": "5", **values}


@pytest.mark.parametrize(("backend", "text"), [(JSONLinesFeed, lines), (JSONFeed, listed)])
def test_only_what_changed_is_decoded(deliver, monkeypatch, backend, text):
    rows = [row(n) for n in range(20)]
    assert deliver(backend, text(*rows)) == {"read": 20, "created": 20}
    decoded = []
    decode = decoding.decode_batch
    modules = ("jsonl", "json")
    for name in modules:
        monkeypatch.setattr(
            f"django_ecommerce_sync.feeds.formats.{name}.decode_batch",
            lambda texts: decoded.extend(texts) or decode(texts),
        )
    monkeypatch.setattr("django_ecommerce_sync.sync.execution.renamed_paths", lambda *args: [])
    monkeypatch.setattr("django_ecommerce_sync.sync.execution.decoded", lambda rows: [])
    rows[7]["price"] = "6"
    assert deliver(backend, text(*rows)) == {"read": 20, "updated": 1, "unchanged": 19}
    assert [json.loads(found) for found in decoded] == [rows[7]]


def test_only_elements_that_changed_are_parsed(deliver, monkeypatch):
    rows = [row(n) for n in range(20)]
    assert deliver(XMLFeed, elements(*rows)) == {"read": 20, "created": 20}
    decoded = []
    decode = XMLElement.decode
    monkeypatch.setattr(XMLElement, "decode", lambda self, r: decoded.extend(r) or decode(self, r))
    monkeypatch.setattr("django_ecommerce_sync.sync.execution.renamed_paths", lambda *args: [])
    monkeypatch.setattr("django_ecommerce_sync.sync.execution.decoded", lambda rows: [])
    rows[7]["price"] = "6"
    assert deliver(XMLFeed, elements(*rows)) == {"read": 20, "updated": 1, "unchanged": 19}
    assert [found.count(b"<sku>S7</sku>") for found, _, _ in decoded] == [1]


def test_an_element_written_in_another_way_changes_nothing(deliver):
    rows = [row(n) for n in range(4)]
    deliver(XMLFeed, elements(*rows))
    text = elements(*rows).replace("<name>Thing 1", "<!-- 1 --><name>\n<![CDATA[Thing 1]]>")
    assert deliver(XMLFeed, text.replace("<feed>", "<feed><a/>")) == {"read": 4, "unchanged": 4}


def test_ids_of_elements_in_other_places(deliver):
    text = "<r><item id='7'><name>A</name><price>5</price><sku><![CDATA[S&1]]></sku></item></r>"
    assert deliver(XMLFeed, text, external_id="@id") == {"read": 1, "created": 1}
    assert deliver(XMLFeed, text, external_id="@id") == {"read": 1, "unchanged": 1}
    assert SyncLink.objects.get().external_id == "7"
    assert Product.objects.get().sku == "S&1"


@pytest.mark.parametrize(("backend", "text"), [(JSONLinesFeed, lines), (JSONFeed, listed)])
def test_another_spelling_of_the_same_record_changes_nothing(deliver, backend, text):
    rows = [row(n) for n in range(4)]
    deliver(backend, text(*rows))
    version = Product.objects.get(sku="S1").version
    rows[1] = dict(reversed(rows[1].items()))
    rows[2]["price"] = "5.00"
    assert deliver(backend, text(*rows)) == {"read": 4, "unchanged": 4}
    assert Product.objects.get(sku="S1").version == version


def test_columns_that_change_places_change_the_rows(deliver):
    assert deliver(CSVFeed, "sku,name,price\nS1,10,20\n") == {"read": 1, "created": 1}
    assert deliver(CSVFeed, "sku,price,name\nS1,10,20\n") == {"read": 1, "updated": 1}
    assert (Product.objects.get().name, Product.objects.get().price) == ("20", 10)


@pytest.mark.parametrize("quoted", ["S1,Thing,5", '"S1","Thing","5"', 'S1,"Thing",5'])
def test_quotes_make_no_other_record(deliver, quoted):
    plain = "sku,name,price\nS0,Thing,5\nS1,Thing,5\n"
    deliver(CSVFeed, plain)
    before = SyncLink.objects.get(external_id="S1").hash
    changed = f"sku,name,price\nS0,Thing,6\n{quoted}\n"
    assert deliver(CSVFeed, changed) == {"read": 2, "updated": 1, "unchanged": 1}
    assert SyncLink.objects.get(external_id="S1").hash == before


def test_a_cell_with_the_mark_between_cells_is_a_cell(deliver):
    text = 'sku,name,price\nS1,"a\x1f5",5\n'
    counts = deliver(CSVFeed, text)
    assert counts == {"read": 1, "rejected": 1}  # no control characters in names


def test_a_duplicate_key_is_found_where_only_the_id_was_read(deliver):
    good = lines(row(1), row(2))
    deliver(JSONLinesFeed, good)
    bad = lines(row(1)) + '{"sku": "S2", "name": "x", "name": "y", "price": "5"}\n'
    assert deliver(JSONLinesFeed, bad) == {"read": 2, "unchanged": 1, "rejected": 1}
