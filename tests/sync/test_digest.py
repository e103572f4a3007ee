"""Whether a mapping is still the one that records were applied with."""

import os
import subprocess
import sys
from functools import partial
from operator import itemgetter

import pytest

from django_ecommerce_sync.feeds import JSON, XLSX, HTTPFeed, Moment, OneOf, Since, Stream
from django_ecommerce_sync.sync.digest import mapping_digest, reading_digest

PROGRAM = """
import django
django.setup()
from tests.sync.test_digest import FEED, STREAM, reading_digest
print(reading_digest(FEED, STREAM, "sku"))
"""


def named(row, field="title"):
    return row[field]


class Called:
    def __init__(self, field):
        self.field = field

    def __call__(self, row):
        return row[self.field]


def held(field, again=None):
    def inner(row):
        return row[field] if row else inner(again)

    return inner


def stream(name):
    return Stream("products", fields={"sku": "sku", "name": name})


def digest(name):
    return mapping_digest(stream(name), "sku")


STREAM = Stream(
    "products",
    since=Since(Moment("changed", tz="Europe/Berlin"), "since"),
    fields={
        "sku": "sku",
        "name": lambda row: row["title"] if row["kind"] in {"a", "b", "c", "d"} else None,
        "brand": partial(named, field="brand"),
        "mpn": OneOf("mpn", {"a": frozenset("abcdef")}),
    },
)
FEED = HTTPFeed(base_url="https://shop.example/", streams=[STREAM], format=XLSX())


def test_it_is_the_same_in_every_process():
    found = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found.add(subprocess.check_output([sys.executable, "-c", PROGRAM], env=environment))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (partial(named, field="a"), partial(named, field="b")),
        (itemgetter("a"), itemgetter("b")),
        (Called("a"), Called("b")),
        (held("a"), held("b")),
        (held({"a": 1}), held({"a": 2})),
        (lambda row, field="a": row[field], lambda row, field="b": row[field]),
        (str.upper, str.lower),
    ],
)
def test_whatever_makes_another_value_of_a_record_changes_it(before, after):
    assert digest(before) == digest(before)
    assert digest(before) != digest(after)


def test_objects_that_a_function_holds_on_to_are_no_part_of_it():
    assert digest(held(object())) == digest(held(object()))


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "https://other.example/"},
        {"format": JSON()},
        {"streams": [Stream("products", fields=STREAM.fields, since=STREAM.since, path="new")]},
        {"streams": [Stream("products", fields=STREAM.fields, since=Since("moved", "since"))]},
    ],
)
def test_another_source_of_the_records_is_another_reading(options):
    known = {"base_url": FEED.base_url, "streams": [STREAM], "format": FEED.format, **options}
    (other,) = known["streams"]
    assert reading_digest(HTTPFeed(**known), other, "sku") != reading_digest(FEED, STREAM, "sku")
