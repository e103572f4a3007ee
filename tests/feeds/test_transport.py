import gzip
import socket
import time
import zlib

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError, FeedUnreachable
from django_ecommerce_sync.feeds import Basic, Bearer, Header, HTTPFeed, JSONFeed, Query, Stream
from django_ecommerce_sync.feeds.connections import is_public
from django_ecommerce_sync.feeds.transport import Transport, label

from .reading import FIELDS, rows

BODY = b'[{"sku": "a", "name": "' + b"x" * 5000 + b'"}]'


@pytest.fixture
def transport():
    transport = Transport(timeout=2, deadline=10)
    yield transport
    transport.close()


def body(transport, url, **kwargs):
    with transport.get(url, **kwargs) as document:
        return document.rewind().read()


def failure(transport, url, **kwargs):
    with pytest.raises(FeedError) as caught:
        transport.get(url, **kwargs)
    return caught.value


def raw(*pieces, pause=0.0):
    """An answer written byte by byte as given, whatever HTTP may say about it."""

    def answer(request):
        for piece in pieces:
            request.handler.wfile.write(piece)
            request.handler.wfile.flush()
            time.sleep(pause)

    return answer


def test_plain_and_compressed_bodies(server, transport):
    for headers, sent in (
        ({}, BODY),
        ({"Content-Encoding": "gzip"}, gzip.compress(BODY)),
        ({"Content-Type": "application/gzip"}, gzip.compress(BODY)),
        ({}, gzip.compress(BODY[:7]) + gzip.compress(BODY[7:]) + b"\0" * 512),
        ({"Content-Encoding": "gzip"}, gzip.compress(gzip.compress(BODY))),
    ):
        server.answer = lambda request, headers=headers, sent=sent: (200, headers, sent)
        assert body(transport, server.url) == BODY


def test_what_is_sent(server, transport, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    body(transport, f"{server.url}/x", params={"a": "b c"}, headers={"X-Own": "1"})
    (request,) = server.requests
    assert (request.path, request.query) == ("/x", {"a": "b c"})
    assert request.headers["User-Agent"].startswith("django-ecommerce-sync/")
    assert request.headers["X-Own"] == "1"
    assert "Authorization" not in request.headers


def test_local_files_plain_and_compressed(tmp_path, transport):
    plain, zipped = tmp_path / "a b.json", tmp_path / "data"
    plain.write_bytes(BODY)
    zipped.write_bytes(gzip.compress(BODY))
    assert body(transport, str(plain)) == BODY
    assert body(transport, plain.as_uri()) == BODY
    assert body(transport, str(zipped)) == BODY
    error = failure(transport, str(tmp_path / "missing.json"))
    assert isinstance(error, FeedUnreachable)


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_gzip_data_must_be_complete(tmp_path, transport, cut):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(BODY)[:-cut])
    assert failure(transport, str(path)).code == "feed_truncated"


def test_damaged_gzip_data(tmp_path, transport):
    packed = bytearray(gzip.compress(BODY))
    packed[-6] ^= 0xFF
    path = tmp_path / "data.gz"
    path.write_bytes(packed)
    assert failure(transport, str(path)).code == "feed_truncated"


def test_a_body_cut_short_is_never_used(server, transport, no_waiting):
    for sent in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        server.answer = raw(sent)
        server.requests.clear()
        assert failure(transport, server.url).code == "feed_truncated"
        assert len(server.requests) == 4


def test_a_second_attempt_may_succeed(server, transport, no_waiting):
    transport.deadline = 900
    answers = [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nabc"),
        raw(b""),
        lambda request: (503, {"Retry-After": "99999999"}, b""),
        lambda request: (200, {}, BODY),
    ]
    server.answer = lambda request: answers.pop(0)(request)
    assert body(transport, server.url) == BODY
    assert len(no_waiting) == 3
    assert no_waiting[-1] == 60.0


def test_retry_after_is_honoured_but_capped(server, no_waiting):
    transport = Transport(timeout=2, deadline=900)
    waits = ["7", "99999999", "Wed, 21 Oct 2015 07:28:00 GMT"]
    server.answer = lambda request: (
        429,
        {"Retry-After": waits[len(no_waiting)]} if len(no_waiting) < 3 else {},
        b"",
    )
    assert failure(transport, server.url).code == "http_error"
    assert no_waiting == [7.0, 60.0, 0.0]
    transport.close()


def test_no_wait_goes_beyond_the_deadline(server, transport):
    server.answer = lambda request: (503, {"Retry-After": "30"}, b"")
    assert failure(transport, server.url).code == "http_error"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "code", "requests"),
    [
        (401, FeedUnreachable, "unauthorized", 1),
        (403, FeedUnreachable, "unauthorized", 1),
        (404, FeedError, "http_error", 1),
        (500, FeedError, "http_error", 4),
    ],
)
def test_statuses(server, transport, no_waiting, status, kind, code, requests):
    server.answer = lambda request: (status, {}, b"")
    error = failure(transport, f"{server.url}/p?token=s3cret", params={"key": "s3cret"})
    assert (type(error), error.code, len(server.requests)) == (kind, code, requests)
    assert str(status) in error.message
    assert "s3cret" not in error.message


def test_nobody_there(transport, no_waiting):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = failure(transport, f"http://me:s3cret@127.0.0.1:{port}/x?token=s3cret")
    assert isinstance(error, FeedUnreachable)
    assert (error.code, len(no_waiting)) == ("unreachable", 3)
    assert error.message == f"http://127.0.0.1:{port}/x cannot be reached."


