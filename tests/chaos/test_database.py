"""F12–F23: a database that is away, slow, full, or somebody else's."""

import random
import time

import pytest

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
