"""``startfeed``: what it writes works as it stands, in a bare project, and hides nothing."""

import importlib.util
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from django_ecommerce_sync.management.subcommands.startfeed import KINDS, SCAFFOLD
from django_ecommerce_sync.testing import FeedContract

USAGE = 2
#: What the contract has to skip of each kind, and why.
SKIPPED = {
    "http": {},
    "json": {
        "test_reading_goes_on_at_every_cursor": "One page has everything",
        "test_only_changes_are_asked_for": "no Since",
        "test_records_say_when_they_changed": "no Since",
        "test_a_repeated_page_is_noticed": "without pages",
        "test_a_crash_at_any_page_loses_nothing": "without pages",
        "test_secrets_stay_secret": "no auth",
    },
}


def python(*arguments, cwd):
    """What Python prints for these arguments in a project of its own."""
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    environment.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        text=True,
        capture_output=True,
        check=False,
    )


def done(*arguments, cwd):
    result = python(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A bare project with a feed of each kind, in the project and in an app."""
    folder = tmp_path_factory.mktemp("project")
    done("-m", "django", "startproject", "shop", ".", cwd=folder)
    with (folder / "shop" / "settings.py").open("a") as file:
        file.write('\nINSTALLED_APPS += ["django_ecommerce_sync"]\n')
    for kind in KINDS:
        done("manage.py", "ecommerce_sync", "startfeed", f"acme_{kind}", "--kind", kind, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def verdicts(project):
    """The generated tests, run: feed's name → check → outcome and reason."""
    feeds = [f"acme_{kind}" for kind in KINDS]
    report = project / "report.xml"
    options = ["--ds=shop.settings", "-W", "error", "-p", "no:cacheprovider"]
    ran = python("-m", "pytest", *options, f"--junitxml={report}", *feeds, cwd=project)
    found = {feed: {} for feed in feeds}
    for case in ET.parse(report).iter("testcase"):
        feed = case.get("classname").partition(".")[0]
        outcomes = [(child.tag, child.get("message") or "") for child in case]
        found[feed][case.get("name").partition("[")[0]] = outcomes
    assert ran.returncode == 0, ran.stdout
    return found


def startfeed(*arguments):
    out = StringIO()
    call_command("ecommerce_sync", "startfeed", *arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments):
    """The message of a usage error."""
    with pytest.raises(CommandError) as caught:
        startfeed(*arguments)
    assert caught.value.returncode == USAGE
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_scaffold_keeps_the_contract_as_it_stands(verdicts, kind):
    checks = {name for name in dir(FeedContract) if name.startswith("test_")}
    found = verdicts[f"acme_{kind}"]
    assert set(found) == checks
    assert {
        name for name, outcomes in found.items() if any(o != "skipped" for o, _ in outcomes)
    } == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", SKIPPED)
def test_the_contract_skips_only_what_the_kind_does_not_have(verdicts, kind):
    skipped = {
        name: reason
        for name, outcomes in verdicts[f"acme_{kind}"].items()
        for _, reason in outcomes
    }
    assert sorted(skipped) == sorted(SKIPPED[kind])
    assert all(SKIPPED[kind][name] in reason for name, reason in skipped.items())


@pytest.mark.skipif(not importlib.util.find_spec("ruff"), reason="ruff is not installed")
def test_the_scaffold_is_clean_in_the_eyes_of_a_linter(project):
    feeds = [f"acme_{kind}" for kind in KINDS]
    rules = "--select=B,C4,DJ,E,F,I,PT,RUF,SIM,UP,W"
    ignored = "--ignore=RUF012"  # the streams of a feed are a list, as everywhere
    ruff = ("-m", "ruff")
    isolated = ("--isolated", "--line-length=100", "--no-cache")
    done(*ruff, "check", *isolated, rules, ignored, *feeds, cwd=project)
    done(*ruff, "format", "--check", *isolated, *feeds, cwd=project)


def test_every_kind_has_its_files():
    kinds = {path.name for path in SCAFFOLD.iterdir() if path.is_dir()}
    assert kinds == {*KINDS, "common"}


def test_it_says_what_comes_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = startfeed("acme_shop")
    assert sorted(path.name for path in (tmp_path / "acme_shop").iterdir()) == [
        "__init__.py",
        "feed.py",
        "products.json",
        "test_feed.py",
    ]
    assert "✓ acme_shop/feed.py" in out
    assert "python -m pytest --ds=tests.settings acme_shop" in out
    assert '"acme_shop": {"BACKEND": "acme_shop.feed.AcmeShopFeed"},' in out
    assert "ACME_SHOP_TOKEN" in out
    assert "python manage.py ecommerce_sync feeds acme_shop --test" in out


def test_scripts_get_a_document(tmp_path):
    found = json.loads(
        startfeed("acme", "--kind=custom", "--directory", str(tmp_path), "--format=json")
    )
    assert [Path(name).name for name in found["files"]] == [
        "__init__.py",
        "feed.py",
        "products.json",
        "test_feed.py",
    ]
    assert found["settings"] == {
        "acme": {"BACKEND": "acme.feed.AcmeFeed", "OPTIONS": {"path": "/path/to/acme.json"}}
    }


def test_inside_a_package_the_backend_has_its_whole_path(tmp_path):
    place = tmp_path / "shop" / "sources"
    place.mkdir(parents=True)
    for folder in (place, place.parent):
        (folder / "__init__.py").touch()
    out = startfeed("acme", "--directory", str(place))
    assert '"BACKEND": "shop.sources.acme.feed.AcmeFeed"' in out


def test_an_app_gets_it_beside_its_models(tmp_path, settings, monkeypatch):
    app = tmp_path / "stockroom"
    app.mkdir()
    (app / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "stockroom"]
    out = startfeed("acme", "--app", "stockroom", "--kind", "csv")
    assert '"BACKEND": "stockroom.acme.feed.AcmeFeed"' in out
    assert (app / "acme" / "products.csv").exists()


def test_nothing_is_overwritten(tmp_path):
    startfeed("acme", "--directory", str(tmp_path))
    feed = tmp_path / "acme" / "feed.py"
    feed.write_text("mine")
    assert "nothing is overwritten" in refusal("acme", "--directory", str(tmp_path))
    assert feed.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("Acme", "acme"),
        ("acme-shop", "acme_shop"),
        ("acme.shop", "acme_shop"),
        ("../acme", "acme"),
        ("1st", "feed_1st"),
        ("class", "feed_class"),
        ("_acme", "acme"),
        ("café", "caf"),
        ("№", "feed"),
        ("a" * 65, "a" * 59),
        ("", "feed"),
    ],
)
def test_a_name_that_can_be_no_package_is_refused_with_a_cure(tmp_path, name, cure):
    assert f"for example '{cure}'." in refusal(name, "--directory", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    startfeed(cure, "--directory", str(tmp_path))


@pytest.mark.parametrize("name", ["json", "django"])
def test_a_name_that_would_hide_a_module_is_refused(tmp_path, name):
    assert "would hide" in refusal(name, "--directory", str(tmp_path))


def test_an_unknown_app_is_refused(tmp_path):
    assert "did you mean 'shop'?" in refusal("acme", "--app", "shp")


def test_a_missing_directory_is_refused(tmp_path):
    assert "make it first" in refusal("acme", "--directory", str(tmp_path / "nowhere"))


def test_a_directory_that_cannot_be_written_to_fails(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError):
        startfeed("acme", "--directory", str(tmp_path / "file"))
