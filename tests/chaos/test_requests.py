"""F29–F37: messages that come twice, clocks that run twice or wrong, requests by the hundred."""

import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .processes import wait_until
from .source import first_rows, next_rows
from .world import LEASE

FAKETIME = next(
    (
        path
        for folder in ("/usr/lib", "/usr/local/lib")
        for path in Path(folder).glob("**/libfaketime.so.1")
    ),
    None,
)


def test_f29_messages_come_again_while_the_run_lasts(world):
    expected = world.deliver("shop", first_rows("shop", 1000))
    world.proxy.delay = 0.4
    for _ in range(2):
        world.start_worker(VISIBILITY=5)
    (run,) = world.refresh("shop")
    for _ in range(3):
        wait_until(lambda: world.run(run)["status"] == "running")
        world.ring(run)
        time.sleep(2)
    ended = world.finished(run)
    assert (ended["attempts"], ended["fence"]) == (1, 1)
    world.check({run: expected})


def test_f30_the_next_worker_finds_what_the_last_one_left(world):
    """No beat, and nothing Celery delivers again: a worker that starts looks around."""
    expected = world.deliver("shop", first_rows("shop", 600))
    world.proxy.delay = 0.1
    worker = world.start_worker()
    (run,) = world.refresh("shop")
    wait_until(lambda: world.run(run)["batch_number"] >= 3)
    worker.kill()
    time.sleep(LEASE + 1)
    world.start_worker()
    assert world.finished(run)["attempts"] == 2
    world.check({run: expected})


def test_f31_whoever_looks_at_a_run_wakes_it(world):
    """No beat either: the broker forgets everything, and a reader of the API asks how it goes."""
    counts = {name: world.deliver(name, first_rows(name, 400)) for name in ("shop", "mill", "farm")}
    world.proxy.delay = 0.3
    world.start_worker()
    numbers = world.refresh(*counts)
    wait_until(lambda: world.run(numbers[0])["batch_number"] >= 2)
    world.redis.command("FLUSHALL")
    assert world.finished(numbers[0])["attempts"] == 1
    world.proxy.calm()
    time.sleep(LEASE)
    for number in numbers:
        status, _ = world.call("GET", f"/api/sync-runs/{number}/")
        assert status == 200
        world.finished(number)
    world.check(dict(zip(numbers, counts.values(), strict=True)))


