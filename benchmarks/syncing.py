#!/usr/bin/env python
"""How fast a feed of products becomes rows, beside what a project would write by hand.

    python benchmarks/syncing.py --rows 100000 --runs 3
    python benchmarks/syncing.py --database mysql://user:secret@127.0.0.1/bench --plot sync.svg

The database is used up: its tables are emptied before each measurement. Each writer is a process
of its own that meets, in this order and on the same tables, a first load, the same feed again,
the feed with one percent of its rows changed, and with ten percent others changed; writers take
turns within a run. ``load`` is the limit: the database's own bulk load into a staging table and
one statement from there, starting from a ready file (MySQL and MariaDB with ``local_infile``); on
SQLite ``raw_upsert`` is. The slow ones meet only ``--slow`` rows; ``import_export`` is there where
django-import-export is installed. ``--csv`` keeps every measurement, ``--plot`` draws the medians.
"""

import argparse
import csv
import importlib.util
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import plotting
from reading import FIELDS, product

SCENARIOS = ("first", "unchanged", "1%", "10%")
SLOW = frozenset({"update_or_create", "import_export"})
MAPPED = {name: source for name, source in FIELDS.items() if name != "inventory_count"}
Writer = Callable[[str], tuple[int, int]]


def main() -> int:
    options = arguments()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return 0
    names = options.only or [name for name in WRITERS if is_there(name, options.database)]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for rows in {options.rows, options.slow}:
            write_feeds(Path(folder), rows)
        database = options.database or f"sqlite:///{folder}/bench.sqlite3"
        results = [
            {"writer": name, "run": run, **result}
            for run in range(options.runs)
            for name in names
            for result in in_process(name, folder, database, options)
        ]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, results[0])
            writer.writeheader()
            writer.writerows(results)
    rates = medians(results, names)
    print_table(results, names, rates)
    if options.plot:
        title = f"{options.rows:,} products: rows a second"
        plotting.draw(options.plot, title, rates, names, SCENARIOS)
    return 0


def is_there(name: str, database: str) -> bool:
    """Whether a writer can be measured here unasked."""
    if name == "import_export":
        return importlib.util.find_spec("import_export") is not None
    return name != "load" or database.startswith("mysql")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--slow", type=int, default=5_000, help="rows for the slow ones")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--database", default="", help="a DATABASE_URL; SQLite by default")
    parser.add_argument("--only", nargs="+", choices=WRITERS, metavar="WRITER")
    parser.add_argument("--csv", help="where to write every measurement")
    parser.add_argument("--plot", help="where to draw the medians")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


# -- feeds ---------------------------------------------------------------------------------------


def write_feeds(folder: Path, rows: int) -> None:
    """The feed of each scenario, as JSON Lines and as a table."""
    for scenario in ("first", "1%", "10%"):
        stem = f"{folder}/{rows}-{scenario}"
        with (
            open(f"{stem}.jsonl", "wb") as lines,
            open(f"{stem}.tsv", "w", encoding="utf-8") as table,
        ):
            for number in range(rows):
                row = changed(number, scenario)
                lines.write(msgspec.json.encode(row) + b"\n")
                table.write("\t".join(str(row[source]) for source in FIELDS.values()) + "\n")


def changed(number: int, scenario: str) -> dict[str, object]:
    """A product; in the scenarios of change, every hundredth or every tenth is dearer."""
    row = product(number)
    changes = {"1%": number % 100 == 7, "10%": number % 10 == 3}
    if changes.get(scenario):
        row["price"] = str(Decimal(str(row["price"])) + len(scenario))
        row["stock"] = 7
    elif scenario == "10%" and number % 100 == 7:  # as they are since the scenario before
        return changed(number, "1%")
    return row


def rows_of(stem: str) -> Iterator[dict[str, object]]:
    """The rows of a feed by field name, decoded as a project would."""
    decode = msgspec.json.Decoder().decode
    with open(f"{stem}.jsonl", "rb") as file:
        for line in file:
            row = decode(line)
            values = {name: row[source] for name, source in MAPPED.items()}
            yield {**values, "price": Decimal(row["price"]), "inventory_count": row["stock"]}


