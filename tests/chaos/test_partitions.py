"""Streams in partitions: workers that come, die, freeze and leave while others go on."""

import signal
import time

import pytest

from .processes import wait_until
from .proxy import Gate
from .source import first_rows, next_rows
from .world import LEASE


def partitions(world, run):
    """The partitions' states, fences and rows read, in order."""
    return world.database.execute(
        """SELECT status, fence, attempts, JSON_EXTRACT(counts, '$.read')
           FROM ecommerce_sync_syncpartition WHERE run_id = %s ORDER BY number""",
        [run],
    )


@pytest.mark.parametrize("feed", ["ranges", "split"])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_as_many_workers_as_there_are(world, feed, workers):
    """The same rows, links, issues and counts; three deliveries, the last one of changes."""
    rows = first_rows(feed, 900)
    for _ in range(workers):
        world.start_worker(ready=False)
    world.start_worker()
    for delivery in (rows, rows, next_rows(rows, feed, seed=1)):
        expected = world.deliver(feed, delivery)
        (run,) = world.refresh(feed)
        assert world.finished(run)["attempts"] <= 3
        world.check({run: expected}, again=False)
        assert {status for status, *_ in partitions(world, run)} == {"succeeded"}
    world.check({run: expected})


def test_the_last_one_finishes_the_run(world):
    """Nobody looks for lost runs, and the worker that laid the partitions out is gone."""
    expected = world.deliver("split", first_rows("split", 900))
    world.proxy.delay = 0.3
    first = world.start_worker()
    (run,) = world.refresh("split")
    wait_until(lambda: sum(row[0] == "running" for row in partitions(world, run)) == 1)
    world.start_worker()
    first.send(signal.SIGTERM)
    assert world.finished(run)["status"] == "partial"
    world.check({run: expected})


def test_killed_inside_a_batch_of_a_partition(world):
    expected = world.deliver("split", first_rows("split", 900))
    world.start_beat()
    world.proxy.delay = 0.1
    gate = world.proxy.before_commit = Gate(8)
    victim = world.start_worker()
    (run,) = world.refresh("split")
    assert gate.reached.wait(30)
    victim.kill()
    gate.open(passes=False)
    world.start_worker()
    world.finished(run)
    assert max(attempts for _, _, attempts, _ in partitions(world, run)) == 2
    world.check({run: expected})


def test_a_partition_frozen_and_overtaken(world):
    expected = world.deliver("split", first_rows("split", 900))
    world.proxy.delay = 0.1
    zombie = world.start_worker()
    (run,) = world.refresh("split")
    wait_until(lambda: any(row[3] for row in partitions(world, run)))
    gate = world.proxy.after_commit = Gate(2)
    assert gate.reached.wait(30)
    zombie.freeze()
    gate.open()
    world.start_beat()
    world.start_worker()
    wait_until(
        lambda: any(fence > 1 for _, fence, _, _ in partitions(world, run)),
        why="nobody takes it over",
    )
    time.sleep(0.5)
    zombie.thaw()
    world.finished(run)
    wait_until(lambda: "belongs to another worker" in world.log(), why="the zombie is not told")
    world.check({run: expected})


def test_half_of_the_commits_are_not_heard_of(world):
    expected = world.deliver("ranges", first_rows("ranges", 900))
    world.start_beat()
    for _ in range(3):
        world.start_worker()
    heard = iter(range(10**6))
    world.proxy.after_commit = lambda link: next(heard) % 2 == 0
    (run,) = world.refresh("ranges")
    world.finished(run, patience=120)
    world.check({run: expected})


def test_a_record_that_ends_every_worker(world):
    """The range is named, the other partitions are stopped, and the run is not tried for ever."""
    rows = first_rows("split", 900)
    world.deliver("split", rows)
    rows[620]["do"] = "crash"
    world.deliver("split", rows)
    world.start_beat()
    world.start_worker()
    (run,) = world.refresh("split")
    ended = world.finished(run, patience=8 * LEASE + 60)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_lost")
    assert "counted in partition 3" in ended["error"]
    assert {row[0] for row in partitions(world, run)} <= {"succeeded", "failed", "cancelled"}
    assert world.counts(ended)["read"] == sum(int(row[3] or 0) for row in partitions(world, run))
