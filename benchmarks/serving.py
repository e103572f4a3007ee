#!/usr/bin/env python
"""How fast the API answers, beside plain DRF on the same rows, with the same rights asked for.

    python benchmarks/serving.py --rows 100000 --runs 3
    python benchmarks/serving.py --database mysql://user:secret@127.0.0.1/serving --seconds 5

``plain`` is a model viewset as DRF's documentation has it: page numbers, simplejwt, Django's
model permissions, the same fields; ``cursor`` is the same with DRF's cursor pagination. One
gunicorn with two workers serves all of them, asked in turns, with ``wrk`` if there is one and
by four threads if not. Processor time is that of the workers, the database's not included.
The database is used up: its products are replaced.
"""

import argparse
import csv
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

WORKERS = 2
CLIENTS = 4
PAGE = 100
#: What is asked → who answers → method and address.
REQUESTS = {
    "list": {
        "ours": ("GET", f"/api/products/?page_size={PAGE}"),
        "ours, walk": ("GET", f"/api/products/?page_size={PAGE}&cursor="),
        "cursor": ("GET", "/cursor/products/"),
        "plain": ("GET", "/plain/products/"),
    },
    "retrieve": {"ours": ("GET", "/api/products/{pk}/"), "plain": ("GET", "/plain/products/{pk}/")},
    "create": {"ours": ("POST", "/api/products/"), "plain": ("POST", "/plain/products/")},
    "update": {
        "ours": ("PATCH", "/api/products/{pk}/"),
        "plain": ("PATCH", "/plain/products/{pk}/"),
    },
}


def main() -> int:
    options = arguments()
    if options.load:
        print(load(options.load))
        return 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        os.environ["DATABASE_URL"] = options.database or f"sqlite:///{folder}/serving.sqlite3"
        command = [sys.executable, __file__, "--load", str(options.rows)]
        first, token = subprocess.check_output(command, text=True).split()
        keys = range(int(first), int(first) + options.rows)
        with server() as (port, pid):
            results = [
                {"kind": kind, "target": target, "run": run, **result}
                for run in range(options.runs)
                for kind, targets in REQUESTS.items()
                for target, asked in targets.items()
                for result in [measure(port, pid, token, asked, keys, options.seconds)]
            ]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, results[0])
            writer.writeheader()
            writer.writerows(results)
    print_table(results)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--database", default="", help="a DATABASE_URL; SQLite by default")
    parser.add_argument("--csv", help="where to write every measurement")
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


# -- the server ------------------------------------------------------------------------------


def application(environ: Any, start_response: Any) -> Any:
    """What gunicorn serves."""
    return django_application()(environ, start_response)


@cache
def django_application() -> Any:
    from django.core.wsgi import get_wsgi_application

    configure()
    return get_wsgi_application()


def configure() -> None:
    """Settings as a small project has them."""
    import dj_database_url
    from django.conf import settings

    if settings.configured:
        return
    database = dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=None)
    if database["ENGINE"].endswith("sqlite3"):  # writers wait for each other
        database["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 60}
    settings.configure(
        SECRET_KEY="only-for-the-benchmark-" * 3,
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        ROOT_URLCONF="serving_urls",
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "django_ecommerce_sync",
        ],
        ECOMMERCE_SYNC={"FEEDS": {}},
    )


def load(rows: int) -> str:
    """Fill the database; the first product's id, and the token of somebody with every right."""
    import django

    configure()
    django.setup()
    from django.contrib.auth.models import Group, Permission, User
    from django.core.management import call_command
    from reading import FIELDS, product
    from rest_framework_simplejwt.tokens import AccessToken as PlainToken

    from django_ecommerce_sync.api.tokens import AccessToken
    from django_ecommerce_sync.models import Product

    call_command("migrate", verbosity=0)
    Product.objects.all().delete()
    made = (product(number) for number in range(rows))
    products = (Product(**{name: row[source] for name, source in FIELDS.items()}) for row in made)
    Product.objects.bulk_create(products, batch_size=500)
    user, _new = User.objects.get_or_create(username="benchmark")
    group, _new = Group.objects.get_or_create(name="benchmark")
    group.permissions.set(Permission.objects.filter(content_type__app_label="ecommerce_sync"))
    user.groups.set([group])
    token = AccessToken.issue(user)
    token.set_exp(lifetime=PlainToken.lifetime * 100)
    return f"{Product.objects.order_by('pk').values_list('pk', flat=True)[0]} {token}"


