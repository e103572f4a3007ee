"""Connections that reach public addresses only, and that a deadline can cut."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ..exceptions import FeedUnreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What IANA's registries of special-purpose addresses keep from the public internet. The standard
#: library's own answer differs from one patch release of Python to the next.
RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "3fff::/20",
    )
)  # fmt: skip
#: All of IPv6 that has been given out for the public internet.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when it wraps another one."""
    ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_UNICAST:
        return False
    return not any(ip in network for network in RESERVED)


def _unwrapped(ip: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it, or the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


@dataclass(slots=True)
class Guard:
    """What the request under way may reach and until when; its connection asks here."""

    allow_private: bool
    #: The end of the request, on the monotonic clock.
    until: float
    expired: bool = False
    sockets: list[socket.socket] = field(default_factory=list)

    def check(self, host: str, address: str) -> None:
        """Refuse a private address; raises ``FeedUnreachable``."""
        if not self.allow_private and not is_public(address):
            raise FeedUnreachable(
                "forbidden_address",
                f"The host {host} has the private or reserved address {address}; set "
                "allow_private_addresses=True for this feed if that is right.",
            )

    def limited(self, timeout: float | None) -> float:
        """The timeout, or the seconds that are left if they are fewer."""
        left = max(self.until - monotonic(), 0.001)
        return left if timeout is None else min(timeout, left)

    def expire(self) -> None:
        """Cut the connection: a body that drips byte by byte never times out by itself."""
        self.expired = True
        for sock in self.sockets:
            with suppress(OSError):
                # A TLS socket's own shutdown would have its reader take ciphertext for plain.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


_current: ContextVar[Guard] = ContextVar("_current")


@contextmanager
def guarded(*, allow_private: bool, until: float) -> Iterator[Guard]:
    """Put every connection used inside under a guard that expires at ``until``."""
    guard = Guard(allow_private, until)
    token = _current.set(guard)
    timer = threading.Timer(max(until - monotonic(), 0), guard.expire)
    timer.daemon = True
    timer.start()
    try:
        yield guard
    finally:
        timer.cancel()
        _current.reset(token)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """Resolve the name once, check all it stands for, and connect to exactly that."""
        guard, found = _current.get(), self._resolved()
        for *_, address in found:
            guard.check(self.host, str(address[0]))
        error: OSError | None = None
        for candidate in found:
            try:
                return self._connected(candidate, guard)
            except OSError as failed:
                error = failed
        if isinstance(error, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from error
        raise NewConnectionError(self, "refused") from error

    def _resolved(self) -> list[Any]:
        try:
            return socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            unknown = socket.gaierror(socket.EAI_NONAME, "not a host name")
            raise NameResolutionError(self.host, self, unknown) from error
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error

    def _connected(self, candidate: Any, guard: Guard) -> socket.socket:
        family, kind, protocol, _, address = candidate
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(guard.limited(self.timeout))
            sock.connect(address)
            sock.settimeout(guard.limited(self.timeout))  # for the TLS handshake
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
        super().init_poolmanager(*args, **kwargs, ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
