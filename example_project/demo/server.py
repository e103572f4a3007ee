"""A real HTTP server for the demo's shop: paged with ``limit`` and ``skip``, on loopback only."""

from __future__ import annotations

import errno
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from .catalogue import Row, catalogue

HOST = "127.0.0.1"
DEFAULT_LIMIT = 30


class CatalogueServer(ThreadingHTTPServer):
    """Serves one version of the catalogue; ``with CatalogueServer() as server`` runs in a thread.

    ``GET /products?limit=100&skip=200`` answers ``{"products": [...], "total": 501, "skip": 200,
    "limit": 100}``; ``/users`` and ``/carts`` likewise.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, version: int = 1) -> None:
        self.rows = catalogue(version)
        super().__init__((HOST, port), CatalogueHandler)

    @classmethod
    def near(cls, port: int, version: int = 1) -> Self:
        """A server at this port, or at the next one that nobody listens on."""
        while True:
            try:
                return cls(port, version)
            except OSError as error:  # to look beforehand leaves others time to come first
                if error.errno != errno.EADDRINUSE:
                    raise
                port += 1

    @property
    def url(self) -> str:
        """The base address of the feed."""
        return f"http://{HOST}:{self.server_port}/"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, name="catalogue", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()


class CatalogueHandler(BaseHTTPRequestHandler):
    """One page of one stream."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits for the headers' receipt
    server: CatalogueServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        stream = address.path.strip("/")
        if stream not in self.server.rows:
            return self._answer(404, {"message": f"There is no '{stream}' here."})
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        try:
            body = page(stream, self.server.rows[stream], query)
        except ValueError:
            return self._answer(400, {"message": "limit and skip must be whole numbers."})
        self._answer(200, body)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the demo's own report is what people should read."""


def page(stream: str, rows: list[Row], query: dict[str, str]) -> dict[str, Any]:
    """The rows asked for and where they stand; ``limit=0`` asks for all of them."""
    skip = int(query.get("skip", 0))
    limit = int(query.get("limit", DEFAULT_LIMIT)) or len(rows)
    if skip < 0 or limit < 0:
        raise ValueError
    chosen = rows[skip : skip + limit]
    return {stream: chosen, "total": len(rows), "skip": skip, "limit": len(chosen)}
