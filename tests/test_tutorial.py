"""The tutorial, followed to the letter in a new project."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs/tutorial/first-sync.md").read_text()
FINISHED_WITH_REJECTS = 3


def block(language: str, containing: str) -> str:
    """The tutorial's code block with that text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if containing in block)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial")
    run("-m", "django", "startproject", "shop", ".", cwd=folder)
    (folder / "products.jsonl").write_text(block("jsonl", "TEA-1"))
    for module, text in (("settings", "INSTALLED_APPS"), ("urls", "urlpatterns")):
        with (folder / "shop" / f"{module}.py").open("a") as file:
            file.write(block("python", text))
    run("manage.py", "migrate", "--verbosity", "0", cwd=folder)
    return folder


def run(*arguments: str, cwd: Path, code: int = 0) -> str:
    """What Python prints for these arguments; it must end with ``code``."""
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, text=True, capture_output=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def counts(project: Path, *arguments: str, code: int = 0) -> dict[str, int]:
    output = run(
        "manage.py", "ecommerce_sync", *arguments, "--format", "json", cwd=project, code=code
    )
    (result,) = json.loads(output)
    return {name: count for name, count in result["streams"]["products"].items() if count}


def test_tutorial(project):
    both = {"read": 2, "created": 1, "rejected": 1}
    assert counts(project, "run", "stock", "--dry-run", code=FINISHED_WITH_REJECTS) == both
    assert counts(project, "run", "stock", code=FINISHED_WITH_REJECTS) == both
    issues = run("manage.py", "ecommerce_sync", "issues", "2", cwd=project)
    assert "price" in issues
    assert "on request" in issues
    feed = project / "products.jsonl"
    feed.write_text(feed.read_text().replace("on request", "12.00"))
    assert counts(project, "retry", "2")["created"] == 1
    assert counts(project, "run", "stock") == {"read": 2, "unchanged": 2}
