"""F12–F23: a database that is away, slow, full, or somebody else's."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress

import MySQLdb
import pytest

from .processes import wait_until
from .proxy import Gate
from .source import first_rows, next_rows
from .test_workers import stop_at


@pytest.mark.parametrize("seconds", [1, 20])
def test_f12_the_server_is_killed_inside_a_batch(world, seconds):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    _, gate, run = stop_at(world, 4)
    world.database.kill()
    gate.open(passes=False)
    time.sleep(seconds)
    world.database.start()
    world.finished(run)
    world.check({run: expected})


def test_f14_half_of_the_commits_are_not_heard_of(world):
    """A batch that landed though nobody said so is not landed again."""
    chance = random.Random(14)
    lost = []

    def swallow(link):
        if chance.random() < 0.5:
            lost.append(link)
            return False
        return True

    world.start_beat()
    world.start_worker()
    world.proxy.after_commit = swallow
    first = world.deliver("shop", first_rows("shop", 1000))
    (run,) = world.refresh("shop")
    world.finished(run)
    world.check({run: first}, again=False)
    second = world.deliver("shop", next_rows(world.source.rows["shop"], "shop", seed=14))
    (run,) = world.refresh("shop")
    world.finished(run)
    assert len(lost) >= 15
    world.check({run: second})


@pytest.mark.slow
def test_f13_the_server_is_away_for_longer_than_anybody_waits(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    _, gate, run = stop_at(world, 4)
    world.database.kill()
    gate.open(passes=False)
    status, body = world.call("POST", "/api/refresh/", {"feeds": ["shop"]})
    assert (status, body["code"]) == (503, "unavailable")
    wait_until(lambda: "cannot go on" in world.log(), patience=90, why="the worker never gives up")
    world.database.start()
    world.finished(run)
    world.check({run: expected})


def test_f15_connections_are_killed_by_an_administrator(world):
    expected = world.deliver("shop", first_rows("shop", 1000))
    world.proxy.delay = 0.1
    world.start_worker()
    (run,) = world.refresh("shop")
    for batch in (2, 5, 8):
        wait_until(lambda batch=batch: world.run(run)["batch_number"] >= batch)
        for number in connections(world):
            with suppress(MySQLdb.OperationalError):  # it has ended by itself
                world.database.execute(f"KILL {number}")
    assert world.finished(run)["attempts"] == 1
    world.check({run: expected})


def connections(world):
    """The numbers of the project's connections: web closes its own after each request."""
    found = world.database.execute(
        "SELECT id FROM information_schema.processlist WHERE user = 'chaos'"
    )
    return [number for (number,) in found]


def blocked(world):
    """Whether a transaction waits for somebody's lock."""
    sql = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    return world.database.execute(sql)[0][0]


def second_delivery(world, **options):
    """A first run, and another delivery on the shelf that changes many rows."""
    world.deliver("shop", first_rows("shop", 300))
    world.start_worker(**options)
    (run,) = world.refresh("shop")
    world.finished(run)
    return world.deliver("shop", next_rows(world.source.rows["shop"], "shop", seed=3, share=1.0))


def test_f16_a_deadlock_ends_the_batch(world):
    expected = second_delivery(world)
    other = world.visitor()
    with other.cursor() as cursor:
        # The one who has written less is the victim; that must be the batch.
        cursor.execute("CREATE TEMPORARY TABLE numbers AS SELECT seq FROM seq_1_to_20000")
        cursor.execute("CREATE TABLE heavy (n INT) ENGINE=InnoDB")
        cursor.execute("INSERT INTO heavy SELECT seq FROM numbers")
        cursor.execute("SELECT id FROM ecommerce_sync_product ORDER BY id LIMIT 20, 1")
        (last,) = cursor.fetchone()
        cursor.execute("UPDATE ecommerce_sync_product SET brand = '' WHERE id = %s", [last])
        (run,) = world.refresh("shop")
        wait_until(lambda: blocked(world), why="the batch meets no lock")
        cursor.execute("UPDATE ecommerce_sync_product SET brand = '' ORDER BY id LIMIT 1")
    other.rollback()
    with other.cursor() as cursor:
        cursor.execute("DROP TABLE heavy")
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        assert int(cursor.fetchone()[1]) >= 1
    other.close()
    assert world.finished(run)["attempts"] == 1
    world.check({run: expected})


def hold_a_row(world):
    other = world.visitor()
    with other.cursor() as cursor:
        cursor.execute("SELECT id FROM ecommerce_sync_product ORDER BY id LIMIT 20, 1 FOR UPDATE")
    return other


def test_f17_a_row_is_locked_for_a_while(world):
    expected = second_delivery(world)
    other = hold_a_row(world)
    (run,) = world.refresh("shop")
    time.sleep(14)  # one lock wait is over by then
    assert world.run(run)["status"] == "running"
    other.rollback()
    other.close()
    assert world.finished(run)["attempts"] == 1
    world.check({run: expected})


@pytest.mark.slow
def test_f17_a_row_is_locked_for_ever(world):
    second_delivery(world)
    other = hold_a_row(world)
    (run,) = world.refresh("shop")
    ended = world.finished(run, patience=150)
    other.rollback()
    other.close()
    assert (ended["status"], ended["error_code"]) == ("failed", "db_lock_timeout")
    (run,) = world.refresh("shop")
    world.finished(run)
    world.check({})


