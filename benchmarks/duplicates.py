#!/usr/bin/env python
"""How many planted duplicates are found among customers, how long that takes, in how much memory.

    python benchmarks/duplicates.py --rows 100000
    python benchmarks/duplicates.py --rows 1000000 --database mysql://root@127.0.0.1:3306/duplicates
    python benchmarks/duplicates.py --rows 100000 --against splink --python FOLDER/bin/python

Two of a hundred customers are there a second time: with slips of the pen, in another case, with
dots and tags in the e-mail address, with first and last name swapped. Families, namesakes and
shared telephones are there to be mistaken for duplicates. One seed makes one set of customers.

Each step is a process of its own. ``--database`` names a database that is made and dropped again
(a SQLite file where none is named). ``--against splink`` runs splink on the same customers, with
the interpreter of ``--python`` if it is installed elsewhere.
"""

import argparse
import csv
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

FIELDS = ("id", "email", "first_name", "last_name", "phone", "street", "postal_code", "city")
DUPLICATES, FAMILIES, NAMESAKES, SHARED_PHONES = 0.02, 0.1, 0.02, 0.02
#: What may be asked of a pair: points, or percent of probability.
SCORES = {
    "find": (70, 80, 90, 95),
    "splink": (50, 90, 95, 99, 99.9, 99.99, 99.999, 99.9999),
}
DOMAINS = (
    "gmail.com gmail.com gmail.com outlook.com outlook.com icloud.com yahoo.com web.de gmx.net "
    "example.com example.org"
).split()
WITH_TAGS = {"gmail.com", "outlook.com", "icloud.com"}
FIRST_NAMES = """
    Ann Anna Anne Annika Maria Marie Mary Marta Martha Jon John Jonathan Joan Johanna Daniel Daniela
    Christian Christina Christine Paul Paula Peter Petra Karl Carla Carl Clara Julia Julian Juliane
    Tom Thomas Tim Timo Lena Lea Leo Leon Lara Laura Mark Marc Marcus Marco Eva Eve Emma Emily Emil
    Oliver Olivia Alex Alexander Alexandra Sandra Simon Simone Stefan Stephan Stephanie Nina Nico
    Nicole Ida Ines Ingrid Irene Ivan Jakob Jan Jana Janine Kim Kevin Kurt Linda Lisa Luis Luisa
    Max Maximilian Mia Michael Michaela Moritz Nora Norbert Otto Oscar Rosa Rita Robert Roberta
    Sara Sarah Sven Sofia Sophie Tanja Ute Ulrich Vera Victor Victoria Walter Wanda Wolfgang Yusuf
    Aisha Ahmed Fatima Omar Layla Hassan Chen Wei Li Ming Yuki Hiro Priya Arjun Dmitri Olga Svetlana
""".split()
SYLLABLES = (
    "bach berg blum dorf eck fel gar hart holm kauf kell lan mei mun nau neu ost pfeif rath \
rein rich rot sand schu sel stein tal the vog wag wal weber win wolf zim".split()
)
STREETS = "Main Park Oak Mill Church High Station Garden School Lake Hill River Spring King Queen \
North South Market Bridge Forest".split()
KINDS = "Street Road Avenue Lane Drive".split()
HOW_TO_INSTALL = """splink is not there. Install it into an environment of its own:
    python -m venv FOLDER && FOLDER/bin/pip install splink
and add: --python FOLDER/bin/python"""

Customer = dict[str, str]
Pair = tuple[int, int]


