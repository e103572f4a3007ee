import gzip
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError, FeedUnreachable
from django_ecommerce_sync.feeds import Basic, Bearer, Header, HTTPFeed, Query, Stream, connections
from django_ecommerce_sync.feeds.transport import Transport

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


# -- attempts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server, transport, no_waiting, status):
    answers = [(status, {}, b""), (status, {}, b""), (200, {}, BODY)]
    server.answer = lambda request: answers.pop(0)
    assert body(transport, server.url) == BODY
    assert len(no_waiting) == 2


def test_waits_grow_and_are_left_to_chance(server, no_waiting):
    transport = Transport(timeout=2, deadline=900)
    server.answer = lambda request: (500, {}, b"")
    for _ in range(20):
        failure(transport, server.url)
    transport.close()
    bounds = [(0.5, 1), (2, 3), (4, 5)]
    for number, (least, most) in enumerate(bounds):
        waits = no_waiting[number::3]
        assert len(set(waits)) == 20
        assert min(waits) >= least
        assert max(waits) <= most


@pytest.mark.parametrize("status", [413, 429, 503])
def test_retry_after_is_honoured_but_capped(server, no_waiting, status):
    transport = Transport(timeout=2, deadline=900)
    waits = ["7.0", "99999999", format_datetime(datetime.now(UTC) + timedelta(seconds=30), True)]
    server.answer = lambda request: (
        status,
        {"Retry-After": waits[min(len(no_waiting), 2)]},
        b"",
    )
    assert failure(transport, server.url).code == "http_error"
    assert no_waiting == [7.0, 60.0, pytest.approx(29, abs=2)]
    transport.close()


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1.5.2", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 5000, "1 Jan 99999"]
)
def test_a_retry_after_that_is_of_no_use(server, no_waiting, value):
    transport = Transport(timeout=2, deadline=900)
    answers = [(503, {"Retry-After": value}, b""), (200, {}, BODY)]
    server.answer = lambda request: answers.pop(0)
    assert body(transport, server.url) == BODY
    assert 0.5 <= no_waiting[0] <= 60
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
        (300, FeedError, "http_error", 1),
        (206, FeedError, "http_error", 1),
        (304, FeedError, "http_error", 1),
        (413, FeedError, "http_error", 1),
        (501, FeedError, "http_error", 1),
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
        error = failure(transport, f"http://127.0.0.1:{port}/x?token=s3cret")
    assert isinstance(error, FeedUnreachable)
    assert (error.code, len(no_waiting)) == ("unreachable", 3)
    assert error.message == f"http://127.0.0.1:{port}/x cannot be reached."


def test_too_many_bytes(server, transport, tmp_path):
    transport.max_bytes = 1000
    server.answer = lambda request: (200, {}, BODY)
    assert failure(transport, server.url).code == "feed_too_large"
    server.answer = lambda request: (200, {"Content-Encoding": "gzip"}, gzip.compress(BODY))
    assert failure(transport, server.url).code == "feed_too_large"


def test_an_unknown_content_encoding(server, transport):
    server.answer = lambda request: (200, {"Content-Encoding": "br"}, BODY)
    assert failure(transport, server.url).code == "encoding"


# -- redirects: S18, S19 -------------------------------------------------------------------------


@pytest.fixture
def redirecting(server):
    """``/a`` leads to the address that the test puts into the list, everything else answers."""
    targets = []
    server.answer = lambda request: (
        (302, {"Location": targets[0]}, b"") if request.path == "/a" else (200, {}, BODY)
    )
    return targets


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_on_the_same_host_are_followed_with_the_secrets(server, transport, status):
    server.answer = lambda request: (
        (status, {"Location": "/b"}, b"") if request.path == "/a" else (200, {}, BODY)
    )
    assert body(transport, f"{server.url}/a", headers={"X-Key": "1"}) == BODY
    assert [request.headers["X-Key"] for request in server.requests] == ["1", "1"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://169.254.169.254/",
        "//x.test/", "https://127.0.0.1/", "http://localhost/", "http://[", "http://127.0.0.1:x/",
        "http://127.0.0.1:99999/", "javascript:alert(1)", "",
    ],
)  # fmt: skip
def test_redirects_elsewhere_are_refused(server, transport, redirecting, elsewhere):
    redirecting.append(elsewhere)
    assert failure(transport, f"{server.url}/a").code in ("redirected", "http_error")
    assert [request.path for request in server.requests if request.path != "/a"] == []


def test_no_secret_goes_to_another_host(server, other_server, transport, redirecting):
    secrets = {"Authorization": "s3cret", "Cookie": "s3cret", "X-Api-Key": "s3cret"}
    port = server.url.rpartition(":")[2]
    other_port = other_server.url.rpartition(":")[2]
    redirecting.append("")
    for elsewhere in (
        other_server.url,
        f"//127.0.0.1:{other_port}/",
        f"http://127.0.0.1:{port}@127.0.0.1:{other_port}/",
        f"http://127.0.0.1:{other_port}\\@127.0.0.1:{port}/",
        f"http://me:pw@127.0.0.1:{port}/b",
    ):
        redirecting[0] = elsewhere
        error = failure(transport, f"{server.url}/a", headers=secrets, params={"k": "s3cret"})
        assert error.code == "redirected"
        assert "s3cret" not in error.message
        assert "pw" not in error.message
    assert other_server.requests == []
    assert {request.path for request in server.requests} == {"/a"}


