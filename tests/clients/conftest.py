"""The document, a demo to speak to, and the tools that make clients; what is missing is said."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import openapi
from tests.serving import demo_shop

HERE = Path(__file__).resolve().parent


def run(*command, **options):
    """Run a tool to its end; what it says is shown if it fails."""
    done = subprocess.run(command, text=True, capture_output=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def missing(what):
    """Skip, or fail where everything must be there."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"Missing: {what}")
    pytest.skip(f"Missing: {what}")


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    with demo_shop(tmp_path_factory.mktemp("shop") / "demo.sqlite3") as shop:
        yield shop


@pytest.fixture(scope="session")
def document():
    """The file in docs/, which another test keeps up to date."""
    return openapi.PATH


@pytest.fixture(scope="session")
def generator():
    if not find_spec("openapi_python_client"):
        missing("openapi-python-client (make clients installs it)")
    return Path(sys.executable).with_name("openapi-python-client")


@pytest.fixture(scope="session")
def node_modules():
    """The packages of package.json beside this file, exactly as locked."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("Node 20 or newer, with npm")
    installed, locked = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
        try:
            run(npm, "ci", cwd=HERE)
        except AssertionError as error:
            missing(f"the packages of {HERE.name}/package.json\n{error}")
    return HERE / "node_modules"
