"""Bad values, one by one, each between two good records in a whole sync.

The numbers are those of the project's table of bad inputs. ``"field: code"`` says how the record
is rejected, a dict what it lands as. Where a value lands that others would refuse, this is why:

- B39: amounts have four decimals here, and noise below a millionth is what floats leave behind.
- B43: shops oversell, so a stock below zero is what the shop says.
- B45: real shops have products without a name; a blank one is no reason to lose the price.
- B51: a number may be a key, as its digits; a SKU may have 191 characters.
- B54: the last copy of a record wins and the others are counted, also where they differ.
- B58: real customers have addresses with letters beyond ASCII before the @.
- B60: totals are kept as the source says them and only flagged; cancellations have quantities
  of zero and below.
- B61: a feed is the truth about its own orders, so a status may go back.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from django_ecommerce_sync.feeds import Stream
from django_ecommerce_sync.models import Customer, Order, Product, RunStatus
from tests.bad_inputs.rows import GADGETS, gadget, line, order
from tests.shop.models import Gadget
from tests.sync.conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db

LEFT_OUT = object()


class Case(NamedTuple):
    number: str
    title: str
    values: dict[str, Any]
    #: ``"field: code"`` of the issue, or the values of the row.
    outcome: str | dict[str, Any]
    #: What the issue names as the record's key, where it is not the good one.
    key: str | None = None

    def __str__(self):
        return f"{self.number} {self.title}"


class Kind(NamedTuple):
    model: Any
    stream: Stream
    make: Any
    key_field: str
    key: str


KINDS = {
    "products": Kind(Product, PRODUCTS, product, "sku", "SKU-2"),
    # An e-mail address is not written into issues.
    "customers": Kind(Customer, CUSTOMERS, customer, "email", ""),
    "orders": Kind(Order, ORDERS, order, "order_id", "2"),
    "gadgets": Kind(Gadget, GADGETS, gadget, "serial", "G-2"),
}

UTC = dt.UTC
CASES = {
    "products": [
        Case(
            "B30",
            "key as a spreadsheet writes it",
            {"sku": "1.23E+05"},
            "sku: suspicious_key",
            "1.23E+05",
        ),
        Case("B30", "the same in German", {"sku": "1,23E+05"}, "sku: suspicious_key", "1,23E+05"),
        Case(
            "B30", "the same from a script", {"sku": "1.23e+15"}, "sku: suspicious_key", "1.23e+15"
        ),
        Case("B30", "a part number like it", {"sku": "1E10"}, {"sku": "1E10"}),
        Case("B30", "leading zeros", {"sku": "00123"}, {"sku": "00123"}),
        Case("B38", "NaN as text", {"price": "NaN"}, "price: invalid_decimal"),
        Case("B38", "Infinity as text", {"price": "Infinity"}, "price: invalid_decimal"),
        Case("B38", "no number", {"price": "abc"}, "price: invalid_decimal"),
        Case("B38", "NaN", {"price": float("nan")}, "price: non_finite"),
        Case("B38", "infinity", {"price": Decimal("-Infinity")}, "price: non_finite"),
        Case("B39", "five decimals", {"price": "1.00005"}, "price: too_many_decimals"),
        Case("B39", "three decimals", {"price": "1.999"}, {"price": Decimal("1.999")}),
        Case("B39", "a float", {"price": 1.005}, {"price": Decimal("1.005")}),
        Case("B39", "a sum of floats", {"price": 0.1 + 0.2}, {"price": Decimal("0.3")}),
        Case("B40", "1e15", {"price": "1e15"}, "price: out_of_range"),
        Case("B40", "16 digits", {"price": 10**15}, "price: out_of_range"),
        Case("B40", "rounds up to 16", {"price": "999999999999999.9999"}, "price: out_of_range"),
        Case("B40", "much", {"price": "99999999999.9999"}, {"price": Decimal("99999999999.9999")}),
        Case("B40", "5,000 digits", {"price": 10**5000}, "price: out_of_range"),
        Case("B41", "negative", {"price": -5}, "price: negative"),
        Case("B41", "minus zero", {"price": "-0"}, {"price": Decimal(0)}),
        Case("B41", "truth value", {"price": True}, "price: invalid_decimal"),
        Case("B41", "full-width digits", {"price": "１２"}, "price: invalid_decimal"),
        Case("B42", "unknown currency", {"currency": "XXX"}, "currency: invalid_currency"),
        Case("B42", "name of a currency", {"currency": "Euro"}, "currency: invalid_currency"),
        Case("B42", "number of a currency", {"currency": 978}, "currency: invalid_type"),
        Case("B42", "no currency", {}, {"currency": "USD"}),
        Case("B43", "below zero", {"stock": -1}, {"inventory_count": -1}),
        Case("B43", "part of a piece", {"stock": 1.9}, "inventory_count: invalid_integer"),
        Case("B43", "truth value", {"stock": True}, "inventory_count: invalid_decimal"),
        Case("B43", "word", {"stock": "abc"}, "inventory_count: invalid_decimal"),
        Case("B43", "underscore", {"stock": "1_000"}, "inventory_count: invalid_decimal"),
        Case("B43", "Arabic digits", {"stock": "٣"}, "inventory_count: invalid_decimal"),
        Case("B43", "2 to the 32", {"stock": 2**32}, "inventory_count: out_of_range"),
        Case("B43", "blank", {"stock": ""}, {"inventory_count": 0}),
        Case("B44", "object", {"title": {"a": 1}}, "name: invalid_type"),
        Case("B44", "list", {"title": ["a"]}, "name: invalid_type"),
        Case("B44", "number", {"title": 7}, "name: invalid_type"),
        Case("B44", "truth value", {"title": True}, "name: invalid_type"),
        Case("B45", "null", {"title": None}, {"name": ""}),
        Case("B45", "empty", {"title": ""}, {"name": ""}),
        Case("B45", "spaces", {"title": "   "}, {"name": ""}),
        Case("B45", "256 characters", {"title": "x" * 256}, "name: max_length"),
        Case("B45", "255 emoji", {"title": "😀" * 255}, {"name": "😀" * 255}),
        Case("B45", "256 emoji", {"title": "😀" * 256}, "name: max_length"),
        Case("B45", "half a character", {"title": "a\ud800"}, "name: bad_unicode"),
        Case("B51", "empty key", {"sku": ""}, "sku: invalid_key", ""),
        Case("B51", "key of spaces", {"sku": "  "}, "sku: invalid_key", ""),
        Case("B51", "null key", {"sku": None}, "sku: invalid_key", ""),
        Case("B51", "no key", {"sku": LEFT_OUT}, "sku: required", ""),
        Case("B51", "list as key", {"sku": ["a"]}, "sku: invalid_key", ""),
        Case("B51", "truth value as key", {"sku": True}, "sku: invalid_key", ""),
        Case("B51", "fraction as key", {"sku": 1.5}, "sku: invalid_key", ""),
        Case("B51", "number as key", {"sku": 12}, {"sku": "12"}),
        Case("B51", "191 characters", {"sku": "x" * 191}, {"sku": "x" * 191}),
        Case("B51", "192 characters", {"sku": "x" * 192}, "sku: invalid_key", "x" * 191),
        Case("B51", "no id", {"id": LEFT_OUT}, "external_id: required"),
        Case("B51", "long id", {"id": "x" * 192}, "external_id: invalid_key"),
        Case("B51", "spreadsheet's id", {"id": "1.23E+05"}, "external_id: suspicious_key"),
    ],
    "gadgets": [
        *[
            Case("B46", f"{said!r} is {meant}", {"used": said}, {"refurbished": meant})
            for meant, spellings in {
                True: (True, 1, "1", "true", "TRUE", "t", "yes", "Y", " on "),
                False: (False, 0, "0", "false", "False", "f", "no", "N", "off", ""),
            }.items()
            for said in spellings
        ],
        Case("B46", "2", {"used": 2}, "refurbished: invalid_boolean"),
        Case("B46", "word", {"used": "maybe"}, "refurbished: invalid_boolean"),
        Case("B46", "fraction", {"used": 0.5}, "refurbished: invalid_boolean"),
        Case("B46", "list", {"used": []}, "refurbished: invalid_boolean"),
        Case("B47", "February 30", {"launched": "2026-02-30"}, "launched: invalid_datetime"),
        Case("B47", "day first", {"launched": "31.12.2026"}, "launched: invalid_datetime"),
        Case("B47", "date", {"launched": "2026-12-31"}, {"launched": dt.date(2026, 12, 31)}),
    ],
    "orders": [
        Case("B47", "February 30", {"date": "2026-02-30"}, "order_date: invalid_datetime"),
        Case("B47", "year 10000", {"date": "10000-01-01"}, "order_date: invalid_datetime"),
        Case(
            "B47",
            "before the first year",
            {"date": "0001-01-01T00:00:00+14:00"},
            "order_date: invalid_datetime",
        ),
        Case(
            "B47",
            "after the last year",
            {"date": "9999-12-31T23:59:59-14:00"},
            "order_date: invalid_datetime",
        ),
        Case("B47", "seconds", {"date": 1767348000}, "order_date: invalid_datetime"),
        Case("B47", "seconds as text", {"date": "1767348000"}, "order_date: invalid_datetime"),
        # Read as a compact date this would be the year 1701.
        Case("B47", "milliseconds", {"date": "1701011212345"}, "order_date: invalid_datetime"),
        Case(
            "B47", "leap second", {"date": "2016-12-31T23:59:60Z"}, "order_date: invalid_datetime"
        ),
        Case("B47", "object", {"date": {}}, "order_date: invalid_datetime"),
        Case(
            "B47",
            "a program's zero",
            {"date": "0001-01-01T00:00:00"},
            {"order_date": dt.datetime(1, 1, 1, tzinfo=UTC)},
        ),
        Case(
            "B48",
            "no zone is UTC",
            {"date": "2026-03-29 02:30:00"},
            {"order_date": dt.datetime(2026, 3, 29, 2, 30, tzinfo=UTC)},
        ),
        Case(
            "B48",
            "stored in UTC",
            {"date": "2026-01-02T01:00:00+02:00"},
            {"order_date": dt.datetime(2026, 1, 1, 23, tzinfo=UTC)},
        ),
        Case("B59", "unknown customer", {"customer_id": 99}, "customer: unresolved_reference"),
        Case("B59", "guest", {"customer_id": None}, {"customer": None}),
        Case(
            "B59",
            "unknown product",
            {"lines": line(product_id=99)},
            "lines[1].product: unresolved_reference",
        ),
        Case("B60", "no list of lines", {"lines": "two"}, "lines: not_a_list"),
        Case("B60", "line that is none", {"lines": [5]}, "lines[0]: not_an_object"),
        Case(
            "B60",
            "part of a piece",
            {"lines": line(quantity="1.5")},
            "lines[1].quantity: invalid_integer",
        ),
        Case(
            "B60",
            "price of a line",
            {"lines": line(price="?")},
            "lines[1].unit_price: invalid_decimal",
        ),
        Case("B60", "too many lines", {"lines": line() * 5001}, "lines: too_many_lines"),
        Case("B60", "no lines", {"lines": []}, {"subtotal": Decimal(0)}),
        Case("B60", "quantity 0", {"lines": line(quantity=0)}, {"subtotal": Decimal("9.90")}),
        Case("B60", "cancelled", {"lines": line(quantity=-1)}, {"total_amount": Decimal("0.00")}),
        Case("B60", "other total", {"total": "20.00"}, {"total_amount": Decimal("20.00")}),
        Case("B60", "total is no number", {"total": "20,00"}, "total_amount: invalid_decimal"),
        Case("B61", "unknown status", {"status": "teleported"}, "status: invalid_choice"),
        Case("B61", "status is a list", {"status": ["shipped"]}, "status: invalid_choice"),
        Case("B61", "another spelling", {"status": "On-Hold"}, {"status": "on_hold"}),
    ],
    "customers": [
        Case(
            "B57",
            "domain beyond ASCII",
            {"email": "joe@exämple.com"},
            {"email": "joe@xn--exmple-cua.com"},
        ),
        Case(
            "B57", "impossible domain", {"email": "joe@exa\u2488mple.com"}, "email: invalid_email"
        ),
        Case("B58", "line break", {"email": "a\n@x.com"}, "email: invalid_key"),
        Case("B58", "quotes", {"email": '"joe bee"@x.com'}, "email: invalid_email"),
        Case("B58", "two addresses", {"email": "a@x.com, b@x.com"}, "email: invalid_email"),
        Case("B58", "no @", {"email": "joe"}, "email: invalid_email"),
        Case("B58", "255 characters", {"email": "j" * 247 + "@xyz.com"}, "email: invalid_key"),
        Case(
            "B58",
            "254 characters",
            {"email": "j" * 246 + "@xyz.com"},
            {"email": "j" * 246 + "@xyz.com"},
        ),
        Case(
            "B58",
            "letters beyond ASCII",
            {"email": "stanisław@wp.pl"},
            {"email": "stanisław@wp.pl"},
        ),
        Case("B58", "list", {"email": ["a@x.com"]}, "email: invalid_key"),
        Case("B58", "nobody's", {"email": ""}, {"email": None}),
    ],
}


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=str(case)) for name in CASES for case in CASES[name]],
)
def test_a_bad_value_costs_its_own_record_only(shop, name, case):
    kind = KINDS[name]
    bad = {
        key: value
        for key, value in {**kind.make(2), **case.values}.items()
        if value is not LEFT_OUT
    }
    shop.streams = [PRODUCTS, CUSTOMERS, ORDERS, GADGETS]
    shop.rows = {"products": [product(1)], "customers": [customer(1)]}
    shop.rows[name] = [kind.make(1), bad, kind.make(3)]
    run = shop.sync()
    assert not run.error_code, run.error
    landed = kind.model.objects.filter(**{f"{kind.key_field}__isnull": False})
    if isinstance(case.outcome, dict):
        assert (run.status, run.issues.count()) == (RunStatus.SUCCEEDED, 0)
        assert run.counts_of(name)["created"] == 3
        fields = list(case.outcome)
        assert case.outcome in kind.model.objects.values(*fields)
        return
    issue = run.issues.get()
    key = kind.key if case.key is None else case.key
    identity = "" if case.outcome.startswith("external_id") else "2"
    assert f"{issue.field}: {issue.code}" == case.outcome
    assert (issue.position, issue.external_id, issue.key) == (2, identity, key)
    assert (issue.stream, issue.state) == (name, "open")
    assert issue.message
    assert name != "customers" or len(issue.excerpt) <= len("'se…")
    assert run.status == RunStatus.PARTIAL
    assert run.counts_of(name) == {**run.counts_of(name), "created": 2, "rejected": 1}
    good = [kind.make(number) for number in (1, 3)]
    keys = {str(row.get(kind.key_field, row["id"])) for row in good}
    assert set(landed.values_list(kind.key_field, flat=True)) == keys
