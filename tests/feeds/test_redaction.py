import base64
import io
import json
import logging
import traceback
from urllib.parse import quote, quote_plus

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError
from django_ecommerce_sync.feeds import (
    Basic,
    Bearer,
    Header,
    HTTPFeed,
    PageNumber,
    Query,
    Stream,
    redaction,
)
from django_ecommerce_sync.feeds.auth import secret
from django_ecommerce_sync.feeds.redaction import RedactingFilter, install, redacted, remember

from .reading import FIELDS, rows
from .wire import Wire, resets, sends

CANARY = 'cAnAry/+ "7&=é\\'


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch):
    """Each test begins without secrets."""
    monkeypatch.setattr(redaction, "_memory", type(redaction._memory)())


@pytest.fixture
def log():
    """A logger of its own, and what it writes; the process is as it was afterwards."""
    stream, logger = io.StringIO(), logging.getLogger("redaction.test")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.propagate = False
    make = logging.getLogRecordFactory()
    yield logger, stream
    logging.setLogRecordFactory(make)
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "spelling",
    [
        CANARY,
        quote(CANARY, safe=""),
        quote(CANARY),
        quote_plus(CANARY),
        json.dumps(CANARY)[1:-1],
        json.dumps(CANARY, ensure_ascii=False)[1:-1],
    ],
)
def test_every_spelling_is_masked(spelling):
    remember(CANARY)
    assert redacted(f"a {spelling} b {spelling}") == "a ••• b •••"


def test_the_longest_secret_is_masked_first():
    remember("secret")
    remember("secret-and-more")
    assert redacted("secret-and-more secret") == "••• •••"


def test_short_values_leave_texts_readable():
    remember("admin")
    assert redacted("administrator") == "administrator"
    remember("admin1")
    assert redacted("admin1 administrator") == "••• administrator"


def test_without_secrets_nothing_changes():
    assert redacted("a ••• b") == "a ••• b"


def test_a_secret_is_remembered_when_it_is_used(monkeypatch):
    monkeypatch.setenv("ACME", "tok3n-of-acme")
    assert redacted("tok3n-of-acme") == "tok3n-of-acme"
    assert secret("ACME") == "tok3n-of-acme"
    assert redacted("tok3n-of-acme") == "•••"


def test_basic_is_masked_as_it_is_sent_even_with_a_short_password(monkeypatch):
    monkeypatch.setenv("ACME", "pw")
    sent = Basic("me", env="ACME").headers()["Authorization"]
    assert sent == f"Basic {base64.b64encode(b'me:pw').decode()}"
    assert redacted(sent) == "Basic •••"


@pytest.mark.parametrize("value", ["tok3n\n", " tok3n", "tok\n3n", "tok3n\x00"])
def test_a_secret_with_a_line_break_or_a_blank_around_it(monkeypatch, value):
    if "\0" in value:
        value = "tok3n\x7f"
    monkeypatch.setenv("ACME", value)
    with pytest.raises(ConfigurationError, match="ACME") as caught:
        secret("ACME")
    assert "tok" not in str(caught.value)


@pytest.mark.parametrize("auth", [Bearer(env="ACME"), Header("X-Key", env="ACME")])
def test_a_token_that_no_header_can_carry(monkeypatch, auth):
    monkeypatch.setenv("ACME", "tok3n-€")
    with pytest.raises(ConfigurationError, match="ASCII") as caught:
        auth.headers()
    assert "tok3n" not in str(caught.value)


# -- logs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda logger: logger.warning("see https://shop.test/?key=canary-7"),
        lambda logger: logger.warning("see %s and %s", "canary-7", {"key": "canary-7"}),
        lambda logger: logger.warning("see %(key)s", {"key": "canary-7"}),
        lambda logger: logger.warning(ValueError("canary-7")),
        lambda logger: logger.warning("see", stack_info=True, extra={"x": "canary-7"}),
    ],
)
def test_log_records_are_masked(log, call):
    logger, stream = log
    remember("canary-7")
    install()
    call(logger)
    assert "canary-7" not in stream.getvalue().replace('"canary-7"', "")


