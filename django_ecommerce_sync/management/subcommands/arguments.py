"""How arguments are read; what cannot be read is a usage error."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime

from ...exceptions import ConfigurationError
from ...tasks import parse_since


def since(text: str) -> datetime:
    """A date, a time or a span into the past, as a moment."""
    try:
        return parse_since(text)
    except (ConfigurationError, ValueError):
        raise ArgumentTypeError(
            f"'{text}' is no moment; write for example 2026-11-01, 2026-11-01T08:30, 2d or 6h."
        ) from None


def positive(text: str) -> int:
    """A whole number above zero."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"'{text}' is no whole number above zero.")
    return int(text)


def add_run(parser: ArgumentParser) -> None:
    """The number of a run."""
    parser.add_argument("run", metavar="RUN", type=positive, help="The number of a run.")


def add_execution(parser: ArgumentParser) -> None:
    """How a run is carried out and told."""
    parser.add_argument(
        "--background",
        action="store_true",
        help="Hand the run to the configured runner and return at once.",
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "reject", "never"),
        default="error",
        help="error: rejected rows exit with 3; reject: they count as a failure and exit with 1; "
        "never: exit with 0 whatever the feeds did (wrong arguments still exit with 2).",
    )
    parser.add_argument("--no-progress", action="store_true", help="Draw no progress bar.")