def test_f32_the_broker_is_killed_under_a_worker(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    other = world.deliver("mill", first_rows("mill", 100))
    world.proxy.delay = 0.3
    worker = world.start_worker()
    (run,) = world.refresh("shop")
    wait_until(lambda: world.run(run)["batch_number"] >= 2)
    world.redis.kill()
    time.sleep(3)
    world.redis.start()
    assert world.finished(run)["attempts"] == 1
    world.proxy.calm()
    (second,) = world.refresh("mill")
    world.finished(second)
    assert worker.is_alive
    world.check({run: expected, second: other})


def schedule(world, hours):
    """The shop's schedule, due since so many hours."""
    world.database.execute("DELETE FROM ecommerce_sync_syncschedule")
    world.database.execute(
        """INSERT INTO ecommerce_sync_syncschedule (feed, cron, enabled, next_run_at)
           VALUES ('shop', '0 */3 * * *', 1, UTC_TIMESTAMP(6) - INTERVAL %s HOUR)""",
        [hours],
    )


def runs(world):
    return [number for (number,) in world.database.execute("SELECT id FROM ecommerce_sync_syncrun")]


def test_f33_two_beats(world):
    world.deliver("shop", first_rows("shop", 60))
    for _ in range(2):
        world.start_worker()
        world.start_beat()
    for slot in range(1, 5):
        schedule(world, 0)
        wait_until(lambda slot=slot: len(runs(world)) == slot, why="no run is started")
        world.finished(max(runs(world)))
        time.sleep(1.5)  # both have looked by then
        assert len(runs(world)) == slot
    world.check({})


def test_f34_back_after_hours(world):
    """One run makes up for all that were missed."""
    world.deliver("shop", first_rows("shop", 60))
    schedule(world, 10)
    world.start_beat()
    time.sleep(5)  # its messages pile up: nobody takes them
    world.start_worker()
    wait_until(lambda: runs(world), why="no run is started")
    world.finished(max(runs(world)))
    time.sleep(3)
    assert len(runs(world)) == 1
    world.check({})


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not here")
@pytest.mark.parametrize("hours", [-1, 1])
def test_f35_a_worker_s_clock_is_wrong(world, hours):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.proxy.delay = 0.3
    wrong = [
        "env",
        f"LD_PRELOAD={FAKETIME}",
        f"FAKETIME={hours:+d}h",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]
    (run,) = world.refresh("shop")
    world.start_worker(prefix=wrong)
    world.start_worker()
    world.start_beat()
    for _ in range(3):
        world.ring(run)
    ended = world.finished(run)
    assert ended["attempts"] == 1
    assert 0 < (ended["finished_at"] - ended["started_at"]).total_seconds() < 60
    world.check({run: expected})


def test_f36_a_hundred_requests_at_once(world):
    expected = world.deliver("shop", first_rows("shop", 200))
    with ThreadPoolExecutor(50) as pool:
        body = {"feeds": ["shop"]}
        asked = [pool.submit(world.call, "POST", "/api/refresh/", body) for _ in range(100)]
        answers = [future.result() for future in asked]
    assert Counter(status for status, _ in answers) == {202: 100}, answers
    assert len({answer["runs"][0]["id"] for _, answer in answers}) == 1
    assert len(runs(world)) == 1
    world.start_worker()
    (run,) = runs(world)
    world.finished(run)
    world.check({run: expected})


def last_writers(world, web, products, over):
    """Four clients that write rows at random until it is ``over``; what each version came to.

    Returns the answers' statuses and {row: {version: (name, stock)}} of those that were taken.
    """
    statuses, written = Counter(), {number: {} for number in products}

    def write(seed):
        chance = random.Random(seed)
        while not over.is_set():
            stock, number = chance.randrange(10**6), chance.choice(products)
            body = {"name": f"by hand {stock}", "inventory_count": stock}
            status, row = world.call("PATCH", f"/api/products/{number}/", body, web=web)
            statuses[status] += 1
            if status == 200:
                written[number][row["version"]] = (body["name"], stock)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    return statuses, written


@pytest.mark.parametrize("feed", ["shop", "split"])
def test_everybody_at_once(world, feed):
    """Two beats, two workers, a hundred requests for a run, and four writers of the same rows."""
    pytest.importorskip("gunicorn")
    web = world.start_gunicorn()
    rows = first_rows(feed, 300)
    world.deliver(feed, rows)
    for _ in range(2):
        world.start_worker()
        world.start_beat()
    (run,) = world.refresh(feed, web=web)
    world.finished(run)
    numbers = "SELECT id FROM ecommerce_sync_product WHERE id % 4 = 0"
    products = [number for (number,) in world.database.execute(numbers)]
    world.deliver(feed, next_rows(rows, feed, seed=1, share=0.9))
    world.proxy.delay = 0.2
    over = threading.Event()
    with ThreadPoolExecutor(101) as pool:
        writing = pool.submit(last_writers, world, web, products, over)
        ask = ("POST", "/api/refresh/", {"feeds": [feed]})
        asked = [pool.submit(world.call, *ask, web=web, timeout=60) for _ in range(100)]
        answers = [future.result() for future in asked]
        assert Counter(status for status, _ in answers) == {202: 100}, answers
        for number in {answer["runs"][0]["id"] for _, answer in answers}:
            assert world.finished(number)["status"] == "partial"
        time.sleep(1)
        over.set()
        statuses, written = writing.result()
    assert set(statuses) == {200}, statuses
    assert sum(map(len, written.values())) > 20
    look = "SELECT id, sku, version, name, inventory_count, price FROM ecommerce_sync_product"
    by_hand = 0
    for number, sku, version, name, stock, price in world.database.execute(look):
        last = written.get(number, {}).get(version)
        by_hand += last is not None
        fed = world.oracle.stored[sku]
        assert (name, stock) == (last or (fed[0], fed[2])), (sku, version, last)
        assert price == fed[1]
    print(f"{feed}: {statuses[200]} rows written by hand, {by_hand} of them last; 100 requests")
    for name in ("web", "worker"):
        assert not re.search("Traceback|1213|1062", world.log(name).rpartition("====")[2])


def test_f37_a_request_that_comes_to_nothing_asks_for_nothing(world):
    world.deliver("shop", first_rows("shop", 60))
    web = world.start_web(ATOMIC_REQUESTS=1)
    status, _ = world.call("GET", "/ask-and-fail/", web=web)
    assert status == 500
    assert runs(world) == []
    assert world.redis.command("LLEN", "celery") == 0
    (run,) = world.refresh("shop", web=web)
    assert world.redis.command("LLEN", "celery") == 1
    world.start_worker()
    world.finished(run)
    world.check({})
