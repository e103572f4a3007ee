"""Connections that reach public addresses only, and that a deadline can cut."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..exceptions import FeedUnreachable

NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(slots=True)
class Guard:
    """What the request under way may reach and until when; its connection asks here."""

    allow_private: bool
    expired: bool = False
    sockets: list[Any] = field(default_factory=list)

    def check(self, address: str) -> None:
        """Refuse a private address; raises ``FeedUnreachable``."""
        if not self.allow_private and not is_public(address):
            raise FeedUnreachable(
                "forbidden_address",
                "The feed's host has a private or reserved address; set "
                "allow_private_addresses=True for this feed if that is right.",
            )

    def expire(self) -> None:
        """Cut the connection: a body that drips byte by byte never times out by itself."""
        self.expired = True
        for sock in self.sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


_current: ContextVar[Guard] = ContextVar("_current")


@contextmanager
def guarded(*, allow_private: bool, seconds: float) -> Iterator[Guard]:
    """Put every connection used inside under a guard that expires after ``seconds``."""
    guard = Guard(allow_private)
    token = _current.set(guard)
    timer = threading.Timer(max(seconds, 0), guard.expire)
    timer.daemon = True
    timer.start()
    try:
        yield guard
    finally:
        timer.cancel()
        _current.reset(token)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when it wraps another one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        guard = _current.get()
        for found in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            guard.check(str(found[4][0]))
        sock = super()._new_conn()
        try:  # the name was resolved a second time, perhaps to somewhere else
            guard.check(sock.getpeername()[0])
        except BaseException:
            sock.close()
            raise
        return sock

    def getresponse(self) -> Any:
        _current.get().sockets.append(self.sock)
        return super().getresponse()


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class GuardedAdapter(HTTPAdapter):
    """The adapter whose connections keep to the guard of the request under way."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