def main() -> int:
    options = arguments()
    if options.child:
        print(json.dumps(STEPS[options.child](Path(options.folder), options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        url = options.database or f"sqlite:///{folder}/customers.sqlite3"
        steps = [("make", ""), ("load", url), ("find", url)]
        if options.database:
            steps.append(("drop", url))
        results = {step: in_process(step, folder, options, database) for step, database in steps}
        print_table(url.partition(":")[0], results["find"])
        if options.against:
            print_table(options.against, in_process(options.against, folder, options, url))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="the address of a database to be made")
    parser.add_argument("--against", choices=["splink"], help="a library to compare with")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has it")
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_process(step: str, folder: str, options: argparse.Namespace, database: str) -> Any:
    """One step, in a process that has done nothing else."""
    interpreter = options.python if step == options.against else sys.executable
    numbers = ["--rows", str(options.rows), "--seed", str(options.seed)]
    command = [interpreter, __file__, *numbers, "--child", step, "--folder", folder]
    environment = {**os.environ, "DATABASE_URL": database}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def measured(began: float, **numbers: float) -> dict[str, float]:
    """Seconds since then, this process's work and peak memory in MB, with what was counted.

    A database server works and remembers beside it; what the process needs is all there is with
    SQLite and DuckDB.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": time.process_time(), "peak_mb": peak, **numbers}


# -- customers -------------------------------------------------------------------------------


def make(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    """Write the customers in random order, and which of them are one and the same."""
    dice = random.Random(options.seed)
    copies = round(options.rows * DUPLICATES)
    originals = list(islice(people(dice), options.rows - copies))
    wanted = dice.sample([row for row in originals if row["phone"] or row["street"]], copies)
    rows = originals + [second(row, number, dice) for number, row in enumerate(wanted)]
    dice.shuffle(rows)
    for number, row in enumerate(rows, 1):
        row["id"] = str(number)
    with open(folder / "customers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    with open(folder / "truth.csv", "w", newline="", encoding="utf-8") as file:
        pairs = [(row["twin"]["id"], row["id"]) for row in rows if "twin" in row]
        csv.writer(file).writerows(pairs)
    return {"rows": len(rows), "pairs": len(pairs)}


def people(dice: random.Random) -> Iterator[dict[str, Any]]:
    """Customers that are all somebody else, some of them hard to tell apart."""
    places = [(str(10_000 + 29 * n), word(dice) + dice.choice("aeiou")) for n in range(3000)]
    surnames = [word(dice) for _ in range(20_000)]
    before: dict[str, Any] = {}
    number = 0
    while True:
        number += 1
        postal_code, city = dice.choice(places)
        row = {
            "first_name": FIRST_NAMES[int(len(FIRST_NAMES) * dice.random() ** 1.5)],
            "last_name": surnames[int(len(surnames) * dice.random() ** 2)],
            "phone": phone(dice) if dice.random() < 0.8 else "",
            "street": street(dice) if dice.random() < 0.8 else "",
            "postal_code": postal_code,
            "city": city,
        }
        kind = dice.random()
        if before and kind < FAMILIES:
            row |= {name: before[name] for name in ("last_name", "street", "postal_code", "city")}
        elif before and kind < FAMILIES + NAMESAKES:
            names = ("first_name", "last_name", "postal_code", "city")
            row |= {name: before[name] for name in names}
        elif before and kind < FAMILIES + NAMESAKES + SHARED_PHONES:
            row["phone"] = before["phone"]
        same_name = row["first_name"] == before.get("first_name")
        if same_name and kind < FAMILIES:  # nobody could tell these from one who came twice
            row["street"] = street(dice)
        row["email"] = f"{local_part(row, dice)}{number}@{dice.choice(DOMAINS)}"
        before = row
        yield row


def word(dice: random.Random) -> str:
    return "".join(dice.choices(SYLLABLES, k=dice.choice((2, 2, 3)))).title()


def phone(dice: random.Random) -> str:
    return f"+49 {dice.randrange(150, 180)} {dice.randrange(10**6, 10**8)}"


def street(dice: random.Random) -> str:
    name = dice.choice((dice.choice(STREETS), word(dice)))
    return f"{name} {dice.choice(KINDS)} {dice.randrange(1, 200)}"


def local_part(row: Customer, dice: random.Random) -> str:
    first, last = row["first_name"].lower(), row["last_name"].lower()
    return dice.choice((f"{first}.{last}", f"{first}{last}", f"{first[0]}.{last}", last))


def second(row: Customer, number: int, dice: random.Random) -> dict[str, Any]:
    """The same customer once more, a little different."""
    local, _at, domain = row["email"].partition("@")
    copy = {**row, "twin": row, "phone": respelled(row["phone"], dice)}
    kinds = ["slip", "slip", "case", "swap"]
    if domain in WITH_TAGS:
        kinds += ["tag", "tag"]
    if domain == "gmail.com":
        kinds += ["dots", "dots"]
    kind = dice.choice(kinds)
    if kind == "tag":
        copy["email"] = f"{local}+{dice.choice(('shop', 'news', 'x'))}@{domain}"
    elif kind == "dots":
        at = dice.randrange(1, len(local))
        copy["email"] = f"{local.replace('.', '')[:at]}.{local.replace('.', '')[at:]}@gmail.com"
        copy["email"] = copy["email"].replace(".@", "@")
    else:
        copy["email"] = f"{local_part(row, dice)}-{number}@{dice.choice(DOMAINS)}"
    if kind == "slip":
        name = dice.choice(("first_name", "last_name"))
        copy[name] = slip(copy[name], dice)
    elif kind == "case":
        change = dice.choice((str.upper, str.lower))
        copy |= {name: change(copy[name]) for name in ("first_name", "last_name", "street", "city")}
    elif kind == "swap":
        copy |= {"first_name": copy["last_name"], "last_name": copy["first_name"]}
    forget(copy, kind, dice)
    if copy["email"] == row["email"]:
        copy["email"] = f"{local}+again@{domain}"
    return copy


def forget(copy: Customer, kind: str, dice: random.Random) -> None:
    """Leave out the telephone or the address now and then, but not all that tells who it is."""
    one, other = dice.sample(("phone", "street"), 2)
    if copy[other] and dice.random() < 0.4:
        copy[one] = ""
    if kind in ("tag", "dots") and dice.random() < 0.3:
        copy |= {"phone": "", "street": "", "postal_code": "", "city": ""}


def respelled(number: str, dice: random.Random) -> str:
    """One telephone number, as another form wants it."""
    if not number:
        return ""
    _country, area, rest = number.split()
    return dice.choice((number, f"0{area}/{rest}", f"0049 {area} {rest}", f"(0{area}) {rest}"))


def slip(name: str, dice: random.Random) -> str:
    """A slip of the pen: a letter too few, twice, another, or two that have changed places."""
    at = dice.randrange(1, len(name))
    letter = dice.choice("abcdefghijklmnopqrstuvwxyz")
    changed = (
        name[:at] + name[at + 1 :],
        name[:at] + name[at - 1].lower() + name[at:],
        name[:at] + letter + name[at + 1 :],
        name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
    )
    return dice.choice(changed).title()


def read(folder: Path) -> Iterator[Customer]:
    with open(folder / "customers.csv", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


# -- ours ------------------------------------------------------------------------------------


def load(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Make the database and fill the table."""
    began = time.perf_counter()
    models = project()
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor != "sqlite":
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    call_command("migrate", verbosity=0)
    rows = (
        models.Customer(
            **{name: row[name] for name in ("id", "email", "first_name", "last_name", "phone")},
            address={name: row[name] for name in ("street", "postal_code", "city") if row[name]},
        )
        for row in read(folder)
    )
    while chunk := list(islice(rows, 5000)):
        models.Customer.objects.bulk_create(chunk)
    return measured(began)


def find(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Look for duplicates as ``ecommerce_sync merge --find`` does."""
    models = project()
    from django_ecommerce_sync.sync import merging

    began = time.perf_counter()
    search = merging.find(models.Customer)
    result = measured(began, rows=search.rows, compared=search.compared)
    columns = ("first_id", "second_id", "score")
    found = models.MergeCandidate.objects.values_list(*columns).iterator()
    return {**result, "scores": marks(folder, found, SCORES["find"])}


def drop(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Leave the server as it was."""
    began = time.perf_counter()
    project()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {connection.ops.quote_name(name)}")
    return measured(began)


def project() -> Any:
    """Our models, on the database of DATABASE_URL."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django

    django.setup()
    from django_ecommerce_sync import models

    return models


# -- splink ----------------------------------------------------------------------------------


def splink(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A model as splink's own guides build it: names, e-mail, telephone, street, place.

    The columns are put into one spelling first, as they advise: small letters, digits of the
    telephone, no dots and tags in the e-mail address. The model learns from the data, by the same
    kinds of blocks as it predicts with.
    """
    try:
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    except ImportError:
        sys.exit(HOW_TO_INSTALL)
    import duckdb
    import splink.comparison_level_library as levels
    import splink.comparison_library as comparisons

    logging.getLogger("splink").setLevel(logging.ERROR)
    began = time.perf_counter()
    database = duckdb.connect(str(folder / "splink.duckdb"))
    database.execute(
        r"""
        CREATE TABLE customers AS
        SELECT *, concat_ws(' ', first_name, last_name) AS full_name FROM (
            SELECT id AS unique_id,
                lower(first_name) AS first_name, lower(last_name) AS last_name,
                regexp_replace(lower(split_part(email, '@', 1)), '\+.*|\.', '', 'g') AS mailbox,
                mailbox || '@' || split_part(email, '@', 2) AS email,
                nullif(right(regexp_replace(phone, '\D', '', 'g'), 8), '') AS phone,
                nullif(lower(street), '') AS street,
                nullif(postal_code, '') AS postal_code, nullif(lower(city), '') AS city
            FROM read_csv(?, header = true, all_varchar = true)
        )
        """,
        [str(folder / "customers.csv")],
    )
    swapped = "l.first_name = r.last_name AND l.last_name = r.first_name"
    # One comparison, for street and place agree together or not at all.
    address = comparisons.CustomComparison(
        output_column_name="address",
        comparison_levels=[
            levels.NullLevel("postal_code"),
            levels.And(levels.ExactMatchLevel("street"), levels.ExactMatchLevel("postal_code")),
            levels.And(
                levels.JaroWinklerLevel("street", 0.9), levels.ExactMatchLevel("postal_code")
            ),
            levels.ExactMatchLevel("postal_code", term_frequency_adjustments=True),
            levels.ExactMatchLevel("city", term_frequency_adjustments=True),
            levels.ElseLevel(),
        ],
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            comparisons.ForenameSurnameComparison(
                "first_name", "last_name", forename_surname_concat_col_name="full_name"
            ),
            comparisons.EmailComparison("email"),
            comparisons.LevenshteinAtThresholds("phone", [1, 2]),
            address,
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("phone"),
            block_on("street", "postal_code"),
            block_on("full_name", "postal_code"),
            f"l.postal_code = r.postal_code AND {swapped}",
        ],
    )
    api = DuckDBAPI(connection=database)
    linker = Linker(api.register("customers"), settings, log_level=None)
    sure = [block_on("email"), block_on("phone", "full_name")]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=options.seed)
    for column in ("email", "phone"):  # not by address: it would take families for duplicates
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(column))
    scored = linker.inference.predict()
    pairs = database.sql(
        f"SELECT unique_id_l, unique_id_r, 100 * match_probability FROM {scored.physical_name} "
        f"WHERE match_probability >= {SCORES['splink'][0] / 100}"
    )

    def number_of(table: str) -> int:
        return int(database.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    kept = [(int(one), int(other), score) for one, other, score in pairs.fetchall()]
    result = measured(began, rows=number_of("customers"), compared=number_of(scored.physical_name))
    return {**result, "scores": marks(folder, kept, SCORES["splink"])}


# -- marks -----------------------------------------------------------------------------------


def marks(
    folder: Path, found: Iterable[tuple[int, int, float]], scores: Sequence[float]
) -> dict[float, dict[str, float]]:
    """By the score that is asked for: pairs found, how many of them are right, how many of all."""
    with open(folder / "truth.csv", newline="", encoding="utf-8") as file:
        truth = {pair(int(one), int(other)) for one, other in csv.reader(file)}
    scored = [(score, pair(one, other) in truth) for one, other, score in found]
    results = {}
    for least in scores:
        right = [is_right for score, is_right in scored if score >= least]
        results[least] = {
            "pairs": len(right),
            "precision": sum(right) / len(right) if right else 1.0,
            "recall": sum(right) / len(truth),
        }
    return results


def pair(one: int, other: int) -> Pair:
    return min(one, other), max(one, other)


def print_table(name: str, result: dict[str, Any]) -> None:
    print(
        f"{name}: {result['rows']:,} rows, {result['compared']:,} pairs compared, "
        f"{result['seconds'] / 60:.2f} min ({result['cpu'] / 60:.2f} of processor time), "
        f"{result['peak_mb']:.0f} MB"
    )
    print(f"  {'score':>8} {'pairs':>9} {'precision':>9} {'recall':>8}")
    for score, mark in result["scores"].items():
        print(f"  {score:>8} {mark['pairs']:>9,} {mark['precision']:>9.4f} {mark['recall']:>8.4f}")


STEPS = {"make": make, "load": load, "find": find, "drop": drop, "splink": splink}

if __name__ == "__main__":
    sys.exit(main())
