"""The shop whose feed is read: a raw HTTP server, and what a plain replay of the feed comes to."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]
PAGE = 40


class Source:
    """Serves each name's rows: ``/NAME.jsonl`` as one document, ``/NAME?page=N`` in pages."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.pause = 0.0  # seconds before each answer
        self.requests: Counter[str] = Counter()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlsplit(self.path)
                outer.requests[address.path] += 1
                if outer.pause:
                    time.sleep(outer.pause)
                body = outer.body(address.path, parse_qs(address.query))
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Total", str(len(outer.rows.get(address.path[1:], []))))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *args: None  # a reader that was killed
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def body(self, path: str, query: dict[str, list[str]]) -> bytes:
        name, dot, _ = path.lstrip("/").partition(".")
        rows = self.rows.get(name, [])
        if dot:
            return b"".join(line(row) + b"\n" for row in rows)
        page = int(query.get("page", ["1"])[0])
        part = rows[(page - 1) * PAGE : page * PAGE]
        return b"[" + b",".join(line(row) for row in part) + b"]"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


# -- the rows --------------------------------------------------------------------------------


def first_rows(prefix: str, number: int, *, seed: int = 0) -> list[Row]:
    """Rows of a new feed: most good, some broken, some records twice or thrice."""
    chance = random.Random(f"{prefix}{seed}")
    rows = [row_of(prefix, n, chance) for n in range(1, number + 1)]
    for _ in range(number // 50):  # an earlier copy of a good record, anywhere before it
        later = chance.randrange(1, number)
        copy = {**rows[later], "price": f"{chance.randrange(1, 99999) / 100:.2f}"}
        rows.insert(chance.randrange(0, later), copy)
    for place in chance.sample(range(len(rows)), number // 100):
        rows[place] = {**rows[place], "id": f"{prefix}-bad-{place}", "sku": "", "price": "cheap"}
    return rows


def row_of(prefix: str, number: int, chance: random.Random) -> Row:
    return {
        "id": f"{prefix}-{number}",
        "sku": f"{prefix.upper()}-{number:06d}",
        "title": f"Ding № {number} «{chance.randrange(10**6)}»",
        "price": f"{chance.randrange(1, 99999) / 100:.2f}",
        "stock": chance.randrange(1000),
    }


def next_rows(rows: list[Row], prefix: str, *, seed: int, share: float = 0.2) -> list[Row]:
    """The feed as it is a day later: some rows changed, some new, every copy like its last."""
    chance = random.Random(f"{prefix}{seed}")
    changed: dict[str, Row] = {}
    for row in rows:
        if row["price"] != "cheap" and chance.random() < share:
            changed[row["id"]] = {
                "stock": chance.randrange(1000),
                "title": f"Neu {chance.random()}",
            }
    later = [{**row, **changed.get(row["id"], {})} for row in rows]
    highest = max(int(row["sku"].partition("-")[2]) for row in rows if row["sku"])
    later += [row_of(prefix, highest + n, chance) for n in range(1, max(2, len(rows) // 50))]
    return later


# -- the oracle ------------------------------------------------------------------------------


@dataclass
class Oracle:
    """What the tables must hold: a replay of the feeds in plain Python, one record at a time."""

    stored: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    #: Positions of the rows the last replay of each feed rejected.
    rejected: dict[str, list[int]] = field(default_factory=dict)
    links: dict[tuple[str, str], str] = field(default_factory=dict)

    def replay(self, feed: str, rows: Iterable[Row]) -> dict[str, int]:
        """Bring one delivery of a feed in; its counts."""
        counts = Counter({"read": 0})
        last: dict[str, Row] = {}
        self.rejected[feed] = []
        for position, row in enumerate(rows, 1):
            counts["read"] += 1
            if row["price"] == "cheap" or not row["sku"]:
                counts["rejected"] += 1
                self.rejected[feed].append(position)
            else:
                counts["duplicate"] += row["id"] in last
                last[row["id"]] = row
        for row in last.values():
            counts[self._land(feed, row)] += 1
        return {name: n for name, n in counts.items() if n}

    def _land(self, feed: str, row: Row) -> str:
        values = (row["title"], Decimal(row["price"]).quantize(Decimal("0.0001")), row["stock"])
        before = self.stored.get(row["sku"])
        self.stored[row["sku"]] = values
        self.links[feed, row["id"]] = row["sku"]
        if before is None:
            return "created"
        return "unchanged" if before == values else "updated"
