"""Sources that break off, drip, hang or never end: every one ends, and nothing half is used."""

import errno
import gzip
import os
import resource
import socket
import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO

import pytest
import trustme
from django.core.management import call_command

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import JSONFeed, XMLFeed
from django_ecommerce_sync.feeds.document import IN_MEMORY, spool
from django_ecommerce_sync.feeds.transport import Transport
from django_ecommerce_sync.models import Product, SyncRun

from .reading import FIELDS, rows
from .wire import Resolver, Wire, in_turn, repeats, resets, sends, stalls

BODY = b'[{"sku": "a", "name": "' + b"x" * 5000 + b'"}]'
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LONG = OK + b"Content-Length: 9000\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = OK + b"\r\n"
PACKED = gzip.compress(BODY)


def get(url, **options):
    transport = Transport(**{"timeout": 2, "deadline": 30, **options})
    try:
        with transport.get(url) as document:
            return document.rewind().read()
    finally:
        transport.close()


def failure(url, **options):
    with pytest.raises(FeedError) as caught:
        get(url, **options)
    return caught.value


def outcome_of_a_run():
    with suppress(SystemExit):
        call_command("ecommerce_sync", "run", "shop", stdout=StringIO(), stderr=StringIO())
    run = SyncRun.objects.latest("pk")
    return run.status, run.error_code, Product.objects.count()


# -- F38: the source dies ------------------------------------------------------------------------

BROKEN_OFF = {
    "before the announced length": sends(LONG + BODY),
    "between two chunks": sends(CHUNKED + b"3\r\nabc\r\n"),
    "inside a chunk": sends(CHUNKED + b"9\r\nabc"),
    "before the first chunk": sends(CHUNKED),
    "by a reset": resets(LONG + BODY),
    "by a reset where no length was announced": resets(ENDLESS + BODY),
    "by a reset inside a chunk": resets(CHUNKED + b"fff\r\nabc"),
}


@pytest.mark.parametrize("play", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_a_body_that_breaks_off_is_never_used(no_waiting, play):
    with Wire(play) as wire:
        error = failure(wire.url)
        assert (error.code, wire.connections) == ("feed_truncated", 4)
        assert error.message == f"{wire.url} broke off before its end."


@pytest.mark.parametrize("play", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_a_second_attempt_gets_the_whole(no_waiting, play):
    with Wire(in_turn(play, sends(WHOLE))) as wire:
        assert get(wire.url) == BODY
        assert wire.connections == 2


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (resets(b""), "broke off before it answered"),
        (sends(b""), "broke off before it answered"),
        (sends(b"220 mail.test ESMTP\r\n\r\n"), "answers with something that is not HTTP"),
        (sends(OK + b"X-A: " + b"a" * 70_000), "answers with something that is not HTTP"),
        (sends(OK + b"X-A: b\r\n" * 200 + b"\r\n"), "answers with something that is not HTTP"),
    ],
)
def test_no_answer_to_speak_of(no_waiting, play, says):
    with Wire(play) as wire:
        error = failure(wire.url)
        assert (error.code, error.message) == ("unreachable", f"{wire.url} {says}.")
        assert len(no_waiting) == 3


@pytest.mark.django_db
def test_nothing_of_a_truncated_feed_is_written(settings, no_waiting):
    rest = b'[{"sku": "a", "name": "A", "price": "1.00"}]'
    cut = OK + b"Content-Length: %d\r\n\r\n%b" % (len(rest) + 1, rest)
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(rest), rest)
    with Wire(in_turn(*[sends(cut)] * 4, sends(whole))) as wire:
        options = {"url": wire.url, "stream": "products", "fields": {**FIELDS, "price": "price"}}
        feeds = {"shop": {"BACKEND": "django_ecommerce_sync.feeds.JSONFeed", "OPTIONS": options}}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": feeds}
        outcomes = [outcome_of_a_run(), outcome_of_a_run()]
    assert outcomes == [("failed", "feed_truncated", 0), ("succeeded", "", 1)]


