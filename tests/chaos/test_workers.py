"""F01–F11: workers that die, freeze, or are asked to go."""

import os
import signal

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
