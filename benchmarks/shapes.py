#!/usr/bin/env python
"""What a feed's format, its faults and its kind of records cost.

    python benchmarks/shapes.py --rows 100000 --runs 3
    python benchmarks/shapes.py --database mysql://user:secret@127.0.0.1/bench --csv shapes.csv

The database is used up: its tables are emptied before each measurement. Products come as JSON
Lines, a JSON array, CSV and XML, and as JSON Lines of which one percent cannot be used and two
percent come once more: their limit is the rate of clean JSON Lines. Customers, and orders of three
lines each, are measured beside the ``update_or_create`` loop a project would write for them, which
meets only ``--slow`` records. Each is loaded and then met unchanged, in a process of its own.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
from reading import FIELDS, product, write_feeds
from syncing import prepare

SCENARIOS = ("first", "unchanged")
#: What each case is compared with; the loops meet fewer records.
AGAINST = {
    "json": "jsonl",
    "csv": "jsonl",
    "xml": "jsonl",
    "dirty": "jsonl",
    "customers": "customers, loop",
    "orders": "orders, loop",
}
LOOPS = frozenset({"customers, loop", "orders, loop"})
CASES = ("jsonl", "json", "csv", "xml", "dirty", "customers", "customers, loop", "orders")
CASES = (*CASES, "orders, loop")


def main() -> int:
    options = arguments()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for rows in {options.rows, options.slow}:
            write_all(Path(folder) / str(rows), rows)
        database = options.database or f"sqlite:///{folder}/bench.sqlite3"
        results = [
            {"case": case, "run": run, **result}
            for run in range(options.runs)
            for case in options.only
            for result in in_process(case, folder, database, options)
        ]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, results[0])
            writer.writeheader()
            writer.writerows(results)
    print_table(results, options.only)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--slow", type=int, default=500, help="records for the loops")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--database", default="", help="a DATABASE_URL; SQLite by default")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, metavar="CASE")
    parser.add_argument("--csv", help="where to write every measurement")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


# -- feeds ---------------------------------------------------------------------------------------


def write_all(folder: Path, rows: int) -> None:
    """Products in every format and with faults, customers, and orders of some of those products."""
    folder.mkdir()
    write_feeds(folder, rows)
    write_lines(folder / "feed.dirty", dirty(rows))
    write_lines(folder / "feed.customers", map(customer, range(rows)))
    write_lines(folder / "feed.orders", map(order, range(rows)))
    write_lines(folder / "feed.ordered", map(product, range(ORDERED)))


def write_lines(path: Path, rows: Iterator[object]) -> None:
    with open(path, "wb") as file:
        for row in rows:
            file.write((row if isinstance(row, bytes) else msgspec.json.encode(row)) + b"\n")


def dirty(rows: int) -> Iterator[object]:
    """Of a hundred products one has no price that could be stored; two of the last fifty repeat."""
    for number in range(rows):
        row = product(number)
        yield {**row, "price": "a lot"} if number % 100 == 13 else row
        if number % 50 == 49:
            yield product(number - 30)


def customer(number: int) -> dict[str, object]:
    return {
        "id": number + 1,
        "email": f"customer.{number}@example.com",
        "first": f"First {number % 997}",
        "last": f"Last {number % 4999}",
        "phone": f"+49 30 {number:08}",
        "company": f"Company {number % 313}",
    }


#: Products that are ordered.
ORDERED = 1_000


def order(number: int) -> dict[str, object]:
    picked = [product((number * 3 + line) % ORDERED) for line in range(3)]
    lines = [
        {"sku": one["sku"], "name": one["name"], "price": one["price"], "quantity": at}
        for at, one in enumerate(picked, 1)
    ]
    return {
        "id": f"A-{number:08}",
        "date": f"2026-01-{number % 28 + 1:02}T08:05:00Z",
        "email": f"customer.{number}@example.com",
        "currency": "EUR",
        "lines": lines,
    }


# -- writers -------------------------------------------------------------------------------------


def sync(case: str, folder: str) -> None:
    """``run`` as it comes."""
    from django.conf import settings

    from django_ecommerce_sync import feeds
    from django_ecommerce_sync.sync import execute, request_run
    from django_ecommerce_sync.sync.continuity import forget

    classes = {"json": feeds.JSONFeed, "csv": feeds.CSVFeed, "xml": feeds.XMLFeed}
    options = {"url": f"{folder}/feed.{case}", "streams": [stream_of(case)]}
    feed = {"BACKEND": classes.get(case, feeds.JSONLinesFeed), "OPTIONS": options}
    settings.ECOMMERCE_SYNC = {"FEEDS": {case: feed}}
    forget(case, options["streams"][0].name)  # to be told by its rows that nothing has changed
    run = execute(request_run(case)[0].pk)
    expected = "partial" if case == "dirty" else "succeeded"
    if run.status != expected:
        raise SystemExit(f"The run ended {run.status}: {run.error}")


def stream_of(case: str) -> object:
    from django_ecommerce_sync.feeds import Lines, Ref, Stream

    if case == "customers":
        names = {"email": "email", "first_name": "first", "last_name": "last"}
        return Stream(
            case, external_id="id", fields={**names, "phone": "phone", "company": "company"}
        )
    if case == "orders":
        product = Ref("products", key="sku")
        line = {"product": product, "sku": "sku", "name": "name"}
        lines = Lines("lines", {**line, "unit_price": "price", "quantity": "quantity"})
        names = {"order_id": "id", "order_date": "date", "customer_email": "email"}
        return Stream(case, fields={**names, "currency": "currency", "lines": lines})
    return Stream("products", fields=FIELDS, records="item" if case == "xml" else "")


def decoded(path: str) -> Iterator[dict[str, object]]:
    with open(path, "rb") as file:
        yield from map(msgspec.json.Decoder().decode, file)


def loop_customers(folder: str) -> None:
    from django.db import transaction

    from django_ecommerce_sync.models import Customer

    with transaction.atomic():
        for row in decoded(f"{folder}/feed.customers"):
            names = {"first_name": row["first"], "last_name": row["last"]}
            values = {**names, "phone": row["phone"], "company": row["company"]}
            Customer.objects.update_or_create(email=row["email"], defaults=values)


def loop_orders(folder: str) -> None:
    from django.db import transaction

    from django_ecommerce_sync.models import Order, Product

    products = dict(Product.objects.values_list("sku", "pk"))
    with transaction.atomic():
        for row in decoded(f"{folder}/feed.orders"):
            total = sum(Decimal(line["price"]) * line["quantity"] for line in row["lines"])
            sums = {"subtotal": total, "total_amount": total}
            values = {"order_date": row["date"], "customer_email": row["email"], **sums}
            found, _ = Order.objects.update_or_create(
                order_id=row["id"],
                source="orders",
                defaults={**values, "currency": row["currency"]},
            )
            for at, line in enumerate(row["lines"], 1):
                amount = {"unit_price": Decimal(line["price"]), "quantity": line["quantity"]}
                amount["line_total"] = amount["unit_price"] * line["quantity"]
                named = {"product_id": products[line["sku"]], "sku": line["sku"]}
                found.lines.update_or_create(
                    position=at, defaults={**named, "name": line["name"], **amount}
                )


WRITERS: dict[str, Callable[[str], None]] = {
    **{case: partial(sync, case) for case in CASES if case not in LOOPS},
    "customers, loop": loop_customers,
    "orders, loop": loop_orders,
}


# -- measuring -----------------------------------------------------------------------------------


def in_process(
    case: str, folder: str, database: str, options: argparse.Namespace
) -> list[dict[str, object]]:
    """Both scenarios of one case, in a process that has done nothing else."""
    rows = options.slow if case in LOOPS else options.rows
    command = [sys.executable, __file__, "--child", case, f"{folder}/{rows}", str(rows), database]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(case: str, folder: str, rows: str, database: str) -> list[dict[str, object]]:
    prepare(database)
    if case.startswith("orders"):
        sync("ordered", folder)
    results = []
    for scenario in SCENARIOS:
        began, worked = time.perf_counter(), time.process_time()
        WRITERS[case](folder)
        seconds, work = time.perf_counter() - began, time.process_time() - worked
        check(case, int(rows))
        results.append(
            {
                "scenario": scenario,
                "rows": int(rows),
                "rows_per_second": round(int(rows) / seconds),
                "cpu_us_per_row": round(work / int(rows) * 1e6, 2),
            }
        )
    return results


def check(case: str, rows: int) -> None:
    """Whether the tables hold what the feed brings."""
    from django_ecommerce_sync.models import Customer, Order, OrderLine, Product

    if case.startswith("orders"):
        found, expected = (Order.objects.count(), OrderLine.objects.count()), (rows, 3 * rows)
    elif case.startswith("customers"):
        found, expected = Customer.objects.count(), rows
    else:
        broken = len(range(13, rows, 100)) if case == "dirty" else 0
        found, expected = Product.objects.count(), rows - broken
    if found != expected:
        raise SystemExit(f"{case}: {found} rows; expected {expected}")


def print_table(results: Sequence[dict[str, object]], cases: Sequence[str]) -> None:
    """The medians of each case: records a second, as multiples of what it stands beside, and our
    processor time for a record."""
    rates, work = (medians(results, name) for name in ("rows_per_second", "cpu_us_per_row"))
    print(f"{'records':18}" + "".join(f"{scenario:>28}" for scenario in SCENARIOS) + "   beside")
    for case in cases:
        other = AGAINST[case] if AGAINST.get(case) in cases else ""
        cells = []
        for scenario in SCENARIOS:
            rate = rates[case, scenario]
            ratio = f" ({rate / rates[other, scenario]:.2f})" if other else ""
            cells.append(f"{rate:,.0f}{ratio} {work[case, scenario]:,.1f} µs")
        print(f"{case:18}" + "".join(f"{cell:>28}" for cell in cells) + f"   {other}")


def medians(results: Sequence[dict[str, object]], name: str) -> dict[tuple[str, str], float]:
    """Of each case in each scenario."""
    return {
        (case, scenario): statistics.median(
            float(one[name])
            for one in results
            if (one["case"], one["scenario"]) == (case, scenario)
        )
        for case in {one["case"] for one in results}
        for scenario in SCENARIOS
    }


if __name__ == "__main__":
    sys.exit(main())