# -- F39: nothing tells that something is missing ------------------------------------------------


def test_without_a_length_the_end_of_the_connection_is_the_end():
    with Wire(sends(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)) as wire:
        assert get(wire.url) == BODY


@pytest.mark.parametrize("cut", [1, 4, 8, 20, len(PACKED) - 10])
def test_cut_gzip_data_without_a_length(cut):
    head = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    with Wire(sends(head + PACKED[:-cut])) as wire:
        assert failure(wire.url).code == "feed_truncated"


@pytest.mark.parametrize(
    ("kind", "whole"),
    [
        (JSONFeed, b'[{"sku": "a"}, {"sku": "b"}]'),
        (XMLFeed, b"<all><p><sku>a</sku></p><p><sku>b</sku></p></all>"),
    ],
)
def test_a_cut_document_without_a_length_is_refused_by_its_structure(kind, whole):
    options = {"stream": "products", "fields": FIELDS}
    options |= {"records": "p"} if kind is XMLFeed else {}
    for end in range(len(whole) - 1, 0, -1):
        with Wire(sends(b"HTTP/1.0 200 OK\r\n\r\n" + whole[:end])) as wire:
            feed = kind(url=wire.url, **options)
            with pytest.raises(FeedError):
                rows(feed)


# -- F40: the source never comes to an end -------------------------------------------------------


def unanswered(seconds):
    """TLS that is promised and does not come: a record of 16 KB, byte by byte."""

    def play(sock, number):
        sock.recv(4096)
        sock.sendall(b"\x16\x03\x03\x40\x00")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(b"\x02")
            time.sleep(0.1)

    return play


ENDLESS_PLAYS = {
    "headers that drip": repeats(OK, b"X-A: b\r\n", 0.1),
    "one header that drips": repeats(OK + b"X-A: ", b"b", 0.1),
    "provisional answers without end": repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "a body that drips": repeats(LONG, b"x", 0.1),
    "a body that drips, without a length": repeats(ENDLESS, b"x", 0.1),
    "chunks that drip": repeats(CHUNKED, b"1\r\nx\r\n", 0.1),
    "chunks' extensions that drip": repeats(CHUNKED + b"1;", b"a", 0.1),
    "trailers without end": repeats(CHUNKED + b"0\r\n", b"X-A: b\r\n", 0.001),
    "a body that drips and is gzipped": repeats(
        OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED[:10], b"x", 0.1
    ),
    "silence": stalls(),
    "silence after the headers": stalls(LONG),
}


@pytest.mark.parametrize("play", ENDLESS_PLAYS.values(), ids=ENDLESS_PLAYS)
def test_the_deadline_ends_what_has_no_end(play):
    began = time.monotonic()
    with Wire(play) as wire:
        error = failure(wire.url, timeout=10, deadline=0.6)
        assert time.monotonic() - began < 1.5
        assert error.code == "timeout"
        assert wire.connections == 1


@pytest.mark.parametrize("play", [stalls(), unanswered(4)])
def test_the_deadline_ends_a_handshake(play):
    began = time.monotonic()
    with Wire(play) as wire:
        failure(wire.url.replace("http", "https"), timeout=10, deadline=0.6)
        assert time.monotonic() - began < 1.5