def test_tracebacks_are_masked_to_the_last_cause(log):
    logger, stream = log
    secret = "-".join(["canary", "7"])
    remember(secret)
    install()
    try:
        try:
            raise ValueError(f"key={secret}")
        except ValueError as error:
            raise KeyError(secret) from error
    except KeyError:
        logger.exception("It failed with %s", secret)
    text = stream.getvalue()
    assert secret not in text
    assert "ValueError: key=•••" in text
    assert "KeyError: '•••'" in text


def test_records_without_a_secret_stay_as_they_are(log):
    logger, _ = log
    remember("canary-7")
    kept = []
    logger.addFilter(lambda record: not kept.append((record.args, record.exc_info)))
    install()
    try:
        raise ValueError("nothing to hide")
    except ValueError as error:
        logger.exception("It failed with %s", error)
    ((args, exc_info),) = kept
    assert [str(arg) for arg in args] == ["nothing to hide"]
    assert exc_info[0] is ValueError


def test_a_faulty_call_shows_no_secret_either(log):
    logger, stream = log
    remember("canary-7")
    install()
    logger.warning("%d of %s", "canary-7")
    assert stream.getvalue() == "%d of %s ('•••',)\n"


def test_installing_twice_masks_once(log):
    install()
    make = logging.getLogRecordFactory()
    install()
    assert logging.getLogRecordFactory() is make


def test_the_filter_can_be_named_in_LOGGING(log):
    logger, stream = log
    remember("canary-7")
    logger.handlers[0].addFilter(RedactingFilter())
    logger.warning("see %s", "canary-7")
    assert stream.getvalue() == "see •••\n"


# -- S22: no message, log or traceback has a secret in it ------------------------------------------

SECRET = "canary-in-everything-7"
FAULTS = {
    "refused": sends(b"HTTP/1.1 401 No\r\nContent-Length: 22\r\n\r\n" + SECRET.encode()),
    "an error page": sends(
        b"HTTP/1.1 500 No\r\nX-Echo: %b\r\nContent-Length: 22\r\n\r\n%b"
        % (SECRET.encode(), SECRET.encode())
    ),
    "an error page with 200": sends(
        b"HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n<html>%b</html>" % SECRET.encode()
    ),
    "broken off": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + SECRET.encode()),
    "reset": resets(b""),
    "no HTTP": sends(b"%b\r\n\r\n" % SECRET.encode()),
    "a faulty header": sends(
        b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 5\r\n\r\n[{1}]" % SECRET.encode()
    ),
    "elsewhere": sends(
        b"HTTP/1.1 302 No\r\nLocation: http://u:%b@other.test/?k=%b\r\nContent-Length: 0\r\n\r\n"
        % (SECRET.encode(), SECRET.encode())
    ),
    "an unknown encoding": sends(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 22\r\n\r\n" + SECRET.encode()
    ),
}
AUTHS = {
    "bearer": Bearer(env="ACME"),
    "basic": Basic("me", env="ACME"),
    "header": Header("X-Api-Key", env="ACME"),
    "query": Query("token", env="ACME"),
}


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
@pytest.mark.parametrize("play", FAULTS.values(), ids=FAULTS)
def test_no_error_shows_a_secret(monkeypatch, no_waiting, caplog, play, auth):
    monkeypatch.setenv("ACME", SECRET)
    caplog.set_level(logging.DEBUG)
    make = logging.getLogRecordFactory()
    install()
    with Wire(play) as wire:
        streams = [
            Stream("products", fields=FIELDS, params={"key": SECRET}, paginator=PageNumber())
        ]
        feed = HTTPFeed(base_url=wire.url, auth=auth, streams=streams, headers={"X-Two": SECRET})
        with pytest.raises(FeedError) as caught:
            rows(feed)
    logging.setLogRecordFactory(make)
    shown = [caught.value.message, str(caught.value), repr(caught.value), repr(feed.auth)]
    shown += traceback.format_exception(caught.value)
    shown += [record.getMessage() for record in caplog.records]
    assert caplog.records
    assert [text for text in shown if SECRET in text] == []


def test_a_password_in_an_address_is_refused_without_showing_it(no_waiting):
    for password in (SECRET, f"a/{SECRET}", f"a@{SECRET}", f"a?{SECRET}", f"a#{SECRET}"):
        url = f"http://me:{password}@127.0.0.1:1/products"
        feed = HTTPFeed(base_url=url, streams=[Stream("products", fields=FIELDS)])
        with pytest.raises((ConfigurationError, FeedError)) as caught:
            rows(feed)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
