"""Who may write, what is tried again, and what is landed once."""

from functools import partial

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from django_ecommerce_sync.exceptions import LeaseLost
from django_ecommerce_sync.models import Product, RunStatus, SyncRun
from django_ecommerce_sync.sync import dispatch_lost, execute, faults, request_run, runs
from django_ecommerce_sync.sync.execution import StreamExecution
from django_ecommerce_sync.sync.lease import DatabaseNow, acquire
from django_ecommerce_sync.sync.session import LOCK_SECONDS
from tests.inserts import watch
from tests.sync.conftest import product
from tests.sync.test_runs import expire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queued(shop):
    shop.rows = {"products": [product(n) for n in range(1, 8)]}
    shop.batch_size = 2
    shop.configure()
    return request_run("shop")[0]


def test_who_asks_again_gets_what_it_has_taken(queued):
    """The answer to the COMMIT was lost: the run must not wait for its own lease to run out."""
    _, lease = acquire(queued.pk, "me", SyncRun)
    run, again = acquire(queued.pk, "me", SyncRun)
    assert (again, run.attempts) == (lease, 1)
    assert acquire(queued.pk, "you", SyncRun) is None


def test_rows_are_written_in_the_order_of_their_keys(shop, monkeypatch):
    """Two writers who lock in the same order never wait for each other in a ring."""
    rows = [product(n) for n in range(1, 8)]
    shop.rows = {"products": rows}
    shop.sync()
    shop.rows = {"products": [{**row, "price": "1"} for row in reversed(rows)]}
    shop.configure()
    run, _ = request_run("shop")
    written = []

    def noted(head, rows):
        if Product._meta.db_table in head:
            written.append([value for row in rows for value in row if "SKU-" in str(value)])

    watch(monkeypatch, noted)
    execute(run.pk)
    assert written == [[f"SKU-{n}" for n in range(1, 8)]]


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_batch_whose_commit_was_not_heard_of_is_counted_once(queued, monkeypatch, at):
    commit = StreamExecution._commit
    lost = []

    def deaf(self, batch, decide, *, pass_):
        commit(self, batch, decide, pass_=pass_)
        if self.run.batch_number == at and not lost:
            lost.append(batch)
            self.run = self.attempt.run = before[0]
            raise OperationalError(2013, "Lost connection to server during query")
        before[:] = [self.run]

    before = [SyncRun.objects.get(pk=queued.pk)]
    monkeypatch.setattr(StreamExecution, "_commit", deaf)
    run = execute(queued.pk)
    assert len(lost) == 1
    assert (run.status, run.batch_number) == ("succeeded", 4)
    assert {name: n for name, n in run.counts_of("products").items() if n} == {
        "read": 7,
        "created": 7,
    }


def test_a_run_that_is_left_off_goes_on_at_its_cursor(queued):
    run = execute(queued.pk, pause=lambda: True)
    assert (run.status, run.owner, run.batch_number) == ("queued", "", 1)
    assert execute(queued.pk, pause=lambda: False).counts_of("products")["created"] == 7
    assert Product.objects.count() == 7


def test_a_worker_whose_run_went_back_into_the_queue_writes_nothing(queued):
    _, lease = acquire(queued.pk, "me", SyncRun)
    lease.give_back()
    with pytest.raises(LeaseLost), transaction.atomic():
        lease.hold()


def test_whoever_looks_hands_over_what_nobody_attends_to_once(queued, monkeypatch):
    rung = []
    monkeypatch.setattr(runs, "_HAND_OVER", {"thread": lambda numbers: rung.append(numbers)})
    monkeypatch.setattr(runs, "runner_kind", lambda: "thread")
    dispatch_lost()
    assert rung == []  # its message may still be on its way
    acquire(queued.pk, "dead", SyncRun)
    expire(queued)
    dispatch_lost()
    dispatch_lost()
    assert rung == [[queued.pk]]
    queued.refresh_from_db()
    assert (queued.status, queued.owner) == (RunStatus.QUEUED, "")
    assert SyncRun.objects.filter(pk=queued.pk, lease_until__gt=DatabaseNow()).exists()


@pytest.mark.parametrize(
    ("error", "passing", "code"),
    [
        (OperationalError(1213, "Deadlock"), True, "db_lock_timeout"),
        (OperationalError(1205, "Lock wait"), True, "db_lock_timeout"),
        (OperationalError(1290, "read-only"), True, "db_not_writable"),
        (OperationalError(2006, "gone"), True, "db_unreachable"),
        (OperationalError(2055, "lost"), True, "db_unreachable"),
        (OperationalError(1142, "denied"), False, "db_error"),
        (DatabaseError("odd"), False, "db_error"),
    ],
)
def test_what_an_error_means(error, passing, code):
    assert (faults.is_passing(error), faults.code_of(error)) == (passing, code)


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: None)
    tries = []

    def work(number):
        tries.append(number)
        raise OperationalError(number, "no")

    with pytest.raises(OperationalError):
        faults.tried_again(partial(work, 1213))
    assert len(tries) == 8
    monkeypatch.setattr(faults, "_SECONDS", 0.05)
    with pytest.raises(OperationalError):
        faults.tried_again(partial(work, 2006))
    assert len(tries) >= 16


def test_a_statement_that_is_too_long_is_about_its_rows():
    assert faults.is_about_a_row(OperationalError(faults.PACKET_TOO_LARGE, "too big"))
    assert not faults.is_about_a_row(OperationalError(2006, "gone"))


def test_a_record_that_waits_for_another_is_remembered_where_the_run_is_left_off(shop):
    """Two records pass a key on; the first can take it only once the second has let go."""
    shop.batch_size = 1
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows = {"products": [product(1, sku="SKU-2"), product(2, sku="SKU-3")]}
    shop.configure()
    run, _ = request_run("shop")
    run = execute(run.pk, pause=lambda: True)
    assert run.counts_of("products")["rejected"] == 1
    run = execute(run.pk)
    counts = {name: n for name, n in run.counts_of("products").items() if n}
    assert (run.status, counts) == ("succeeded", {"read": 2, "updated": 2})


@pytest.mark.skipif(connection.vendor != "mysql", reason="its sessions have modes")
def test_a_run_has_a_session_of_its_own(queued, monkeypatch):
    """Whatever the project's own connections are set to, and without a trace in them."""

    def session():
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@session.innodb_lock_wait_timeout, @@session.sql_mode")
            return cursor.fetchone()

    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "sql_mode", "ANSI_QUOTES")
    connection.close()
    before = session()
    assert "STRICT" not in before[1]
    during = []
    execute(queued.pk, progress=lambda run, stream: during.append(session()))
    assert {wait for wait, _ in during} == {LOCK_SECONDS}
    assert all("STRICT_ALL_TABLES" in mode and "ANSI_QUOTES" in mode for _, mode in during)
    assert session() == before
    monkeypatch.undo()
    connection.close()