def test_the_deadline_ends_a_drip_under_tls(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    began = time.monotonic()
    with Wire(repeats(LONG, b"x", 0.1), context=context) as wire:
        error = failure(wire.url, timeout=10, deadline=0.8, ca_bundle=str(tmp_path / "ca.pem"))
        assert error.code == "timeout"
        assert time.monotonic() - began < 1.8


@contextmanager
def full(host, port=0):
    """A port where nobody takes the connections any more: one more waits for ever."""
    with socket.create_server((host, port), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            assert waiting.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        yield listener.getsockname()[1]


def test_the_deadline_ends_a_connection_that_is_not_taken():
    with full("127.0.0.1") as port:
        began = time.monotonic()
        error = failure(f"http://127.0.0.1:{port}", timeout=10, deadline=0.6)
        assert (error.code, time.monotonic() - began < 1.5) == ("timeout", True)


def test_the_deadline_is_for_all_addresses_of_a_name(monkeypatch):
    with full("127.0.0.2") as port, full("127.0.0.3", port):
        Resolver(monkeypatch, ["127.0.0.2", "127.0.0.3"])
        began = time.monotonic()
        failure(f"http://shop.test:{port}", timeout=1.5, deadline=2)
        assert time.monotonic() - began < 2.6


def test_the_deadline_is_for_connecting_and_the_handshake_together(monkeypatch):
    with Wire(stalls(), host="127.0.0.3") as wire, full("127.0.0.2", wire.port):
        Resolver(monkeypatch, ["127.0.0.2", "127.0.0.3"])
        began = time.monotonic()
        failure(f"https://shop.test:{wire.port}", timeout=1.5, deadline=2)
        assert wire.connections == 1
        assert time.monotonic() - began < 2.6


def test_a_silence_shorter_than_the_deadline_is_tried_again(no_waiting):
    with Wire(in_turn(stalls(), stalls(), sends(WHOLE))) as wire:
        assert get(wire.url, timeout=0.2) == BODY
        assert len(no_waiting) == 2


@pytest.mark.parametrize(
    "play",
    [repeats(ENDLESS, b"x" * 65536), repeats(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n")],
)
def test_the_cap_ends_a_body_without_end(play):
    began = time.monotonic()
    with Wire(play) as wire:
        assert failure(wire.url, max_bytes=20_000_000).code == "feed_too_large"
        assert time.monotonic() - began < 3


def test_a_circle_of_redirects_ends():
    with Wire(sends(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")) as wire:
        assert failure(wire.url).code == "redirected"
        assert wire.connections == 4


@pytest.mark.parametrize("status", [b"302 Found", b"404 Not Found", b"304 Not Modified"])
def test_the_body_of_another_answer_is_not_read(status):
    began = time.monotonic()
    head = b"HTTP/1.1 %b\r\nLocation: /elsewhere\r\n\r\n" % status
    with Wire(in_turn(repeats(head, b"x" * 65536), sends(WHOLE))) as wire:
        if status.startswith(b"302"):
            assert get(wire.url) == BODY
        else:
            assert failure(wire.url).code == "http_error"
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
@pytest.mark.parametrize("value", [b"99999999", b"9" * 5000, b"Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_source_cannot_have_us_wait_for_ever(no_waiting, status, value):
    answer = b"HTTP/1.1 %b\r\nRetry-After: %b\r\nContent-Length: 0\r\n\r\n" % (status, value)
    with Wire(sends(answer)) as wire:
        assert failure(wire.url, deadline=900).code == "http_error"
        assert len(no_waiting) == 3
        assert max(no_waiting) <= 60


def test_a_wait_that_would_pass_the_deadline_ends_at_once():
    answer = b"HTTP/1.1 429 No\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n"
    began = time.monotonic()
    with Wire(sends(answer)) as wire:
        failure(wire.url, deadline=30)
        assert (wire.connections, time.monotonic() - began < 2) == (1, True)


# -- what comes is more than we can hold ---------------------------------------------------------


def test_what_is_spooled_is_for_our_eyes_only():
    previous = os.umask(0)
    try:
        with spool([b"x" * (IN_MEMORY + 1)], 1 << 30, "it") as file:
            assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
    finally:
        os.umask(previous)


@pytest.mark.parametrize("size", [IN_MEMORY + (3 << 20), IN_MEMORY + (1 << 20) + 1])
def test_a_disk_without_room(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (IN_MEMORY + (1 << 20), hard))
    try:
        with Wire(sends(OK + b"\r\n" + b"x" * size)) as wire:
            error = failure(f"{wire.url}/p?token=s3cret")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.code == "no_space"
    assert error.message.startswith(f"{wire.url}/p cannot be kept in ")
    assert os.strerror(errno.EFBIG) in error.message
