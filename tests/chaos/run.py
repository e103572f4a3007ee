#!/usr/bin/env python
"""The fault matrix, or a storm. ``make chaos`` calls it.

    python tests/chaos/run.py                  every row of the matrix
    python tests/chaos/run.py --short          the rows that matter most, for CI
    python tests/chaos/run.py --storm 200      random kills, until 200 processes have been killed
    python tests/chaos/run.py -k f14           further arguments go to pytest

``REQUIRE_SERVICES=1`` makes it a failure where MariaDB or Redis are not installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: One row for each safeguard: the lock, the fence, hand-over, the cursor, the broker, the slot.
SHORT = "f01 or f05 or f09 or f14 or f25 or f27 or f36"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="only the rows that matter most")
    parser.add_argument("--storm", type=int, metavar="KILLS", help="random kills instead")
    parser.add_argument("--seed", type=int, default=1, help="of the storm")
    options, more = parser.parse_known_args()
    if find_spec("MySQLdb") is None:
        print("left out: mysqlclient is not installed (make services brings what it needs)")
        return 1 if os.environ.get("REQUIRE_SERVICES") == "1" else 0
    if options.storm:
        command = ["tests.chaos.storm", "--kills", str(options.storm), "--seed", str(options.seed)]
    else:
        chosen = ["-k", SHORT] if options.short else []
        command = ["pytest", "-m", "chaos", "--durations", "5", "tests/chaos", *chosen]
    return subprocess.run([sys.executable, "-m", *command, *more], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
