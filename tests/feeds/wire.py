"""Servers on 127.0.0.1 that do with their sockets what no web server would do, and a resolver."""

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress


class Wire:
    """Plays ``play(sock, number)`` on each connection; ``number`` counts from 0.

    With a ``context`` it speaks TLS first.
    """

    def __init__(self, play, *, context=None, host="127.0.0.1"):
        self.play = play
        self.context = context
        self.connections = 0
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://{host}:{self.port}"
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        with suppress(OSError):
            while not self.stopped.is_set():
                sock, _ = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(sock, self.connections))
                self.connections += 1
                self.threads.append(thread)
                thread.start()

    def _serve(self, sock, number):
        with suppress(OSError, ssl.SSLError):
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                self.play(sock, number)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()


def request(sock):
    """Read what the client asks, up to the empty line."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(4096)
        if not piece:
            break
        data += piece
    return data.decode("latin-1")


def sends(*pieces, pause=0.0):
    """Answer with these bytes as they are, and close."""

    def play(sock, number):
        request(sock)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)

    return play


def repeats(head, piece, pause=0.0, seconds=4.0):
    """Answer with ``head``, then ``piece`` over and over until the client goes."""

    def play(sock, number):
        request(sock)
        sock.sendall(head)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(piece)
            time.sleep(pause)

    return play


def stalls(head=b"", seconds=4.0):
    """Answer with ``head``, then say nothing until the client goes."""

    def play(sock, number):
        sock.settimeout(seconds)
        sock.recv(4096)
        sock.sendall(head)
        while sock.recv(4096):
            pass

    return play


def resets(head):
    """Answer with ``head``, then break the connection as a crashed host does (RST)."""

    def play(sock, number):
        request(sock)
        sock.sendall(head)
        time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    return play


def in_turn(*plays):
    """The first connection gets the first play, and so on; the last one stays."""

    def play(sock, number):
        plays[min(number, len(plays) - 1)](sock, number)

    return play


class Resolver:
    """Answers for every name, each time with the next list of addresses, and counts."""

    def __init__(self, monkeypatch, *answers):
        self.answers = list(answers)
        self.asked = []
        self.real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *args, **kwargs):
        self.asked.append(host)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return [found for address in answer for found in self.real(address, port, *args, **kwargs)]
