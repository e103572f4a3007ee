"""The documentation speaks of what exists: code parses, commands, settings and fields are real."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.utils.module_loading import import_string

from django_ecommerce_sync import feeds, models, signals
from django_ecommerce_sync.api.conf import ApiSettings
from django_ecommerce_sync.conf import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs" / "reference"
#: Columns that every table of its kind has, described once.
COMMON = {"id", "archived_at", "pinned", "version", "created_at", "updated_at"}


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(language: str) -> list:
    """Every code block in that language, with where it stands as its test's name."""
    found = []
    for page in PAGES:
        for block in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M):
            line = page.read_text()[: block.start()].count("\n") + 2
            found.append(pytest.param(block[1], id=f"{names(page)}:{line}"))
    return found


def commands(prefix: str) -> list[str]:
    """Lines of console blocks that begin with this, without what follows ``&&``."""
    lines = [line for block in blocks("console") for line in block.values[0].splitlines()]
    return [line.removeprefix(f"$ {prefix}") for line in lines if line.startswith(f"$ {prefix}")]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_parses(code):
    ast.parse(code)


@pytest.mark.parametrize("code", blocks("python"))
def test_imports_of_the_package_exist(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("django_ecommerce_sync"):
            module = __import__(node.module, fromlist=["*"])
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@pytest.mark.parametrize("code", blocks("json"))
def test_json_parses(code):
    json.loads(code)


@pytest.mark.parametrize("code", blocks("jsonl"))
def test_json_lines_parse(code):
    assert [json.loads(line) for line in code.splitlines()]


@pytest.mark.parametrize("arguments", commands("python manage.py ecommerce_sync "))
def test_commands_are_understood(arguments):
    command = load_command_class("django_ecommerce_sync", "ecommerce_sync")
    parser = command.create_parser("manage.py", "ecommerce_sync")
    parser.parse_args(shlex.split(arguments, comments=True))


@pytest.mark.parametrize("arguments", commands("make "))
def test_make_targets_exist(arguments):
    target = arguments.split()[0]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES[1:] if page.name != "index.md"]
    assert [page for page in pages if f"({page})" not in index] == []


@pytest.mark.parametrize("settings", [Settings, ApiSettings])
def test_every_setting_is_described(settings):
    text = (REFERENCE / "settings.md").read_text()
    assert [name for name in settings.names() if f"| `{name}` |" not in text] == []


def test_only_real_settings_are_described():
    described = re.findall(r"^\| `([A-Z_]+)` \|", (REFERENCE / "settings.md").read_text(), re.M)
    assert sorted(described) == sorted([*Settings.names(), *ApiSettings.names()])


def test_every_subcommand_is_described():
    text = (REFERENCE / "command-line.md").read_text()
    described = re.findall(r"^\| `([a-z]+)[ `]", text, re.MULTILINE)
    command = load_command_class("django_ecommerce_sync", "ecommerce_sync")
    assert sorted(described) == sorted(command.subcommands)


@pytest.mark.parametrize("model", ["Product", "Customer", "Order", "OrderLine"])
def test_every_field_is_described(model):
    section = (REFERENCE / "models.md").read_text().split(f"\n## {model}\n")[1].split("\n## ")[0]
    fields = {field.name for field in getattr(models, model)._meta.concrete_fields}
    assert [name for name in sorted(fields - COMMON) if f"`{name}`" not in section] == []


def test_every_signal_is_described():
    text = (REFERENCE / "signals.md").read_text()
    sent = [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]
    assert [name for name in sent if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize(
    "expression",
    re.findall(r"^\| `([A-Z]\w+\(.*?\))` \|", (REFERENCE / "feeds.md").read_text(), re.M),
)
def test_examples_of_feeds_can_be_built(expression):
    assert eval(expression, vars(feeds))


def test_feed_classes_exist():
    backends = re.findall(r"^\| `([\w.]+Feed)` \|", (REFERENCE / "feeds.md").read_text(), re.M)
    assert len(backends) == 7
    assert all(issubclass(import_string(backend), feeds.FeedSource) for backend in backends)
