"""F24–F32: a broker that is away, frozen, full, or forgetful."""

import time

import pytest
import redis

from .processes import wait_until
from .source import first_rows
from .world import FINAL, now

#: Seconds a request may take whatever the broker does.
PROMPT = 5.0


def refused(world):
    world.redis.kill()
    return world.redis.start


def frozen(world):
    world.redis.freeze()
    return world.redis.thaw


def full(world):
    world.redis.command("CONFIG", "SET", "maxmemory", "1")
    return lambda: world.redis.command("CONFIG", "SET", "maxmemory", "0")


def read_only(world):
    world.redis.command("REPLICAOF", "127.0.0.1", "1")
    return lambda: world.redis.command("REPLICAOF", "NO", "ONE")


def locked(world):
    world.redis.command("CONFIG", "SET", "requirepass", "another")

    def unlock():
        with redis.Redis(port=world.redis.port, password="another") as client:
            client.execute_command("CONFIG", "SET", "requirepass", "")

    return unlock


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(refused, id="f24-refused"),
        pytest.param(frozen, id="f25-frozen"),
        pytest.param(full, id="f26-full"),
        pytest.param(read_only, id="f26-read-only"),
        pytest.param(locked, id="f26-locked"),
    ],
)
def test_a_request_is_taken_while_the_broker_is_not_there(world, trouble):
    expected = world.deliver("shop", first_rows("shop", 200))
    world.deliver("mill", first_rows("mill", 100))
    world.start_worker()
    world.start_beat()
    mend = trouble(world)
    began = now()
    shop, mill = world.refresh("shop", "mill")
    taken = now() - began
    began = now()
    assert world.refresh("shop", "mill") == [shop, mill]
    again = now() - began
    time.sleep(1)
    assert world.run(shop)["status"] == "queued"
    mend()
    # Unprompted: nobody asks, beat looks. Celery's own processes end where Redis answers but
    # takes no writes; a service manager starts them again.
    for run in (shop, mill):
        wait_until(lambda run=run: world.supervise() or world.run(run)["status"] in FINAL, step=0.5)
    print(f"{trouble.__name__}: answered in {taken:.1f} s, then in {again:.1f} s")
    assert max(taken, again) < PROMPT
    world.check({shop: expected})


def test_f27_the_broker_forgets_three_runs(world):
    counts = {name: world.deliver(name, first_rows(name, 200)) for name in ("shop", "mill", "farm")}
    numbers = world.refresh(*counts)
    world.redis.kill()
    world.redis.start()
    assert world.redis.command("DBSIZE") == 0
    world.start_worker()
    world.start_beat()
    for number in numbers:
        assert world.finished(number)["attempts"] == 1
    world.check(dict(zip(numbers, counts.values(), strict=True)))


def test_f28_a_message_dies_with_the_worker_that_took_it(world):
    expected = world.deliver("shop", first_rows("shop", 200))
    worker = world.start_worker()
    worker.freeze()
    (run,) = world.refresh("shop")
    wait_until(lambda: not world.redis.command("LLEN", "celery"), why="nobody took the message")
    worker.kill()
    world.start_worker()
    world.start_beat()
    world.finished(run)
    world.check({run: expected})
