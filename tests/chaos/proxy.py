"""A way to MariaDB that loses, holds and delays: it knows MySQL's packets, and a COMMIT in them."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

QUERY = b"\x03"
#: What a statement of a batch has and no other: the engine counts its batches.
BATCH = b"`batch_number` ="


@dataclass
class Link:
    """One client's connection through the proxy."""

    client: socket.socket
    server: socket.socket
    #: Whether the open transaction has written a batch's place.
    in_batch: bool = False
    swallow: bool = False
    closed: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        """Reset both sides."""
        self.closed.set()
        for side in (self.client, self.server):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                side.close()


class Proxy:
    """Listens on ``port`` and passes everything on to ``target``, but for what it is told.

    ``before_commit`` and ``after_commit`` are called with the link at each COMMIT of a batch:
    before it reaches the server, and after the server has answered it but before the client
    hears of it. What they return says what becomes of it: True to pass it on, False to cut the
    link there.
    """

    def __init__(self, target: int, *, seed: int = 0) -> None:
        self.target = target
        self.random = random.Random(seed)
        self.delay = 0.0  # seconds for each COMMIT of a batch
        self.refuses = False
        self.before_commit: Callable[[Link], bool] = lambda link: True
        self.after_commit: Callable[[Link], bool] = lambda link: True
        self.links: set[Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True, name="proxy").start()

    def calm(self) -> None:
        """Pass everything on from now on."""
        self.delay = 0.0
        self.refuses = False
        self.before_commit = self.after_commit = lambda link: True

    def cut_all(self) -> None:
        """Reset every connection there is."""
        with self._lock:
            links = list(self.links)
        for link in links:
            link.cut()

    def close(self) -> None:
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Hashable(client, server)
            with self._lock:
                self.links.add(link)
            for pump in (self._upwards, self._downwards):
                threading.Thread(target=self._run, args=(pump, link), daemon=True).start()

    def _run(self, pump: Callable[[Link], None], link: Link) -> None:
        try:
            pump(link)
        except OSError:
            pass
        finally:
            link.cut()
            with self._lock:
                self.links.discard(link)

    def _upwards(self, link: Link) -> None:
        """Client to server, packet by packet."""
        while True:
            head = _exactly(link.client, 4)
            body = _exactly(link.client, int.from_bytes(head[:3], "little"))
            if body[:1] == QUERY:
                if BATCH in body:
                    link.in_batch = True
                elif body[1:].strip().upper() == b"COMMIT" and link.in_batch:
                    link.in_batch = False
                    if self.delay:
                        time.sleep(self.delay)
                    if not self.before_commit(link):
                        return
                    link.swallow = True
                elif body[1:].strip().upper() == b"ROLLBACK":
                    link.in_batch = False
            link.server.sendall(head + body)

    def _downwards(self, link: Link) -> None:
        """Server to client; the answer to a batch's COMMIT is looked at first."""
        while data := link.server.recv(65536):
            if link.swallow:
                link.swallow = False
                if not self.after_commit(link):
                    return
            link.client.sendall(data)


class _Hashable(Link):
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def _exactly(side: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = side.recv(size - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


class Gate:
    """Stops the n-th batch at its COMMIT, until it is let go or cut off.

    ``reached`` is set when it is there; the one who holds it decides in between.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.passes = True
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, link: Link) -> bool:
        with self._lock:
            self._seen += 1
            mine = self._seen == self.number
        if not mine:
            return True
        self.reached.set()
        while not self.opened.wait(0.02) and not link.closed.is_set():
            pass
        return self.passes

    def open(self, *, passes: bool = True) -> None:
        """Let the batch go, or cut its link."""
        self.passes = passes
        self.opened.set()
