"""The tutorial of a feed of one's own, followed to the letter from where the first one ends."""

import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.test_tutorial import block as first_block
from tests.test_tutorial import counts, run

PAGE = (Path(__file__).resolve().parent.parent / "docs/tutorial/your-own-feed.md").read_text()
PORT = "8765"
TESTS_FAILED = 1


def blocks(language: str) -> list[str]:
    """The tutorial's code blocks in that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def block(language: str, containing: str) -> str:
    """The one with that text in it."""
    (found,) = (text for text in blocks(language) if containing in text)
    return found


def commands() -> list[list[str]]:
    """What the tutorial has its reader type, without the prompt, as argument lists."""
    lines = "".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ").split() for line in lines]


@pytest.fixture(scope="module")
def port() -> str:
    """One that nobody listens at, in place of the tutorial's."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return str(taken.getsockname()[1])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project as the first tutorial leaves it, but for its feed's file."""
    folder = tmp_path_factory.mktemp("own")
    run("-m", "django", "startproject", "shop", ".", cwd=folder)
    for module, text in (("settings", "INSTALLED_APPS"), ("urls", "urlpatterns")):
        with (folder / "shop" / f"{module}.py").open("a") as file:
            file.write(first_block("python", text))
    run("manage.py", "migrate", "--verbosity", "0", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def source(project, port):
    """The tutorial's source, served as it says."""
    (project / "source").mkdir()
    (project / "source" / "products.json").write_text(block("json", "TEA-1"))
    (command,) = (words for words in commands() if "http.server" in words)
    command = [sys.executable, *command[1:]]
    command[command.index(PORT)] = port
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await_server(int(port))
    yield
    process.terminate()
    process.wait()


def await_server(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError("The tutorial's source does not come up.")


def contract(project: Path, code: int = 0) -> str:
    """What the contract says, by the command of the tutorial."""
    (command,) = {tuple(words) for words in commands() if words[1:3] == ["-m", "pytest"]}
    return run(*command[1:], "-q", "-rf", "-p", "no:cacheprovider", cwd=project, code=code)


def failed(output: str) -> list[str]:
    return re.findall(r"^FAILED .*::(\w+)", output, re.MULTILINE)


@pytest.mark.slow
def test_tutorial(project, source, port):
    (start,) = (words for words in commands() if "startfeed" in words)
    run(*start[1:], cwd=project)
    written = (project / "acme" / "test_feed.py").read_text()
    declared = block("python", "class TestAcmeFeed").partition("class ")[2]
    assert "".join(declared.split()) in "".join(re.sub(r" *#.*", "", written).split())
    assert failed(contract(project)) == []

    (copy,) = (words for words in commands() if words[0] == "cp")
    shutil.copy(project / copy[1], project / copy[2])
    assert failed(contract(project, code=TESTS_FAILED)) == ["test_a_healthy_source_can_be_read"]

    feed = block("python", "class AcmeFeed").replace(PORT, port)
    (project / "acme" / "feed.py").write_text(feed)
    said = contract(project, code=TESTS_FAILED)
    assert failed(said) == ["test_every_record_maps"]
    assert blocks("text")[0] in said

    function = block("python", "def retail_price")
    (line,) = re.findall(r'`("price": Money.*)`', PAGE)
    feed = feed.replace("class AcmeFeed", f"{function}\n\nclass AcmeFeed")
    feed = re.sub(r'"price": Money.*', line, feed)
    (project / "acme" / "feed.py").write_text(feed)
    assert failed(contract(project)) == []

    with (project / "shop" / "settings.py").open("a") as file:
        file.write(block("python", '["acme"]'))
    (probe,) = (words for words in commands() if "--test" in words)
    assert "price=39.0000" in run(*probe[1:], cwd=project)
    runs = [words for words in commands() if words[2:4] == ["ecommerce_sync", "run"]]
    first, second = (counts(project, *words[3:]) for words in runs)
    assert first == {"read": 3, "created": 3}
    assert second.get("created", 0) + second.get("updated", 0) == 0
