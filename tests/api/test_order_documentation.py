"""The page about orders speaks of the rules that are in force."""

import ast
import re
from pathlib import Path

import pytest

from django_ecommerce_sync.checks import check_settings
from django_ecommerce_sync.orders.conf import DEFAULT_TRANSITIONS, STOCK_POLICIES
from django_ecommerce_sync.orders.editing import DEAL

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "orders.md").read_text()


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text):
    return [
        [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]


def test_the_table_of_states():
    table = {source: tuple(ways) for (source,), ways in rows(section("Move it"))}
    assert table == dict(DEFAULT_TRANSITIONS)


def test_the_policies_of_stock():
    text = section("Stock").split("| `ORDER_STOCK` |")[1]
    assert [ast.literal_eval(cells[0][0]) for cells in rows(text)] == list(STOCK_POLICIES)


def test_what_is_fixed_with_the_deal():
    fields = set(rows(section("Change it"))[0][0])
    assert fields == {name for name in DEAL if "total" not in name}


@pytest.mark.parametrize("code", re.findall(r"^```python\n(ECOMMERCE.*?)^```", PAGE, re.M | re.S))
def test_the_settings_are_sound(settings, code):
    settings.ECOMMERCE_SYNC = ast.literal_eval(code.partition(" = ")[2])
    found = {message.id for message in check_settings()}
    # The function is one of the project's own.
    assert found <= {"ecommerce_sync.E026"}