def chunks(rows: Iterator[dict[str, object]], size: int) -> Iterator[list[dict[str, object]]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


# -- writers -------------------------------------------------------------------------------------


def ours(stem: str) -> None:
    """``run`` as it comes."""
    sync(stem, log=False)


def ours_with_log(stem: str) -> None:
    """``run`` with every change written down."""
    sync(stem, log=True)


def sync(stem: str, *, log: bool) -> None:
    from django.conf import settings

    from django_ecommerce_sync.feeds import JSONLinesFeed
    from django_ecommerce_sync.sync import execute, request_run
    from django_ecommerce_sync.sync.continuity import forget

    options = {"url": f"{stem}.jsonl", "stream": "products", "fields": FIELDS}
    feed = {"BACKEND": JSONLinesFeed, "OPTIONS": options}
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": feed}, "CHANGE_LOG": log}
    forget("shop", "products")  # a file that is the same is to be told by its rows
    run = execute(request_run("shop")[0].pk)
    if run.status != "succeeded":
        raise SystemExit(f"The run ended {run.status}: {run.error}")


def update_or_create(stem: str) -> None:
    """A row at a time, in one transaction."""
    from django.db import transaction

    from django_ecommerce_sync.models import Product

    with transaction.atomic():
        for row in rows_of(stem):
            Product.objects.update_or_create(sku=row.pop("sku"), defaults=row)


def bulk_create(stem: str) -> None:
    """``bulk_create(update_conflicts=True)``, a thousand at a time."""
    from django.db import connection

    from django_ecommerce_sync.models import Product

    names = [name for name in FIELDS if name != "sku"]
    # MySQL updates on any unique key and is not to be told which.
    unique = {} if connection.vendor == "mysql" else {"unique_fields": ["sku"]}
    for chunk in chunks(rows_of(stem), 1000):
        Product.objects.bulk_create(
            [Product(**row) for row in chunk], update_conflicts=True, update_fields=names, **unique
        )


def import_export(stem: str) -> None:
    """django-import-export, in bulk and as fast as its options make it."""
    import tablib
    from import_export.instance_loaders import CachedInstanceLoader
    from import_export.resources import ModelResource

    from django_ecommerce_sync.models import Product

    class ProductResource(ModelResource):
        class Meta:
            model = Product
            import_id_fields = ("sku",)
            fields = tuple(FIELDS)
            use_bulk = True
            batch_size = 1000
            skip_unchanged = True
            report_skipped = False
            skip_html_diff = True
            use_transactions = True
            force_init_instance = False
            instance_loader_class = CachedInstanceLoader

    data = tablib.Dataset(headers=list(FIELDS))
    for row in rows_of(stem):
        data.append([row[name] for name in FIELDS])
    ProductResource().import_data(data, raise_errors=True)


def raw_upsert(stem: str) -> None:
    """``executemany`` of an upsert, a thousand at a time."""
    from django.db import connection, transaction

    from django_ecommerce_sync.models import Product

    columns, defaults = table_columns(Product)
    names = [*FIELDS, *defaults]
    marks = ", ".join(["%s"] * len(names))
    mysql = connection.vendor == "mysql"
    head = "ON DUPLICATE KEY UPDATE" if mysql else "ON CONFLICT(sku) DO UPDATE SET"
    new = "VALUES({0})" if mysql else "excluded.{0}"
    sets = ", ".join(f"{columns[name]} = {new.format(columns[name])}" for name in FIELDS)
    listed = ", ".join(columns.get(name, name) for name in names)
    sql = f"INSERT INTO {Product._meta.db_table} ({listed}) VALUES ({marks}) {head} {sets}"
    constant = list(defaults.values())
    for chunk in chunks(rows_of(stem), 1000):
        values = [[*(str(row[name]) for name in FIELDS), *constant] for row in chunk]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, values)


def load(stem: str) -> None:
    """LOAD DATA into a staging table, then one INSERT … SELECT … ON DUPLICATE KEY UPDATE."""
    from django.db import connection

    from django_ecommerce_sync.models import Product

    columns, defaults = table_columns(Product)
    table, names = Product._meta.db_table, ", ".join(columns[name] for name in FIELDS)
    sets = ", ".join(f"{columns[n]} = VALUES({columns[n]})" for n in FIELDS)
    fixed = ", ".join(["%s"] * len(defaults))
    with connection.cursor() as cursor:
        cursor.execute("DROP TEMPORARY TABLE IF EXISTS staging")
        cursor.execute(f"CREATE TEMPORARY TABLE staging AS SELECT {names} FROM {table} LIMIT 0")
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{stem}.tsv' INTO TABLE staging "
            f"CHARACTER SET utf8mb4 ({names})"
        )
        cursor.execute(
            f"INSERT INTO {table} ({names}, {', '.join(defaults)}) "
            f"SELECT {names}, {fixed} FROM staging ON DUPLICATE KEY UPDATE {sets}",
            list(defaults.values()),
        )