def test_a_name_nobody_knows(transport, no_waiting):
    error = failure(transport, "http://nobody.invalid/")
    assert isinstance(error, FeedUnreachable)


def test_silence(server, no_waiting):
    transport = Transport(timeout=0.2, deadline=10)
    server.answer = raw(b"", pause=0.5)
    assert failure(transport, server.url).code == "timeout"
    transport.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n"] + [b"X-A: b\r\n"] * 40,
        [HEAD] + [b"x"] * 40,
        [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"x"] * 40,
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] + [b"1\r\nx\r\n"] * 40,
    ],
)
def test_a_drip_ends_at_the_deadline(server, pieces):
    transport = Transport(timeout=1, deadline=0.7)
    server.answer = raw(*pieces, pause=0.1)
    began = time.monotonic()
    assert failure(transport, server.url).code == "timeout"
    assert time.monotonic() - began < 1.5
    transport.close()


def test_too_many_bytes(server, transport, tmp_path):
    transport.max_bytes = 1000
    server.answer = lambda request: (200, {}, BODY)
    assert failure(transport, server.url).code == "feed_too_large"
    server.answer = lambda request: (200, {"Content-Encoding": "gzip"}, gzip.compress(BODY))
    assert failure(transport, server.url).code == "feed_too_large"


def test_a_bomb_is_noticed_by_its_ratio(server, transport):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    server.answer = lambda request: (200, {}, bomb)
    assert failure(transport, server.url).code == "feed_too_large"


def test_an_unknown_content_encoding(server, transport):
    server.answer = lambda request: (200, {"Content-Encoding": "br"}, BODY)
    assert failure(transport, server.url).code == "encoding"


def test_redirects_stay_with_the_host(server, other_server, transport):
    targets = ["/b"]
    server.answer = lambda request: (
        (302, {"Location": targets[-1]}, b"") if request.path == "/a" else (200, {}, BODY)
    )
    assert body(transport, f"{server.url}/a", headers={"X-Key": "1"}) == BODY
    assert [request.headers["X-Key"] for request in server.requests] == ["1", "1"]
    for elsewhere in (
        other_server.url,
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "//x.test/",
    ):
        targets.append(elsewhere)
        assert failure(transport, f"{server.url}/a").code == "redirected"
    targets.append("/a")
    assert failure(transport, f"{server.url}/a").code == "redirected"
    assert other_server.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_private_addresses_are_refused_before_connecting(server, settings, no_waiting, host):
    settings.ECOMMERCE_SYNC = {}
    transport = Transport()
    error = failure(transport, f"http://me@{host}:{server.url.rpartition(':')[2]}/")
    assert isinstance(error, FeedUnreachable)
    assert error.code == "forbidden_address"
    assert server.requests == []
    transport.close()


def test_a_name_that_moves_to_a_private_address_after_the_check(
    server, settings, monkeypatch, no_waiting
):
    settings.ECOMMERCE_SYNC = {}
    resolve, answers = socket.getaddrinfo, ["93.184.216.34", "127.0.0.1"]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kw: resolve(answers.pop(0), *args, **kw)
    )
    transport = Transport()
    port = server.url.rpartition(":")[2]
    assert failure(transport, f"http://rebind.test:{port}/").code == "forbidden_address"
    assert server.requests == []
    transport.close()


def test_a_feed_may_allow_private_addresses(server, settings):
    settings.ECOMMERCE_SYNC = {}
    server.answer = lambda request: (200, {}, b'[{"sku": "a"}]')
    feed = JSONFeed(url=server.url, stream="products", fields=FIELDS, allow_private_addresses=True)
    assert rows(feed) == [{"sku": "a"}]


@pytest.mark.parametrize(
    ("auth", "seen"),
    [
        (Bearer(env="ACME"), {"Authorization": "Bearer s3cret"}),
        (Basic("me", env="ACME"), {"Authorization": "Basic bWU6czNjcmV0"}),
        (Header("X-Api-Key", env="ACME"), {"X-Api-Key": "s3cret"}),
    ],
)
def test_secrets_come_from_the_environment_when_they_are_used(server, monkeypatch, auth, seen):
    feed = HTTPFeed(base_url=server.url, auth=auth, streams=[Stream("products", fields=FIELDS)])
    monkeypatch.setenv("ACME", "s3cret")
    assert rows(feed) == []
    assert {name: server.requests[0].headers[name] for name in seen} == seen
    assert "s3cret" not in repr(auth)


def test_a_secret_in_the_query(server, monkeypatch):
    monkeypatch.setenv("ACME", "s3cret")
    rows(
        HTTPFeed(
            base_url=server.url,
            auth=Query("apiKey", env="ACME"),
            streams=[Stream("products", fields=FIELDS, params={"a": 1})],
        )
    )
    assert server.requests[0].query == {"a": "1", "apiKey": "s3cret"}


def test_a_secret_that_is_not_there(server, monkeypatch):
    monkeypatch.delenv("ACME", raising=False)
    feed = HTTPFeed(
        base_url=server.url, auth=Bearer(env="ACME"), streams=[Stream("products", fields=FIELDS)]
    )
    with pytest.raises(ConfigurationError, match="ACME"):
        rows(feed)
    assert server.requests == []


def test_labels_show_no_secret():
    assert label("https://me:s3cret@shop.test:8443/a/b?token=s3cret#s3cret") == (
        "https://shop.test:8443/a/b"
    )
