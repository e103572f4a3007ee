import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, RecordError
from django_ecommerce_sync.feeds import (
    MISSING,
    Const,
    First,
    Lines,
    MemoryFeed,
    Moment,
    Money,
    Number,
    OneOf,
    Ref,
    Reference,
    Since,
    Stream,
    Template,
    Text,
)

from .reading import pages


def mapped(payload, **fields):
    return Stream("products", fields=fields).map(payload)


def failure(payload, **fields):
    with pytest.raises(RecordError) as caught:
        mapped(payload, **fields)
    return caught.value


def test_paths():
    payload = {"a": {"b": [{"c": 1}]}, "x.y": 2, "n": None}
    assert mapped(payload, one="a.b.0.c", two="x.y", none="n", far="a.b.1.c", no="a.b.c.d") == {
        "one": 1,
        "two": 2,
        "none": None,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"one": "a", "two": "b.c", "three": "x.y", "four": "gone", "five": Text("n")},
        {"price": Money("p"), "currency": "c"},
        {"currency": "c", "price": Money("p")},
        {"currency": "gone", "price": Money("p"), "two": "b.c", "one": "a"},
    ],
)
def test_a_row_is_mapped_as_if_field_by_field_in_turn(fields):
    payload = {"a": 1, "b": {"c": 2}, "x.y": 3, "n": None, "p": "15.00 USD", "c": "EUR"}
    in_turn = {}
    for field, source in fields.items():
        in_turn |= mapped(payload, **{field: source})
    assert mapped(payload, **fields) == in_turn


@pytest.mark.parametrize(
    ("source", "payload", "value"),
    [
        (Const(5), {}, 5),
        (Text("a"), {"a": 5}, "5"),
        (Text("a", unescape=True), {"a": "&lt;b&gt;"}, "<b>"),
        (Text("a", unescape=True), {"a": f"&#{'9' * 5000};"}, f"&#{'9' * 5000};"),
        (Template("{a}-{b.c}"), {"a": 1, "b": {"c": 2}}, "1-2"),
        (Template("{a}!"), {"a": ""}, MISSING),
        (First("a", "b"), {"a": "", "b": 0}, 0),
        (First("a", "b"), {"a": None}, None),
        (OneOf("a", {"y": True}), {"a": "y"}, True),
        (OneOf("a", {"y": True}, default=False), {"a": []}, False),
        (OneOf("a", {}), {}, MISSING),
        (Number("a", decimal=",", thousands="."), {"a": " 1.234,50 "}, "1234.50"),
        (Number("a", decimal=","), {"a": "1.5"}, "1?5"),
        (Number("a", places=2), {"a": Decimal("1.005")}, Decimal("1.01")),
        (Number("a", places=2), {"a": "abc"}, "abc"),
        (Moment("a", unit="ms"), {"a": 1500}, datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)),
        (Moment("a", format="%d.%m.%Y"), {"a": "02.01.2026"}, datetime(2026, 1, 2, tzinfo=UTC)),
        (Moment("a"), {"a": ""}, ""),
        (Ref("x", "a"), {"a": 0}, None),
        (Ref("x", "a", key="b"), {"a": 1, "b": " k "}, Reference("x", "1", "k")),
    ],
)
def test_converters(source, payload, value):
    assert source.extract(payload) == value


def test_zone_of_a_time_without_one():
    moment = Moment("a", tz="Europe/Berlin").extract({"a": "2026-07-01T10:00:00"})
    assert moment.astimezone(UTC).hour == 8


def test_money_brings_its_currency():
    assert mapped({"p": "15.00 USD"}, price=Money("p")) == {"price": "15.00", "currency": "USD"}
    assert mapped({"p": 5, "c": "EUR"}, price=Money("p", currency="c")) == {
        "price": 5,
        "currency": "EUR",
    }
    assert mapped({}, price=Money("p")) == {}


@pytest.mark.parametrize(
    ("source", "payload", "code", "field"),
    [
        (OneOf("a", {"y": 1}), {"a": "n"}, "invalid_choice", "f"),
        (Moment("a"), {"a": "yesterday"}, "invalid_datetime", "f"),
        (Moment("a", unit="s"), {"a": Decimal("1E+999999")}, "invalid_datetime", "f"),
        (Moment("a", unit="ms"), {"a": Decimal("-1E+9999999999")}, "invalid_datetime", "f"),
        (Moment("a", unit="s"), {"a": "sNaN"}, "invalid_datetime", "f"),
        (lambda row: row["a"] + 1, {"a": "x"}, "mapping_failed", "f"),
        (Lines("a", {"b": "b"}), {"a": {}}, "not_a_list", "f"),
        (Lines("a", {"b": "b"}), {"a": [7]}, "not_an_object", "f.[0]"),
        (Lines("a", {"b": OneOf("b", {})}), {"a": [{"b": 1}]}, "invalid_choice", "f.[0].b"),
    ],
)
def test_what_cannot_be_mapped_names_its_field(source, payload, code, field):
    error = failure(payload, f=source)
    assert error.code == code
    assert error.field.replace(".[", "[") == field.replace(".[", "[")


def test_a_time_beyond_the_calendar_is_refused_at_once():
    began = time.process_time()
    assert failure({"a": Decimal("1E+999990")}, f=Moment("a", unit="s")).code == "invalid_datetime"
    assert time.process_time() - began < 1


def test_what_a_stream_reads():
    stream = Stream(
        "orders",
        fields={"a": "x", "b": First("y.z", Money("w", currency="c")), "d": lambda row: row},
        external_id="id",
        group_by="no",
        since=Since("changed"),
    )
    assert stream.paths == {"x", "y.z", "w", "c", "id", "no", "changed"}


def test_mistakes():
    with pytest.raises(ConfigurationError, match="cannot be used in a mapping"):
        mapped({}, a=5)
    with pytest.raises(ConfigurationError, match="maps no fields"):
        Stream("products", fields={})
    with pytest.raises(ConfigurationError, match=r"app\.Model"):
        Stream("gadgets", fields={"a": "a"})
    with pytest.raises(ConfigurationError, match="no time span"):
        _ = Since("a", overlap="soon", start=datetime.now(UTC)).value


def test_a_feed_in_memory_goes_on_at_a_cursor():
    feed = MemoryFeed(
        streams=[Stream("products", fields={"sku": "sku"})],
        rows={"products": [{"sku": n} for n in range(5)]},
        page_size=2,
    )
    found = pages(feed)
    assert [(len(rows), total) for rows, _, total in found] == [(2, 5), (2, 5), (1, 5)]
    assert pages(feed, cursor=found[0][1]) == found[1:]