@pytest.mark.parametrize(("hops", "arrives"), [(3, True), (4, False)])
def test_three_redirects_are_enough(server, transport, hops, arrives):
    server.answer = lambda request: (
        (302, {"Location": f"/{int(request.path[1:]) - 1}"}, b"")
        if request.path != "/0"
        else (200, {}, BODY)
    )
    if arrives:
        assert body(transport, f"{server.url}/{hops}") == BODY
    else:
        assert failure(transport, f"{server.url}/{hops}").code == "redirected"
    assert len(server.requests) == 4


def test_the_target_of_a_redirect_is_resolved_and_checked_again(server, settings, monkeypatch):
    """The same name, but it has moved to another address when the new connection is made."""
    settings.ECOMMERCE_SYNC = {}
    monkeypatch.setattr(connections, "is_public", lambda address: not moved)
    moved = []
    away = {"Location": "/b", "Connection": "close"}
    server.answer = lambda request: moved.append(1) or (302, away, b"")
    transport = Transport(timeout=2, deadline=10)
    assert failure(transport, f"{server.url}/a").code == "forbidden_address"
    transport.close()
    assert [request.path for request in server.requests] == ["/a"]


def test_a_redirect_shows_nothing_but_host_and_path(server, transport, redirecting):
    redirecting.append("")
    for elsewhere in ("https://me:s3cret@x.test/p?k=s3cret#s3cret", "ftp://s3cret@x.test/s3cret"):
        redirecting[0] = elsewhere
        assert "s3cret" not in failure(transport, f"{server.url}/a").message


def test_connections_are_used_again(server, transport):
    for sent in (BODY, gzip.compress(BODY), b""):
        server.answer = lambda request, sent=sent: (200, {}, sent)
        transport.get(server.url).close()
    assert len({request.handler.client_address for request in server.requests}) == 1


def test_cookies_are_not_kept(server, transport):
    server.answer = lambda request: (200, {"Set-Cookie": "session=1; Path=/"}, BODY)
    body(transport, server.url)
    body(transport, server.url, headers={"Cookie": "own=1"})
    assert [request.headers["Cookie"] for request in server.requests] == [None, "own=1"]


# -- only what has changed -----------------------------------------------------------------------

DATED = {"ETag": 'W/"a\xe9b"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}


def test_an_unchanged_document_is_not_sent_again(server, transport):
    server.answer = lambda request: (
        (304, DATED, b"")
        if request.headers["If-None-Match"] == DATED["ETag"]
        and request.headers["If-Modified-Since"] == DATED["Last-Modified"]
        else (200, DATED, BODY)
    )
    with transport.get(server.url) as first:
        assert not first.unchanged
        validators = {**first.validators, "digest": first.digest()}
        assert first.validators == {"etag": DATED["ETag"], "last_modified": DATED["Last-Modified"]}
    with transport.get(server.url, validators=validators) as second:
        assert second.unchanged
        assert second.rewind().read() == b""
        assert second.date is not None
        assert second.validators == first.validators


@pytest.mark.parametrize("validators", [None, {}, {"digest": "abc"}, {"etag": ""}])
def test_without_validators_nothing_is_conditional(server, transport, validators):
    body(transport, server.url, validators=validators)
    (request,) = server.requests
    assert request.headers["If-None-Match"] is None
    assert request.headers["If-Modified-Since"] is None


def test_a_document_that_changed_is_sent(server, transport):
    server.answer = lambda request: (200, {"ETag": '"2"'}, BODY)
    with transport.get(server.url, validators={"etag": '"1"'}) as document:
        assert not document.unchanged
        assert document.rewind().read() == BODY
        assert document.validators == {"etag": '"2"'}


# -- not faster than the source likes --------------------------------------------------------------


def test_a_used_up_quota_slows_the_next_request_down(server, transport, no_waiting):
    answers = [{"RateLimit-Remaining": "0", "RateLimit-Reset": "7"}, {}, {}]
    server.answer = lambda request: (200, answers.pop(0), BODY)
    transport.deadline = 900
    body(transport, server.url)
    assert no_waiting == []
    body(transport, server.url)
    assert no_waiting == [pytest.approx(7, abs=1)]
    body(transport, server.url)
    assert len(no_waiting) == 1


def test_a_quota_cannot_hold_us_longer_than_the_ceiling(server, transport, no_waiting):
    server.answer = lambda request: (200, {"RateLimit": '"d";r=0;t=99999999'}, BODY)
    transport.deadline = 900
    body(transport, server.url)
    body(transport, server.url)
    assert no_waiting == [pytest.approx(60, abs=1)]


def test_a_quota_that_does_not_fit_the_deadline_is_put_to_the_test(server, no_waiting):
    transport = Transport(timeout=2, deadline=5)
    server.answer = lambda request: (200, {"RateLimit": '"d";r=0;t=50'}, BODY)
    body(transport, server.url)
    body(transport, server.url)
    assert no_waiting == []
    transport.close()


# -- secrets ---------------------------------------------------------------------------------------


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