def test_f18_our_sessions_read_what_is_committed(world):
    """Whatever isolation the project has chosen, and however strict its server is about it."""
    world.database.execute("SET GLOBAL innodb_snapshot_isolation = ON")
    try:
        expected = second_delivery(world, ISOLATION="repeatable read")
        gate = world.proxy.before_commit = Gate(2)
        (run,) = world.refresh("shop")
        assert gate.reached.wait(30)
        levels = world.database.execute(
            "SELECT trx_isolation_level FROM information_schema.innodb_trx"
        )
        assert set(levels) == {("READ COMMITTED",)}
        gate.open()
        world.finished(run)
        world.check({run: expected})
    finally:
        world.database.execute("SET GLOBAL innodb_snapshot_isolation = OFF")


def test_f19_the_server_has_no_connection_left(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    _, gate, run = stop_at(world, 4)
    (before,) = world.database.execute("SELECT @@max_connections")[0]
    world.database.execute("SET GLOBAL max_connections = 10")
    others = []
    with suppress(MySQLdb.OperationalError):
        while len(others) < 50:
            others.append(MySQLdb.connect(host="127.0.0.1", port=world.database.port, user="chaos"))
    assert others
    status, body = world.call("POST", "/api/refresh/", {"feeds": ["shop"]})
    assert (status, body["code"]) == (503, "unavailable")
    gate.open(passes=False)  # the worker must connect anew, and cannot
    time.sleep(2)
    for other in others:
        other.close()
    world.database.execute(f"SET GLOBAL max_connections = {before}")
    world.finished(run)
    world.check({run: expected})


def test_f20_no_connection_is_held_while_the_feed_takes_its_time(world):
    expected = world.deliver("pages", first_rows("pages", 150))
    (before,) = world.database.execute("SELECT @@global.wait_timeout")[0]
    world.database.execute("SET GLOBAL wait_timeout = 2")
    world.source.pause = 3
    world.start_worker(LEASE_SECONDS=60)  # no heartbeat in between
    try:
        (run,) = world.refresh("pages")
        wait_until(lambda: world.source.requests["/pages"] >= 2)
        time.sleep(0.5)
        assert connections(world) == []
        world.finished(run)
    finally:
        world.database.execute(f"SET GLOBAL wait_timeout = {before}")
    world.source.pause = 0
    world.check({run: expected})


def test_f21_records_larger_than_a_packet(world):
    """Statements are cut to what the server takes; a record that fits in none is rejected."""
    rows = first_rows("shop", 200)
    for place in range(20, 60):
        rows[place]["text"] = "€" * 100_000
    rows[100]["text"] = "'" * 600_000  # each is two characters in a statement
    world.database.execute("SET GLOBAL max_allowed_packet = 1048576")
    expected = world.deliver(
        "shop", [{**r, "price": "cheap"} if r is rows[100] else r for r in rows]
    )
    world.source.rows["shop"] = rows
    world.start_worker()
    try:
        (run,) = world.refresh("shop")
        ended = world.finished(run)
        codes = world.database.execute(
            "SELECT code FROM ecommerce_sync_syncissue WHERE position = 101"
        )
        assert codes == (("db_rejected",),)
        assert ended["attempts"] == 1
        world.check({run: expected}, again=False)
    finally:
        world.database.execute("SET GLOBAL max_allowed_packet = 16777216")


def test_f22_the_server_takes_no_writes(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    _, gate, run = stop_at(world, 4)
    world.database.execute("SET GLOBAL read_only = 1")
    gate.open(passes=False)
    time.sleep(5)
    assert world.run(run)["batch_number"] == 3
    world.database.execute("SET GLOBAL read_only = 0")
    world.finished(run)
    world.check({run: expected})


def test_f23_the_same_rows_are_written_by_api(world):
    second_delivery(world)
    world.proxy.delay = 0.05
    answers = Counter()
    products = [
        number for (number,) in world.database.execute("SELECT id FROM ecommerce_sync_product")
    ]
    over = threading.Event()

    def write(seed):
        chance = random.Random(seed)
        while not over.is_set():
            number = chance.randrange(10**6)
            body = {"name": f"by hand {number}", "inventory_count": number}
            path = f"/api/products/{chance.choice(products)}/"
            status, _ = world.call("PATCH", path, body)
            answers[status] += 1

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    (run,) = world.refresh("shop")
    try:
        assert world.finished(run)["status"] == "partial"
    finally:
        over.set()
        for writer in writers:
            writer.join()
    print(f"f23: {dict(answers)}")
    assert answers[200] > 20
    assert set(answers) == {200}, answers
    for sku, *values in world.database.execute(
        "SELECT sku, name, price, inventory_count FROM ecommerce_sync_product"
    ):
        name, _, stock = values
        by_hand = name == f"by hand {stock}"
        assert by_hand or tuple(values) == world.oracle.stored[sku], (sku, values)
    (run,) = world.refresh("shop")
    world.finished(run)
    world.check({}, again=False)
