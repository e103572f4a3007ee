"""How long a piece of work is tried again, by what the database said."""

import pytest
from django.db import OperationalError

from django_ecommerce_sync.sync import faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only while somebody waits, five seconds at a time."""
    now = [0.0]
    monkeypatch.setattr(faults, "monotonic", lambda: now[0])
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 5))
    return now


def tries(error):
    """How often work that always fails so is tried."""
    count = 0

    def work():
        nonlocal count
        count += 1
        raise error

    with pytest.raises(type(error)):
        faults.tried_again(work)
    return count


@pytest.mark.parametrize(
    ("number", "words"),
    [(2006, "gone away"), (1290, "--read-only"), (1836, "read-only mode"), (1114, "table is full")],
)
def test_a_server_that_is_away_or_takes_no_writes_has_a_minute(clock, number, words):
    assert tries(OperationalError(number, words)) == 60 // 5 + 1
    assert clock[0] == 60


def test_somebody_in_the_way_has_a_few_tries(clock):
    assert tries(OperationalError(1213, "Deadlock found")) == 8


def test_what_will_not_pass_is_not_tried_again(clock):
    assert tries(OperationalError(1146, "no such table")) == 1
