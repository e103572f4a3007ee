"""One stack for the session; each test finds it empty and undisturbed."""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("MySQLdb"):
    from .servers import MISSING
    from .world import ROOT, World
else:  # these tests cannot even be read
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.chaos)
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=f"not here: {', '.join(MISSING)}"))


@pytest.fixture(scope="session")
def stack():
    """The servers and a web process; their logs stay where a test failed."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=os.environ.get("CHAOS_FOLDER")))
    world = World(folder, package=Path(os.environ.get("CHAOS_PACKAGE", ROOT)))
    world.failed = False
    try:
        world.log_in()
        yield world
    finally:
        world.close()
        if world.failed:
            print(f"\nThe logs are in {folder}")
        else:
            shutil.rmtree(folder)


@pytest.fixture
def world(stack, request):
    """The stack, empty."""
    stack.reset()
    for log in stack.folder.glob("*.log"):
        with log.open("a") as file:
            file.write(f"\n==== {request.node.name}\n")
    yield stack
    failed = getattr(request.node, "failed", False)
    stack.failed |= failed
    if failed:
        shutil.copytree(
            stack.folder,
            stack.folder / "failed" / request.node.name.replace("/", "-"),
            ignore=lambda folder, names: [n for n in names if not n.endswith(".log")],
            dirs_exist_ok=True,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.failed = True
    return report