def table_columns(model: type) -> tuple[dict[str, str], dict[str, object]]:
    """Columns by field name, and what those hold that the feed does not fill."""
    from django.db import connection
    from django.utils import timezone

    columns, defaults = {}, {}
    for field in model._meta.concrete_fields:
        columns[field.name] = field.column
        if field.name not in FIELDS and not field.primary_key:
            automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
            value = timezone.now() if automatic else field.get_default()
            value = field.get_db_prep_save(value, connection)
            is_text = connection.vendor != "postgresql" and not isinstance(value, int | None)
            defaults[field.column] = str(value) if is_text else value
    return columns, defaults


WRITERS = {
    "ours": ours,
    "ours+log": ours_with_log,
    "update_or_create": update_or_create,
    "import_export": import_export,
    "bulk_create": bulk_create,
    "raw_upsert": raw_upsert,
    "load": load,
}


# -- measuring -----------------------------------------------------------------------------------


def in_process(
    name: str, folder: str, database: str, options: argparse.Namespace
) -> list[dict[str, object]]:
    """All scenarios of one writer, in a process that has done nothing else."""
    rows = options.slow if name in SLOW else options.rows
    command = [sys.executable, __file__, "--child", name, f"{folder}/{rows}", str(rows), database]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(name: str, stem: str, rows: str, database: str) -> list[dict[str, object]]:
    prepare(database)
    results = []
    for scenario in SCENARIOS:
        feed = f"{stem}-{'first' if scenario == 'unchanged' else scenario}"
        began, worked = time.perf_counter(), time.process_time()
        WRITERS[name](feed)
        seconds, work = time.perf_counter() - began, time.process_time() - worked
        check(int(rows), scenario)
        results.append(
            {
                "scenario": scenario,
                "rows": int(rows),
                "rows_per_second": round(int(rows) / seconds),
                "cpu_us_per_row": round(work / int(rows) * 1e6, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    return results


def prepare(database: str) -> None:
    """Django on that database, with empty tables."""
    os.environ["DATABASE_URL"] = database
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django
    from django.conf import settings

    if database.startswith("mysql"):
        settings.DATABASES["default"].setdefault("OPTIONS", {})["local_infile"] = True
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)


def check(rows: int, scenario: str) -> None:
    """Whether the table is what the feed says."""
    from django.db.models import Sum

    from django_ecommerce_sync.models import Product

    feed = [changed(number, scenario) for number in range(rows)]
    expected = sum(Decimal(str(row["price"])) for row in feed), sum(int(r["stock"]) for r in feed)
    found = Product.objects.aggregate(price=Sum("price"), stock=Sum("inventory_count"))
    count = Product.objects.count()
    if (count, found["price"], found["stock"]) != (rows, *expected):
        raise SystemExit(f"{scenario}: {count} rows, {found}; expected {rows}, {expected}")


def medians(
    results: Sequence[dict[str, object]], names: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Rows per second by writer and scenario."""
    return {
        (name, scenario): statistics.median(
            float(one["rows_per_second"])
            for one in results
            if (one["writer"], one["scenario"]) == (name, scenario)
        )
        for name in names
        for scenario in SCENARIOS
    }


def print_table(
    results: Sequence[dict[str, object]],
    names: Sequence[str],
    rates: dict[tuple[str, str], float],
) -> None:
    """The medians of each writer in rows per second, and their ratio to the limit."""
    print(f"{'writer':18}" + "".join(f"{name:>22}" for name in SCENARIOS) + f"{'peak MB':>10}")
    limit_of = "load" if "load" in names else "raw_upsert"
    for name in names:
        cells = []
        for scenario in SCENARIOS:
            limit = rates.get((limit_of, scenario))
            ratio = f" ({rates[name, scenario] / limit:.2f})" if limit else ""
            cells.append(f"{rates[name, scenario]:,.0f}{ratio}")
        peak = max(float(one["peak_mb"]) for one in results if one["writer"] == name)
        print(f"{name:18}" + "".join(f"{cell:>22}" for cell in cells) + f"{peak:>10.1f}")


if __name__ == "__main__":
    sys.exit(main())
