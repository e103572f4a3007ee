"""What comes next is made ready while the server works, where its client can wait without it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from django_ecommerce_sync.feeds import FeedSource, JSONLinesFeed, Page, Stream
from django_ecommerce_sync.sync.batches import Batches, Place
from django_ecommerce_sync.sync.meanwhile import meanwhile
from django_ecommerce_sync.sync.observation import Observation
from django_ecommerce_sync.sync.reader import Reader
from django_ecommerce_sync.sync.target import Target

needs_mysql = pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL's client can")
STREAM = Stream("products", fields={"sku": "sku", "price": "price"})


def asked(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@needs_mysql
@pytest.mark.django_db(transaction=True)
def test_work_is_done_while_the_server_takes_its_time():
    done = []
    with meanwhile(connection, lambda: done.append(1) or len(done) < 5), transaction.atomic():
        assert asked("SELECT SLEEP(0.2), 7") == ((0, 7),)
    enough = len(done)
    assert enough >= 5
    assert asked("SELECT 8") == ((8,),)
    assert len(done) == enough


@needs_mysql
@pytest.mark.django_db(transaction=True)
def test_who_is_ahead_begins_nothing_while_an_answer_is_about_to_come(monkeypatch):
    done = []
    work = meanwhile(connection, lambda: done.append(1) or len(done) < 5, lambda: True)
    with work, transaction.atomic():
        asked("SELECT SLEEP(0.2)")
        assert len(done) >= 5
        monkeypatch.setattr("django_ecommerce_sync.sync.meanwhile._MOMENT", 60_000)
        done.clear()
        asked("SELECT SLEEP(0.2)")
        assert not done


@needs_mysql
@pytest.mark.django_db(transaction=True)
def test_errors_of_statements_are_errors_as_ever():
    with pytest.raises(DatabaseError), meanwhile(connection, lambda: False), transaction.atomic():
        asked("SELECT nothing FROM nowhere")
    assert asked("SELECT 8") == ((8,),)


@needs_mysql
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_stopped_in_between_leaves_no_answer_behind():
    def stop():
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        meanwhile(connection, stop),
        transaction.atomic(),
    ):
        asked("SELECT SLEEP(0.1), 7")
    assert asked("SELECT 8") == ((8,),)


def ahead(feed, size=2):
    target = Target(STREAM, "shop")
    reader = Reader(STREAM, target)
    return Batches(feed, STREAM, Place(), Observation(), reader, None, size=size, limit=None)


@pytest.mark.django_db
def test_rows_at_hand_are_made_ready_before_they_are_asked_for(tmp_path):
    path = tmp_path / "feed"
    path.write_text("".join(f'{{"sku": "{n}", "price": 1}}\n' for n in range(1000)))
    with JSONLinesFeed(url=str(path), streams=[STREAM]) as feed:
        batches = ahead(feed, size=200)
        assert not batches.make_ready()  # to begin is to fetch
        first = next(batches)
        while batches.make_ready():
            pass
        assert len(batches._ready) == 2  # no more than that is held
        numbers = [number for batch in [first, *batches] for number, _ in batch.rows]
    assert numbers == list(range(1, 1001))


class Slow(FeedSource):
    """A source whose rows may have to be waited for."""

    def __init__(self):
        super().__init__()
        self.read = []

    def fetch(self, stream, cursor):
        for page in range(2):
            yield Page(self._rows(page), cursor=page)

    def _rows(self, page):
        for number in range(300):
            self.read.append((page, number))
            yield {"sku": f"{page}-{number}", "price": 1}


@pytest.mark.django_db
def test_nobody_waits_for_a_source_with_a_transaction_open():
    feed = Slow()
    batches = ahead(feed, size=100)
    next(batches)
    before = list(feed.read)
    while batches.make_ready():
        pass
    assert feed.read == before
    assert sum(len(batch.rows) for batch in batches) == 500


@pytest.mark.django_db
def test_what_fails_ahead_of_time_is_told_in_its_turn(tmp_path):
    path = tmp_path / "feed"
    path.write_text("".join(f'{{"sku": "{n}", "price": 1}}\n' for n in range(300)))
    with JSONLinesFeed(url=str(path), streams=[STREAM]) as feed:
        feed.max_records = 250
        batches = ahead(feed, size=100)
        next(batches)
        while batches.make_ready():
            pass
        assert [len(batch.rows) for batch in _until_error(batches)] == [100]


def _until_error(batches):
    with pytest.raises(Exception, match="more than 250"):
        yield from batches