@contextmanager
def server() -> Iterator[tuple[int, int]]:
    """gunicorn on a free port, and its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-b", place]
    command += ["--timeout", "120", "--log-level", "error", "serving:application"]
    process = subprocess.Popen(command, cwd=Path(__file__).parent)
    try:
        wait_for(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _attempt in range(600):
        if process.poll() is not None:
            sys.exit("gunicorn does not start; is it installed?")
        try:
            for _worker in range(3 * WORKERS):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/api/health/live/")
                connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("The server does not answer.")


# -- the clients -----------------------------------------------------------------------------


def measure(
    port: int, pid: int, token: str, asked: tuple[str, str], keys: range, seconds: float
) -> dict[str, float]:
    """Requests a second, and milliseconds of the workers' processor time for each."""
    method, address = asked
    before, began = processor_time(pid), time.perf_counter()
    if method == "GET" and shutil.which("wrk"):
        done = by_wrk(port, token, address.format(pk=keys[len(keys) // 2]), seconds)
    else:
        until = began + seconds
        with ThreadPoolExecutor(CLIENTS) as threads:
            futures = [
                threads.submit(client, port, token, method, address, keys, until)
                for _client in range(CLIENTS)
            ]
            done = sum(future.result() for future in futures)
    took = time.perf_counter() - began
    return {"rate": done / took, "cpu_ms": (processor_time(pid) - before) / done * 1000}


def by_wrk(port: int, token: str, address: str, seconds: float) -> int:
    """How many requests wrk gets answered; it knows whole seconds only."""
    command = ["wrk", "-t1", f"-c{2 * CLIENTS}", f"-d{max(1, round(seconds))}s"]
    command += ["-H", f"Authorization: Bearer {token}", "-H", "Connection: close"]
    said = subprocess.check_output([*command, f"http://127.0.0.1:{port}{address}"], text=True)
    if "Non-2xx" in said:
        sys.exit(f"{address} is refused:\n{said}")
    return max(1, int(said.split(" requests in ")[0].split()[-1]))


def client(port: int, token: str, method: str, address: str, keys: range, until: float) -> int:
    """Ask again and again; how often there was an answer."""
    done, dice = 0, random.Random()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    while time.perf_counter() < until:
        url = address.format(pk=dice.choice(keys))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, url, None if method == "GET" else body(method, dice), headers)
        response = connection.getresponse()
        said = response.read()
        connection.close()
        if response.status not in (200, 201):
            sys.exit(f"{method} {url} is refused: {response.status} {said[:500]!r}")
        done += 1
    return max(done, 1)


def body(method: str, dice: random.Random) -> str:
    """A new product, or another price and stock for one."""
    from reading import product

    row: dict[str, object] = {
        "price": f"{dice.randrange(1, 90000) / 100:.2f}",
        "inventory_count": dice.randrange(10**6),
    }
    if method == "POST":
        sample = product(dice.randrange(10**6))
        names = ("name", "description", "currency", "brand", "category", "image_url", "gtin")
        row |= {name: sample[name] for name in names}
        row["sku"] = f"NEW-{dice.getrandbits(64):x}"
    return json.dumps(row)


def processor_time(pid: int) -> float:
    """Seconds the workers have worked; 0 where there is no /proc."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        return 0.0
    ticks = 0
    for child in children.read_text().split():
        numbers = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(numbers[11]) + int(numbers[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def print_table(results: Sequence[dict[str, Any]]) -> None:
    print(f"{'':10}{'':12}{'requests/s':>12}{'cpu ms':>10}{'x plain':>10}{'x by cpu':>10}")
    for kind, targets in REQUESTS.items():
        found = {
            target: [
                statistics.median(
                    result[what]
                    for result in results
                    if (result["kind"], result["target"]) == (kind, target)
                )
                for what in ("rate", "cpu_ms")
            ]
            for target in targets
        }
        plain_rate, plain_cpu = found["plain"]
        for target, (rate, cpu) in found.items():
            by_cpu = plain_cpu / cpu if cpu else 0
            ratios = f"{rate / plain_rate:>10.2f}{by_cpu:>10.2f}"
            print(f"{kind:10}{target:12}{rate:>12,.0f}{cpu:>10.2f}{ratios}")


if __name__ == "__main__":
    sys.exit(main())
