"""Every security check has its number and a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS = re.findall(
    r"^\| (S\d\d) \| [^|]+ \| `([^`:]+)::(\w+)` \|$",
    (ROOT / "docs" / "explanation" / "security.md").read_text(),
    re.M,
)


def test_no_number_is_missing():
    assert [number for number, _file, _test in ROWS] == [f"S{n:02}" for n in range(1, 39)]


@pytest.mark.parametrize(("number", "file", "test"), ROWS, ids=[row[0] for row in ROWS])
def test_each_names_a_test(number, file, test):
    tree = ast.parse((ROOT / file).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    (found,) = [each for each in functions if each.name == test]
    assert test.startswith("test_")
    assert len(found.body) > 0
