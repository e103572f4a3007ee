#!/usr/bin/env python
"""Fuzz one target until time is up or an input breaks it; started by ``run.py``.

    python fuzz/child.py json CORPUS -max_total_time=60
    python fuzz/child.py json crashes/json/crash-…       once, with that input

All but the first argument is libFuzzer's.
"""

import sys

import atheris
from django.conf import settings

settings.configure()

with atheris.instrument_imports(include=["django_ecommerce_sync.feeds", "openpyxl", "requests"]):
    from targets import TARGETS, limits


def main() -> None:
    name = sys.argv.pop(1)
    limits.shrink()
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
