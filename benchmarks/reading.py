#!/usr/bin/env python
"""How fast feeds are read and mapped, and in how much memory: no database, no network.

    python benchmarks/reading.py --rows 100000 --runs 3
    python benchmarks/reading.py --rows 1000000 --runs 1 --csv reading.csv
    python benchmarks/reading.py --peers FOLDER

Each measurement is a process of its own; formats take turns within a run. ``bare`` is the floor:
a loop that decodes JSON Lines with msgspec and does nothing else. ``peer`` is the generator
``checked(stem)`` of a ``writers.py`` in another folder, on the same JSON Lines.
"""

import argparse
import csv
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

FORMATS = ("bare", "jsonl", "json", "csv", "xml")
FIELDS = {
    "sku": "sku",
    "name": "name",
    "description": "description",
    "price": "price",
    "currency": "currency",
    "inventory_count": "stock",
    "brand": "brand",
    "category": "category",
    "image_url": "image_url",
    "gtin": "gtin",
}
WORDS = "canvas compact foldable classic linen brushed kitchen everyday premium wool oak".split()


def main() -> int:
    options = arguments()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return 0
    names = [*FORMATS, "peer"] if options.peers else FORMATS
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        write_feeds(Path(folder), options.rows)
        results = [
            {"format": name, "run": run, **in_process(name, folder, options.peers)}
            for run in range(options.runs)
            for name in names
        ]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, results[0])
            writer.writeheader()
            writer.writerows(results)
    print_table(results, names)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--csv", help="where to write every measurement")
    parser.add_argument("--peers", default="", help="the folder of a writers.py to compare with")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def product(number: int) -> dict[str, object]:
    """A product of some 600 bytes; the same number gives the same product."""
    words = [WORDS[(number * 7 + step * step) % len(WORDS)] for step in range(30)]
    return {
        "sku": f"BRI-{number:010}",
        "name": f"{words[0]} {words[1]} {words[2]} {number % 5000} g".title(),
        "description": f"{' '.join(words)}.",
        "price": f"{number % 90000 / 100 + 1:.2f}",
        "currency": "EUR",
        "stock": number % 500,
        "brand": f"Brand {number % 97}",
        "category": f"{words[3]} > {words[4]} > {words[5]}".title(),
        "image_url": f"https://cdn.example.com/media/products/{number:010}/main-1200x1200.jpg",
        "gtin": f"{4_000_000_000_000 + number}",
        "updated_at": f"2026-01-{number % 28 + 1:02}T08:05:00Z",
    }


def write_feeds(folder: Path, rows: int) -> None:
    """The same products in every format."""
    with (
        open(folder / "feed.jsonl", "wb") as jsonl,
        open(folder / "feed.json", "wb") as array,
        open(folder / "feed.csv", "w", newline="", encoding="utf-8") as table,
        open(folder / "feed.xml", "w", encoding="utf-8") as xml,
    ):
        writer = csv.DictWriter(table, list(product(0)))
        writer.writeheader()
        array.write(b"[")
        xml.write("<rss><channel>")
        for number in range(rows):
            row = product(number)
            line = msgspec.json.encode(row)
            jsonl.write(line + b"\n")
            array.write(b",\n" * bool(number) + line)
            writer.writerow(row)
            cells = "".join(f"<{name}>{escape(str(cell))}</{name}>" for name, cell in row.items())
            xml.write(f"<item>{cells}</item>\n")
        array.write(b"]")
        xml.write("</channel></rss>")


def in_process(name: str, folder: str, peers: str) -> dict[str, float]:
    """One measurement, in a process that has done nothing else."""
    command = [sys.executable, __file__, "--child", name, folder, peers]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(name: str, folder: str, peers: str) -> dict[str, float]:
    """Read and map a feed: rows, rows/s, microseconds of processor time a row, peak MB."""
    if name == "peer":
        records = peer(peers, f"{folder}/feed")
    elif name == "bare":
        records = bare(f"{folder}/feed.jsonl")
    else:
        records = mapped(name, f"{folder}/feed.{name}")
    began, worked = time.perf_counter(), time.process_time()
    rows = sum(1 for _ in records)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "cpu_us_per_row": round(work / rows * 1e6, 2),
        "peak_mb": round(peak, 1),
    }


def bare(path: str) -> Iterator[object]:
    return map(msgspec.json.Decoder().decode, open(path, "rb"))


def peer(folder: str, stem: str) -> Iterator[object]:
    sys.path.insert(0, folder)
    return importlib.import_module("writers").checked(stem)


def mapped(name: str, path: str) -> Iterator[object]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django

    django.setup()
    from django_ecommerce_sync import feeds

    classes = {
        "jsonl": feeds.JSONLinesFeed,
        "json": feeds.JSONFeed,
        "csv": feeds.CSVFeed,
        "xml": feeds.XMLFeed,
    }
    feed = classes[name](url=path, stream="products", fields=FIELDS)
    stream = feed.streams[0]
    rows = (row for page in feed.fetch(stream, None) for row in page.rows)
    return map(stream.map, rows)


def print_table(results: list[dict[str, float]], names: Sequence[str]) -> None:
    """The medians of each format."""
    print(f"{'format':8} {'rows/s':>10} {'CPU µs/row':>11} {'peak MB':>8}")
    for name in names:
        mine = [result for result in results if result["format"] == name]
        rate, work, peak = (
            statistics.median(result[key] for result in mine)
            for key in ("rows_per_second", "cpu_us_per_row", "peak_mb")
        )
        print(f"{name:8} {rate:>10,.0f} {work:>11.2f} {peak:>8.1f}")


if __name__ == "__main__":
    sys.exit(main())
