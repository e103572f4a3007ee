#!/usr/bin/env python
"""What the schema promises, against the running server, by Schemathesis. ``make schemathesis``.

    python -m tests.live.conformance                        a short form, without coverage
    python -m tests.live.conformance --seeds 1 2 3 -n 100
    python -m tests.live.conformance --seeds 1 -- --include-path /api/orders/

Every check there is, stateful scenarios too; ``--phases examples,coverage,fuzzing,stateful`` also
walks all borders of all values. Arguments after ``--`` go to Schemathesis.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import requests

from ..run import load_services, mariadb_url
from .server import Server, serving

#: Schemathesis's checks that hooks.py asks, for it knows more.
ASKED_BY_HOOKS = ("positive_data_acceptance", "negative_data_rejection")
CONFIG = Path(__file__).with_name("schemathesis.toml")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one run for each")
    parser.add_argument("-n", "--max-examples", type=int, default=2, help="for each operation")
    parser.add_argument("--phases", default="examples,fuzzing,stateful")
    options, more = parser.parse_known_args()
    load_services()
    os.environ.setdefault("DATABASE_URL", mariadb_url())
    worst = 0
    for seed in options.seeds:
        with serving() as server:
            command = [
                *("--phases", options.phases, "--max-examples", str(options.max_examples)),
                *("--seed", str(seed), *(argument for argument in more if argument != "--")),
            ]
            if code := run(server, command):
                print(server.log.read_text(errors="replace")[-4000:], file=sys.stderr)
            worst = max(worst, code)
    return worst


def run(server: Server, arguments: list[str]) -> int:
    """Schemathesis's exit code: 0 where every answer was as the schema says."""
    document = server.log.with_name("openapi.json")  # building it takes longer than is waited for
    document.write_bytes(requests.get(f"{server.url}/api/schema/", timeout=120).content)
    command = [
        *("schemathesis", "--config-file", str(CONFIG), "run", str(document)),
        *("--url", server.url),
        *("--header", f"Authorization: Bearer {server.token}"),
        *("--checks", "all", "--exclude-checks", ",".join(ASKED_BY_HOOKS)),
        *("--continue-on-failure", "--generation-database", "none"),
        *("--request-timeout", "30", "--warnings", "off", "--no-color"),
    ]
    return subprocess.run([*command, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main())
