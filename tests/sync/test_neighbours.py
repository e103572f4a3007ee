"""Links of a feed that keeps its order are read in a row; others are found all the same."""

from __future__ import annotations

import random

import pytest

from django_ecommerce_sync.sync.neighbours import Neighbours

BATCH = 100


class Links:
    """A table of links, by external id, that keeps what it was asked for."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.read = self.looked_up = 0

    def find(self, names, name, values, **fixed):
        self.looked_up += len(values)
        return [(value, self.numbers[value]) for value in values if value in self.numbers]

    def between(self, names, low, high, **fixed):
        rows = [row for row in self.numbers.items() if low <= row[1] <= high]
        self.read += len(rows)
        return rows


def numbered(ids, *, every=1):
    return {external_id: at * every for at, external_id in enumerate(ids, 1)}


def found_in(links, feed):
    """Whether each batch of the feed was found, whole and right."""
    neighbours = Neighbours(links, ("external_id", "id"))
    for begun in range(0, len(feed), BATCH):
        ids = feed[begun : begun + BATCH]
        found = neighbours.find(ids)
        assert {i: found[i][1] for i in ids if i in found} == {
            i: links.numbers[i] for i in ids if i in links.numbers
        }


FEED = [f"P{n}" for n in range(4000)]


def in_batches(rng, feed):
    """The feed as links are written: each batch in an order of its own."""
    batches = [feed[begun : begun + BATCH] for begun in range(0, len(feed), BATCH)]
    for batch in batches:
        rng.shuffle(batch)
    return [external_id for batch in batches for external_id in batch]


@pytest.mark.parametrize("shift", [0, 7, 50, 93])
def test_a_feed_that_keeps_its_order_is_hardly_looked_up(shift):
    rng = random.Random(shift)
    links = Links(numbered(in_batches(rng, FEED[:])))
    found_in(links, FEED[shift:])
    assert links.looked_up < 0.2 * len(FEED)
    assert links.read < 2.5 * len(FEED)


def test_new_and_lost_records_do_not_lead_astray():
    rng = random.Random(1)
    links = Links(numbered(FEED))
    feed = [external_id for external_id in FEED if rng.random() > 0.02]
    for _ in range(80):
        feed.insert(rng.randrange(len(feed)), f"N{rng.random()}")
    found_in(links, feed)
    assert links.looked_up < 0.2 * len(FEED)


def test_links_of_several_workers_stand_between_one_another():
    rng = random.Random(2)
    mine = in_batches(rng, FEED[:])
    others = [f"O{n}" for n in range(3 * len(mine))]
    written = []
    for begun in range(0, len(mine), BATCH):
        written += mine[begun : begun + BATCH] + others[3 * begun : 3 * (begun + BATCH)]
    links = Links(numbered(written))
    found_in(links, FEED)
    assert links.looked_up < 0.2 * len(FEED)


def test_a_feed_in_another_order_every_time_costs_no_guesses():
    rng = random.Random(3)
    links = Links(numbered(FEED))
    found_in(links, rng.sample(FEED, len(FEED)))
    assert links.looked_up == len(FEED)
    assert links.read == 0


def test_wrong_guesses_become_rare():
    """Every other batch is where nobody would think."""
    batches = [FEED[begun : begun + BATCH] for begun in range(0, len(FEED), BATCH)]
    random.Random(4).shuffle(batches)
    links = Links(numbered(FEED))
    found_in(links, [external_id for batch in batches for external_id in batch])
    assert links.read < 0.5 * len(FEED)


def test_records_nobody_has_seen_are_just_not_there():
    links = Links({})
    found_in(links, FEED)
    assert links.looked_up == len(FEED)
