"""``manage.py ecommerce_sync``: the door; each subcommand has its place in ``subcommands``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ..subcommands import SUBCOMMANDS
from ..subcommands.base import Subcommand
from ..subcommands.console import Console

EXIT_CODES = """\
exit codes:
  0  all went well
  1  failed
  2  wrong arguments
  3  finished, but some rows were rejected
  4  the feed is already queued or running
  5  a source cannot be reached, or does not let us in
Of several feeds the worst counts, in the order 1, 5, 4, 3, 0.
"""


#: What shells expect of a process that Ctrl-C has ended.
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Sync feeds, and look at how that went."
    subcommands = {subcommand.name: subcommand for subcommand in SUBCOMMANDS}

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = EXIT_CODES
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        choices = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        for subcommand in self.subcommands.values():
            declare(choices.add_parser(subcommand.name, help=subcommand.help), subcommand)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """A subcommand that looks for what is wrong must also run where something is."""
        if not self.subcommands[options["subcommand"]].checked:
            options["skip_checks"] = True
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit like a process that scripts and cron can judge; 0 just returns."""
        console = Console(self, colour=options["force_color"] or None)
        try:
            code = self.subcommands[options["subcommand"]].handle(console, options)
        except KeyboardInterrupt:
            console.note("Interrupted.")
            code = INTERRUPTED
        if code:
            sys.exit(code)


def declare(parser: argparse.ArgumentParser, subcommand: Subcommand) -> None:
    """The arguments of a subcommand; Django's own are understood after its name too."""
    parser.description = subcommand.help
    parser.formatter_class = argparse.HelpFormatter
    subcommand.add_arguments(parser)
    parser.add_argument(
        "--format",
        choices=subcommand.formats,
        default=subcommand.formats[0],
        help="json: one document on standard output; all else goes to standard error.",
    )
    hidden: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, **hidden)
    for name in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parser.add_argument(name, action="store_true", **hidden)
    parser.add_argument("-v", "--verbosity", type=int, choices=range(4), **hidden)
