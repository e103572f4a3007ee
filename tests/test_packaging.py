"""The built wheel, in a bare project that follows the README to the letter."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "example_project"))

from demo.server import CatalogueServer  # noqa: E402

pytestmark = pytest.mark.slow

#: What a test needs beyond the README: its feed is on this machine.
LOCAL_FEED = """
ECOMMERCE_SYNC["FEEDS"]["shop"]["OPTIONS"].update(base_url="{url}", allow_private_addresses=True)
"""
GET_PAGES = """
import os
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()
from django.test import Client
client = Client(HTTP_HOST="localhost")
for path in ("/swagger/", "/api/schema/", "/api/products/"):
    print(path, client.get(path).status_code)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", target, ROOT)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory) -> "Project":
    """``django-admin startproject`` in a clean environment, plus the README's snippets."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", folder / "venv")
    scripts = folder / "venv" / "bin"
    run(scripts / "python", "-m", "pip", "install", "--quiet", wheel)
    run(scripts / "django-admin", "startproject", "shop", folder)
    project = Project(folder, scripts / "python")
    project.append("settings.py", snippet("settings"))
    project.append("urls.py", snippet("urls"))
    return project


class Project:
    """A Django project in a folder with its own interpreter."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self.python = python

    def append(self, module: str, text: str) -> None:
        with (self.folder / "shop" / module).open("a") as file:
            file.write(text)

    def manage(self, *arguments: str) -> str:
        return run(self.python, "manage.py", *arguments, cwd=self.folder)


def run(*command, cwd: Path | None = None) -> str:
    """What the command prints; its complaints if it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean(), text=True, capture_output=True
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def clean() -> dict[str, str]:
    """The environment without what the tests of this repository have put there."""
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in ours}


def snippet(name: str) -> str:
    """The README's code block under ``<!-- snippet: name -->``."""
    pattern = rf"<!-- snippet: {name} -->\n```\w+\n(.*?)```"
    found = re.search(pattern, (ROOT / "README.md").read_text(), re.DOTALL)
    assert found, f"README.md has no snippet '{name}'"
    return found[1]


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"django_ecommerce_sync"}
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_wheel_holds_every_file_of_the_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "django_ecommerce_sync"
    tracked = run("git", "ls-files", package, cwd=ROOT).split() if (ROOT / ".git").exists() else []
    assert {name for name in tracked if (ROOT / name).exists()} <= names
    for needed in ("py.typed", "migrations/0001_initial.py", "templates/", "static/"):
        assert any(name.startswith(f"django_ecommerce_sync/{needed}") for name in names), needed


def test_readme_snippets_make_a_bare_project_sync(project):
    with CatalogueServer() as server:
        project.append("settings.py", LOCAL_FEED.format(url=server.url))
        project.manage("migrate", "--verbosity", "0")
        project.manage("check", "--fail-level", "WARNING")
        (result,) = json.loads(
            project.manage(
                "ecommerce_sync", "run", "shop", "--format", "json", "--fail-on", "never"
            )
        )
    assert result["status"] == "partial"
    assert result["streams"]["products"]["read"] == len(server.rows["products"])
    assert result["streams"]["orders"]["created"] > 0


def test_bare_project_serves_swagger_and_the_schema(project):
    command = (
        "-c",
        f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n{GET_PAGES}",
    )
    pages = run(project.python, *command, cwd=project.folder)
    assert dict(line.split() for line in pages.splitlines()) == {
        "/swagger/": "200",
        "/api/schema/": "200",
        "/api/products/": "401",
    }
