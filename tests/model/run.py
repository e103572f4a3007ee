#!/usr/bin/env python
"""Long histories against the plain model, on SQLite and on MariaDB. ``make model`` calls it.

    python -m tests.model.run                      1,000 histories of each world, on each
    python -m tests.model.run --examples 50 --seed 7
    python -m tests.model.run -k times             further arguments go to pytest

Without a seed each call looks at other histories; a failure names the one that finds it again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.run import ROOT, mariadb_url, without_mariadb


def main() -> int:
    """Test on each database there is; a failure of one does not spare the next."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=1000, help="histories of each world")
    parser.add_argument("--seed", type=int, help="for the same histories again")
    options, more = parser.parse_known_args()
    gap = without_mariadb()
    databases = {"SQLite": "sqlite://:memory:"} | ({} if gap else {"MariaDB": mariadb_url()})
    seed = [] if options.seed is None else [f"--hypothesis-seed={options.seed}"]
    codes = []
    for name, url in databases.items():
        print(f"== {name}: {options.examples} histories of each world", flush=True)
        command = [sys.executable, "-m", "pytest", "--durations", "0", "tests/model", *seed, *more]
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "HYPOTHESIS_PROFILE": "long",
            "HYPOTHESIS_EXAMPLES": str(options.examples),
        }
        codes.append(subprocess.run(command, cwd=ROOT, env=environment).returncode)
    if gap:
        print(f"MariaDB left out: {gap}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
