"""A real web server on 127.0.0.1 whose answers each test writes itself."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest


class Request:
    """What a client asked for."""

    def __init__(self, handler):
        parts = urlsplit(handler.path)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))
        self.headers = handler.headers
        self.handler = handler


class Server:
    """``answer(request)`` returns (status, headers, body), or None if it wrote by itself."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: (200, {}, b"[]")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits for the headers' receipt

            def do_GET(self):
                request = Request(self)
                outer.requests.append(request)
                answer = outer.answer(request)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response_only(status)
                usual = {"Date": self.date_time_string(), "Content-Length": len(body)}
                for name, value in {**usual, **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

            def handle(self):
                with suppress(OSError):
                    super().handle()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def other_server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def no_waiting(monkeypatch):
    """Retries happen at once; the list gets the seconds they would have waited."""
    waited = []
    monkeypatch.setattr("django_ecommerce_sync.feeds.transport.sleep", waited.append)
    return waited
