"""``startfeed``: the beginnings of a feed class, with a test and samples."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

from django.apps import apps
from django.core.management.base import CommandError

from ...feeds.source import did_you_mean
from .base import Options, Subcommand, usage_error
from .console import Console
from .outcomes import OK

SCAFFOLD = Path(__file__).resolve().parent.parent / "scaffold"
KINDS = {
    "http": "an API with pages of JSON",
    "json": "a JSON document",
    "csv": "a CSV or TSV file",
    "xml": "an XML document",
    "custom": "anything else, by a fetch method of your own",
}
_SUFFIX = "-tpl"
#: As long as the column that keeps a feed's alias.
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class NewFeed:
    """A feed about to be written: what it is called and where it goes."""

    name: str
    kind: str
    folder: Path
    #: The dotted path of the package that ``folder`` becomes.
    package: str

    @property
    def class_name(self) -> str:
        """``acme_shop`` as ``AcmeShopFeed``."""
        return "".join(part.capitalize() for part in self.name.split("_")) + "Feed"

    @property
    def backend(self) -> str:
        """What the settings call it."""
        return f"{self.package}.feed.{self.class_name}"

    @property
    def variable(self) -> str:
        """The environment variable of its secret."""
        return f"{self.name.upper()}_TOKEN"

    @property
    def options(self) -> dict[str, str]:
        """What it needs under ``OPTIONS``."""
        return {"path": f"/path/to/{self.name}.json"} if self.kind == "custom" else {}

    @property
    def names(self) -> dict[str, str]:
        """What the templates fill in."""
        (sample,) = (name for name in self.templates if name.startswith("products."))
        return {
            "title": self.name.replace("_", " ").capitalize(),
            "class_name": self.class_name,
            "host": self.name.replace("_", "-"),
            "variable": self.variable,
            "sample": sample,
        }

    @property
    def templates(self) -> dict[str, Path]:
        """Its files by name; the kind's own replace the common ones."""
        found = [*(SCAFFOLD / "common").iterdir(), *(SCAFFOLD / self.kind).iterdir()]
        return {path.name.removesuffix(_SUFFIX): path for path in found}

    def write(self) -> list[Path]:
        """Make the folder and the files in it; nothing is ever overwritten."""
        try:
            self.folder.mkdir()
        except OSError as error:
            raise CommandError(f"{self.folder} cannot be made: {error.strerror}.") from error
        names, written = self.names, []
        for name, template in sorted(self.templates.items()):
            text = Template(template.read_text(encoding="utf-8")).substitute(names)
            path = self.folder / name
            path.write_text(text, encoding="utf-8")
            written.append(path)
        return written


class StartFeed(Subcommand):
    name = "startfeed"
    help = "Write the beginnings of a feed of your own: its class, a test and samples."
    checked = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="What the settings are to call the feed.")
        kinds = ", ".join(f"{kind}: {what}" for kind, what in KINDS.items())
        parser.add_argument(
            "--kind", choices=tuple(KINDS), default="http", help=f"What it reads; {kinds}."
        )
        place = parser.add_mutually_exclusive_group()
        place.add_argument("--app", metavar="APP", help="Put it into this app of the project.")
        place.add_argument(
            "--directory", metavar="DIR", help="Put it into this directory; by default this one."
        )

    def handle(self, console: Console, options: Options) -> int:
        parent = place_of(options["app"], options["directory"])
        feed = new_feed(sound(options["name"]), options["kind"], parent)
        files = [os.path.relpath(path) for path in feed.write()]
        if options["format"] == "json":
            console.document(as_document(feed, files))
        else:
            tell(console, feed, files)
        return OK


def sound(name: str) -> str:
    """The same name, once it is sure that a package can be called so."""
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) and not iskeyword(name) and len(name) <= _MAX_NAME:
        return name
    cure = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[: _MAX_NAME - 5]
    if not cure or not cure[0].isalpha() or iskeyword(cure):
        cure = f"feed_{cure}".rstrip("_")
    raise usage_error(
        f"'{name}' can be no package: use small letters, digits and _, for example '{cure}'."
    )


def place_of(app: str | None, directory: str | None) -> Path:
    """The folder in which the feed's own folder is made."""
    if app:
        configs = {config.label: config for config in apps.get_app_configs()}
        if app not in configs:
            raise usage_error(f"The project has no app '{app}'{did_you_mean(app, configs)}")
        return Path(configs[app].path)
    place = Path(directory or ".")
    if not place.is_dir():
        raise usage_error(f"There is no directory {place}; make it first.")
    return place.resolve()


def new_feed(name: str, kind: str, parent: Path) -> NewFeed:
    """The feed, once it is sure that nothing stands in its way."""
    folder = parent / name
    if folder.exists():
        raise usage_error(
            f"{os.path.relpath(folder)} exists already, and nothing is overwritten: choose "
            "another name, or remove it first."
        )
    above = package_of(parent)
    if not above and find_spec(name) is not None:
        raise usage_error(
            f"There is a module '{name}' already, which this one would hide: choose another name, "
            "or put the feed into an app with --app."
        )
    return NewFeed(name, kind, folder, f"{above}.{name}" if above else name)


def package_of(folder: Path) -> str:
    """The dotted path of the package that a folder is, "" if it is none."""
    parts: list[str] = []
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def as_document(feed: NewFeed, files: list[str]) -> dict[str, object]:
    """What was written, and the entry for the settings, as scripts read it."""
    entry = {"BACKEND": feed.backend, **({"OPTIONS": feed.options} if feed.options else {})}
    return {"feed": feed.name, "kind": feed.kind, "files": files, "settings": {feed.name: entry}}


def tell(console: Console, feed: NewFeed, files: list[str]) -> None:
    """What was written, and what comes next."""
    for path in files:
        console.line(f"{console.style.SUCCESS('✓')} {path}")
    options = f', "OPTIONS": {feed.options}'.replace("'", '"') if feed.options else ""
    tests = os.path.relpath(feed.folder)
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    steps = [
        "",
        "Its test passes as it stands (it needs pytest and pytest-django):",
        f"  python -m pytest --ds={module} {tests}",
        "",
        f"Put some records of the real source into {os.path.join(tests, feed.names['sample'])}, "
        "and change feed.py until the test passes again.",
        "",
        "Then name the feed in the settings, in ECOMMERCE_SYNC['FEEDS']:",
        f'  "{feed.name}": {{"BACKEND": "{feed.backend}"{options}}},',
        "",
    ]
    if feed.kind == "http":
        steps += [f"put its token into the environment as {feed.variable}, and try it:"]
    else:
        steps += ["and try it:"]
    steps += [f"  python manage.py ecommerce_sync feeds {feed.name} --test"]
    for step in steps:
        console.line(step)
