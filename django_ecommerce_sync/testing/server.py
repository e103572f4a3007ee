"""A real web server on this machine that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

#: Requests after which a feed is taken to ask for ever.
MAX_REQUESTS = 500
#: Seconds for which a silent answer keeps a feed waiting; a feed with a timeout goes before.
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a feed asked for."""

    #: The address as it was sent: path and query.
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The address without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What the source answers. A ``Content-Length`` of your own is sent as it is."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    #: Whether the source takes the request and never says a word.
    silent: bool = False


Answerer = Callable[[Request], Response]


class LocalServer(ThreadingHTTPServer):
    """Answers each request with what ``answer`` returns for it, and remembers the requests."""

    daemon_threads = True

    def __init__(self, answer: Answerer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[Request] = []
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def respond(self, request: Request) -> Response:
        """The answer to a request; nothing more once there have been far too many."""
        self.requests.append(request)
        if len(self.requests) > MAX_REQUESTS:
            return Response(b"The feed asks for ever.", status=410)
        return self.answer(request)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leaving.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits for the headers' receipt
    server: LocalServer

    def do_GET(self) -> None:
        response = self.server.respond(Request(self.path, dict(self.headers.items())))
        if response.silent:
            self.server.leaving.wait(PATIENCE)
            self.close_connection = True
            return
        headers = {"Content-Length": str(len(response.body)), **response.headers}
        self.send_response(response.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)
        self.close_connection = headers["Content-Length"] != str(len(response.body))

    def handle(self) -> None:
        with suppress(OSError):  # the feed has hung up
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is not an access log."""
