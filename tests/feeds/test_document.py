import gzip
import os
from datetime import UTC, datetime

import pytest

from django_ecommerce_sync.exceptions import FeedError, FeedUnreachable
from django_ecommerce_sync.feeds.document import (
    MAX_RATIO,
    RATIO_FREE,
    Document,
    gunzip,
    open_path,
    spool,
)

BODY = b'[{"sku": "a", "name": "' + b"x" * 5000 + b'"}]'
LIMIT = 1 << 30


def failure(path, max_bytes=LIMIT):
    with pytest.raises(FeedError) as caught:
        open_path(path, max_bytes)
    return caught.value


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_gzip_data_must_be_complete(tmp_path, cut):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(BODY)[:-cut])
    assert failure(path).code == "feed_truncated"


def test_damaged_gzip_data(tmp_path):
    packed = bytearray(gzip.compress(BODY))
    packed[-6] ^= 0xFF
    path = tmp_path / "data.gz"
    path.write_bytes(packed)
    assert failure(path).code == "feed_truncated"


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_gzip_may_be_under_gzip(tmp_path, layers):
    path, data = tmp_path / "data", BODY
    for _ in range(layers):
        data = gzip.compress(data)
    path.write_bytes(data)
    with open_path(path, LIMIT) as document:
        assert document.rewind().read() == BODY


def test_gzip_without_end(tmp_path):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(gzip.compress(gzip.compress(BODY))))
    assert failure(path).code == "encoding"


def test_the_cap_holds_for_what_a_file_unpacks_to(tmp_path):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(BODY))
    assert failure(path, len(BODY) - 1).code == "feed_too_large"


def test_a_bomb_is_unpacked_no_further_than_it_shows():
    bomb = gzip.compress(bytes(1 << 20)) * 300
    unpacked = []
    with pytest.raises(FeedError) as caught:
        unpacked.extend(map(len, gunzip([bomb], "it")))
    assert caught.value.code == "feed_too_large"
    assert sum(unpacked) <= max(RATIO_FREE, len(bomb) * MAX_RATIO)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file(tmp_path, make):
    path = tmp_path / "it"
    make(path)
    error = failure(path)
    assert isinstance(error, FeedUnreachable)
    assert error.message == f"{path} is not a file."


def test_digests_are_of_the_content_however_it_came(tmp_path):
    plain, first, second = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    plain.write_bytes(BODY)
    first.write_bytes(gzip.compress(BODY, mtime=1))
    second.write_bytes(gzip.compress(BODY, 1, mtime=2))
    digests = set()
    for path in (plain, first, second):
        with open_path(path, LIMIT) as document:
            document.file.read(10)
            digests.add(document.digest())
            assert document.file.read() == BODY
    assert len(digests) == 1
    plain.write_bytes(BODY[:-1])
    with open_path(plain, LIMIT) as document:
        assert document.digest() not in digests


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("Wed, 21 Oct 2015 09:28:00 +0200", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("Wed, 21 Oct 2015 07:28:00 -0000", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +999999", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_sources_clock(text, moment):
    with spool([], LIMIT, "it") as file:
        headers = {} if text is None else {"Date": text}
        assert Document(file, "it", headers).date == moment
