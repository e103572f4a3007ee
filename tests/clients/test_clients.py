"""Clients generated from ``docs/openapi.yaml``: they compile, and do a day's work on the demo."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import HERE, run

pytestmark = pytest.mark.clients

PYTHON_STEPS = (
    "read_lists change_products send_many sell bring_up_to_date export meet_errors sign_out"
)
TYPESCRIPT_STEPS = (
    "readLists changeProducts sendMany sell bringUpToDate exportRows meetErrors signOut"
)


def steps(output):
    return re.findall(r"^ok (\w+)$", output, re.MULTILINE)


@pytest.fixture(scope="module")
def shop_client(generator, document, tmp_path_factory):
    """A folder with the generated package; the only thing left out is what it cannot do."""
    folder = tmp_path_factory.mktemp("python")
    target = folder / "shop_client"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = (generator, "generate", "--path", document, "--output-path", target, "--meta", "none")
    said = run(*command, env={**os.environ, "PATH": path})
    warnings = re.findall(r"^WARNING parsing (\S+ \S+)", said, re.MULTILINE)
    reasons = re.findall(r"^Unsupported content type (.+)$", said, re.MULTILINE)
    bulk = [f"POST /api/{name}/bulk/" for name in ("products", "customers", "orders")]
    assert (sorted(warnings), set(reasons)) == (sorted(bulk), {"application/x-ndjson"}), said
    return folder


def test_every_module_of_the_python_client_can_be_imported(shop_client):
    run(sys.executable, "-W", "error", "-m", "compileall", "-q", shop_client)
    code = (
        "import pkgutil, importlib, shop_client; "
        "found = [importlib.import_module(m.name) for m in "
        "pkgutil.walk_packages(shop_client.__path__, 'shop_client.')]; print(len(found))"
    )
    assert int(run(sys.executable, "-c", code, cwd=shop_client)) > 100


def test_the_python_client_has_the_types_it_says(shop_client):
    environment = {**os.environ, "MYPYPATH": str(shop_client)}
    flags = ("--config-file", "", "--cache-dir", shop_client / ".mypy", "--follow-imports=silent")
    run(sys.executable, "-m", "mypy", "--strict", *flags, HERE / "scenario.py", env=environment)


def test_a_day_with_the_python_client(shop_client, shop):
    environment = {**os.environ, "PYTHONPATH": str(shop_client)}
    output = run(sys.executable, HERE / "scenario.py", *shop, env=environment)
    assert steps(output) == PYTHON_STEPS.split()


@pytest.fixture(scope="module")
def typescript(node_modules, document, tmp_path_factory):
    """A folder with the scenario, the generated types and the compiled scenario."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("scenario.ts", "tsconfig.json", "package.json"):
        shutil.copy(HERE / name, folder)
    (folder / "node_modules").symlink_to(node_modules)
    tools = node_modules / ".bin"
    run(
        tools / "openapi-typescript",
        document,
        "--default-non-nullable=false",
        "--output",
        folder / "schema.d.ts",
    )
    run(tools / "tsc", "--project", folder)
    return folder


def test_a_day_with_the_typescript_client(typescript, shop):
    output = run("node", typescript / "scenario.js", *shop)
    assert steps(output) == TYPESCRIPT_STEPS.split()
