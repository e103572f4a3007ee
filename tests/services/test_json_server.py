"""A server that is not ours: json-server 0.17, which pages with Link headers and sends ETags.

It runs where JSON_SERVER names its program (``npm install json-server@0.17.4`` puts it into
``node_modules/.bin``) and the feeds of test_real_feeds.py are there.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request

import pytest

from django_ecommerce_sync.feeds import Attributes, HTTPFeed, LinkHeader, NoPages, Stream, Text
from django_ecommerce_sync.models import Product, StreamState, SyncLink
from django_ecommerce_sync.sync import execute, request_run
from tests.test_real_feeds import FEEDS

PROGRAM = os.environ.get("JSON_SERVER", "")

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    pytest.mark.skipif(not PROGRAM, reason="JSON_SERVER names no program"),
    pytest.mark.skipif(not FEEDS.is_dir(), reason=f"there are no feeds at {FEEDS}"),
]

#: Every third request is turned away; each request is written down.
MIDDLEWARE = """
const fs = require("fs");
let number = 0;
module.exports = (request, response, next) => {
  number += 1;
  const refused = process.env.REFUSE && number % 3 === 0;
  fs.appendFileSync(process.env.JOURNAL, (refused ? "429 " : "ok ") + request.url + "\\n");
  if (!refused) return next();
  response.set("Retry-After", "0");
  response.status(429).send("slow down");
};
"""
FIELDS = {
    "sku": lambda row: row["image"].rpartition("/")[2].partition("_")[0],
    "name": "name",
    "price": "price",
    "attributes": Attributes(categories="categories"),
}


class JSONServer:
    def __init__(self, folder):
        self.folder = folder
        self.journal = folder / "journal"
        rows = json.loads((FEEDS / "typesense/ecommerce.json").read_text())
        self.rows = [{"id": number, **row} for number, row in enumerate(rows, 1)]
        (folder / "db.json").write_text(json.dumps({"products": self.rows}))
        (folder / "middleware.js").write_text(MIDDLEWARE)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self, **environment):
        command = [PROGRAM, "db.json", "--host", "127.0.0.1", "--port", str(self.port), "--quiet"]
        self.process = subprocess.Popen(
            [*command, "--middlewares", "middleware.js"],
            cwd=self.folder,
            env={**os.environ, "JOURNAL": str(self.journal), **environment},
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}db", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        self.journal.unlink(missing_ok=True)

    def requests(self):
        """What was asked for since the last look, "429 " or "ok " before each."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        self.journal.unlink(missing_ok=True)
        return lines

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def json_server(tmp_path):
    server = JSONServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def sync(settings, json_server):
    def sync(paginator, params):
        stream = Stream(
            "products",
            path="products",
            external_id=Text("id"),
            currency="USD",
            params=params,
            fields=FIELDS,
        )
        options = {
            "base_url": json_server.url,
            "streams": [stream],
            "paginator": paginator,
            "allow_private_addresses": True,
        }
        feed = {"BACKEND": HTTPFeed, "OPTIONS": options}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": feed}}
        run = execute(request_run("shop")[0].pk)
        assert not run.error, run.error
        return {name: n for name, n in run.counts_of("products").items() if n}

    return sync


def test_link_headers_lead_to_every_row(sync, json_server):
    json_server.start()
    number = len(json_server.rows)
    pages = LinkHeader(total="header:X-Total-Count")
    assert sync(pages, {"_page": 1, "_limit": 100}) == {"read": number, "created": number}
    assert len(json_server.requests()) == -(-number // 100)
    assert set(Product.objects.values_list("name", flat=True)) == {
        row["name"].strip() for row in json_server.rows
    }


def test_a_server_that_turns_every_third_request_away(sync, json_server):
    json_server.start(REFUSE="1")
    number = len(json_server.rows)
    assert sync(LinkHeader(), {"_page": 1, "_limit": 100}) == {"read": number, "created": number}
    requests = json_server.requests()
    refused = [request for request in requests if request.startswith("429")]
    assert len(requests) - len(refused) == -(-number // 100)
    assert len(refused) == len(requests) // 3


def test_an_unchanged_list_is_one_request(sync, json_server):
    json_server.start()
    number = len(json_server.rows)
    assert sync(NoPages(), {}) == {"read": number, "created": number}
    json_server.requests()
    links = list(SyncLink.objects.order_by("pk").values())
    assert "etag" in StreamState.objects.get().validators
    assert sync(NoPages(), {}) == {"read": number, "unchanged": number}
    assert json_server.requests() == ["ok /products"]
    assert list(SyncLink.objects.order_by("pk").values()) == links
