"""F01–F11: workers that die, freeze, or are asked to go."""

import os
import shutil
import signal
import time

import pytest

from .processes import wait_until
from .proxy import Gate
from .source import first_rows
from .world import LEASE

#: A dead worker's run is in other hands by then: its lease, a look of beat, a doorbell.
TAKEN_OVER = LEASE + 6


def stop_at(world, number):
    """A run, stopped inside its batch of that number, with its worker."""
    worker = world.start_worker()
    gate = world.proxy.before_commit = Gate(number)
    (run,) = world.refresh("shop")
    assert gate.reached.wait(30)
    return worker, gate, run


def test_f01_killed_inside_a_batch(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    worker, gate, run = stop_at(world, 4)
    worker.kill()
    gate.open(passes=False)
    world.start_worker()
    assert world.finished(run)["attempts"] == 2
    world.check({run: expected})


def test_f02_only_the_child_is_killed(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    worker, gate, run = stop_at(world, 4)
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    gate.open(passes=False)
    assert world.finished(run)["attempts"] == 2
    assert worker.is_alive
    world.check({run: expected})


def test_f03_killed_after_a_commit(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    worker = world.start_worker()
    gate = world.proxy.after_commit = Gate(4)
    (run,) = world.refresh("shop")
    assert gate.reached.wait(30)
    assert world.run(run)["batch_number"] == 4
    worker.kill()
    gate.open(passes=False)
    world.start_worker()
    assert world.finished(run)["attempts"] == 2
    world.check({run: expected})


def test_f04_the_message_of_a_finished_run_comes_again(world):
    expected = world.deliver("shop", first_rows("shop", 100))
    world.start_worker()
    (run,) = world.refresh("shop")
    before = world.finished(run)
    world.ring(run)
    world.ring(run)
    world.idle()
    assert world.run(run) == before
    assert world.database.execute("SELECT COUNT(*) FROM ecommerce_sync_syncrun") == ((1,),)
    world.check({run: expected})


def test_f05_frozen_between_batches_and_overtaken(world):
    expected = world.deliver("shop", first_rows("shop", 600))
    world.proxy.delay = 0.1
    zombie = world.start_worker()
    (run,) = world.refresh("shop")
    gate = world.proxy.after_commit = Gate(3)
    assert gate.reached.wait(30)
    zombie.freeze()
    gate.open()
    at = world.run(run)["batch_number"]
    world.start_beat()
    world.start_worker()
    wait_until(lambda: world.run(run)["batch_number"] > at + 2, why="nobody takes over")
    zombie.thaw()
    assert world.finished(run)["attempts"] == 2
    wait_until(lambda: "belongs to another worker" in world.log(), why="the zombie is not told")
    world.check({run: expected})


def test_f06_frozen_inside_a_batch(world):
    """The server lets go of a silent transaction's locks; else they would be there for hours."""
    expected = world.deliver("shop", first_rows("shop", 600))
    world.start_beat()
    zombie, gate, run = stop_at(world, 4)
    zombie.freeze()  # its COMMIT is held back, its connection stays, and so do its locks
    world.start_worker()
    world.finished(run, patience=3 * LEASE + 10)
    zombie.thaw()
    gate.open(passes=True)
    wait_until(lambda: "belongs to another worker" in world.log(), why="the zombie is not told")
    world.check({run: expected})


def the_next_run_makes_it_good(world, rows):
    """Once the record is mended, all that is in the feed is there."""
    del rows[220]["do"]
    (run,) = world.refresh("shop")
    counts = world.counts(world.finished(run))
    assert counts["read"] == len(rows)
    world.check({})


def test_f07_a_record_that_ends_the_interpreter(world):
    rows = first_rows("shop", 300)
    world.deliver("shop", rows)
    rows[220]["do"] = "crash"
    world.start_beat()
    world.start_worker()
    (run,) = world.refresh("shop")
    ended = world.finished(run, patience=4 * TAKEN_OVER)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_lost")
    assert "rows 201 to 250 of stream 'products'" in ended["error"]
    # Four batches landed; then three attempts came to nothing; the last only said so.
    assert ended["stalled_attempts"] == 4
    assert world.counts(ended)["read"] == 200
    the_next_run_makes_it_good(world, rows)


def test_f08_a_record_that_takes_all_memory(world):
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not here")
    rows = first_rows("shop", 300)
    world.deliver("shop", rows)
    rows[220]["do"] = f"hog {8 << 30}"
    world.start_beat()
    small = world.start_worker(prefix=["prlimit", f"--as={2 << 30}"])
    (run,) = world.refresh("shop")
    ended = world.finished(run, patience=4 * TAKEN_OVER)
    assert ended["status"] in ("failed", "partial"), ended
    assert small.is_alive
    the_next_run_makes_it_good(world, rows)


@pytest.mark.parametrize("group", [False, True], ids=["worker", "group"])
def test_f09_asked_to_go(world, group):
    """SIGTERM: the batch is finished, the run handed over, all before anybody loses patience."""
    expected = world.deliver("shop", first_rows("shop", 1500))
    world.proxy.delay = 0.3
    leaving = world.start_worker()
    (run,) = world.refresh("shop")
    wait_until(lambda: world.run(run)["batch_number"] >= 5)
    world.start_worker()  # nobody looks for lost runs: there is no beat
    at = world.run(run)["batch_number"]
    began = time.monotonic()
    (leaving.send_all if group else leaving.send)(signal.SIGTERM)
    assert leaving.child.wait(10) in (0, -signal.SIGTERM)
    gone = time.monotonic() - began
    wait_until(lambda: world.run(run)["batch_number"] > at + 3, patience=5, why="nobody goes on")
    ended = world.finished(run)
    assert ended["attempts"] == 2
    assert gone < 8
    world.check({run: expected})


def test_f10_a_soft_time_limit_inside_a_record(world):
    rows = first_rows("shop", 300)
    expected = world.deliver("shop", rows)
    rows[220]["do"] = "sleep 3"
    world.start_beat()
    limited = world.start_worker(SOFT_LIMIT=2)
    (run,) = world.refresh("shop")
    wait_until(lambda: "task's time was over" in world.log(), why="no limit struck")
    world.end(limited)
    world.start_worker()
    world.finished(run)
    world.check({run: expected})


def test_f11_a_hard_time_limit(world):
    rows = first_rows("shop", 300)
    expected = world.deliver("shop", rows)
    rows[220]["do"] = "sleep 6"
    world.start_beat()
    limited = world.start_worker(HARD_LIMIT=2)
    (run,) = world.refresh("shop")
    wait_until(lambda: "Hard time limit" in world.log(), why="no limit struck")
    world.end(limited)
    world.start_worker(LEASE_SECONDS=10)
    world.finished(run)
    world.check({run: expected})
