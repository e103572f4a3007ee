import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter

import pytest
import redis
from celery.exceptions import SoftTimeLimitExceeded
from django.core.cache import cache
from django.core.cache.backends.dummy import DummyCache

from django_ecommerce_sync.exceptions import ConfigurationError, FeedUnreachable
from django_ecommerce_sync.feeds.rates import RateBudget, interval
from django_ecommerce_sync.feeds.transport import Transport

REDIS_URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"

#: A worker: as many requests as it may make in a second and a half, and when it makes them.
WORKER = """
import sys, time
from django.conf import settings
settings.configure(CACHES={"default": {"BACKEND": sys.argv[1], "LOCATION": sys.argv[2]}})
from django.core.cache import cache
from django_ecommerce_sync.feeds.rates import RateBudget
cache.get("the first call connects, which takes its time")
budget = RateBudget(sys.argv[3], "20/s")
end = time.time() + 1.5
while time.time() < end:
    budget.wait(time.monotonic() + 60)
    print(time.time())
"""


def redis_answers():
    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=1) as client:
            return client.ping()
    except redis.RedisError:
        return False


needs_redis = pytest.mark.skipif(
    "not redis_answers() and not os.environ.get('CI')", reason=f"no Redis at {REDIS_URL}"
)


@pytest.fixture
def name():
    return uuid.uuid4().hex


def soon():
    return time.monotonic() + 60


def most_in_a_second(moments):
    return max(sum(first <= other < first + 1 for other in moments) for first in moments)


@pytest.mark.parametrize(
    ("rate", "seconds"), [("2/s", 0.5), ("120/m", 0.5), ("5000/h", 0.72), ("1/d", 86400)]
)
def test_rates(rate, seconds):
    assert interval(rate) == pytest.approx(seconds)


@pytest.mark.parametrize("rate", ["", "2", "2/", "/s", "0/s", "-1/s", "2/sec", "2 / s", "1.5/s"])
def test_what_is_no_rate(rate):
    with pytest.raises(ConfigurationError, match="120/m"):
        RateBudget("shop", rate)


@needs_redis
def test_processes_share_a_budget_through_redis(name):
    command = [sys.executable, "-c", WORKER, REDIS_CACHE, REDIS_URL, name]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    moments = sorted(float(line) for worker in workers for line in worker.communicate()[0].split())
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    # One above the rate fits into a second that begins inside a slot; a process may be late.
    assert 15 <= most_in_a_second(moments) <= 23


@needs_redis
def test_no_slot_is_given_twice_under_contention(name, settings):
    settings.CACHES = {"default": {"BACKEND": REDIS_CACHE, "LOCATION": REDIS_URL}}
    check_threads(name)


def test_threads_share_a_budget_in_local_memory(name):
    check_threads(name)


def check_threads(name):
    moments = []

    def work():
        budget = RateBudget(name, "50/s")
        for _ in range(15):
            budget.wait(soon())
            moments.append(time.time())

    threads = [threading.Thread(target=work) for _ in range(4)]
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 60
    # 60 requests need 59 intervals of 1/50 s, less the part of the first slot that was over.
    assert max(moments) - began >= 58 / 50
    assert max(moments) - began < 3
    assert max(Counter(int(moment * 5) for moment in moments).values()) <= 10 + 3


def test_the_first_request_does_not_wait(name):
    began = time.monotonic()
    RateBudget(name, "1/h").wait(soon())
    assert time.monotonic() - began < 0.5


def test_names_have_budgets_of_their_own(name):
    began = time.monotonic()
    for end in "abc":
        RateBudget(f"{name} {end}", "1/h").wait(soon())
    assert time.monotonic() - began < 0.5


def test_a_budget_that_is_used_up_until_after_the_deadline(name):
    RateBudget(name, "1/h").wait(soon())
    began = time.monotonic()
    with pytest.raises(FeedUnreachable) as caught:
        RateBudget(name, "1/h").wait(time.monotonic() + 1)
    assert caught.value.code == "rate_budget"
    assert "1/h" in caught.value.message
    assert time.monotonic() - began < 0.5


def test_a_cache_in_memory_is_not_crowded(name, settings):
    location = {"LOCATION": name, "OPTIONS": {"MAX_ENTRIES": 300}}
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": backend, **location}}
    cache.set("theirs", 1, None)
    budget = RateBudget(name, "500/m")
    clock = FakeClock(budget)
    for _ in range(1000):
        clock.wait()
    assert cache.get("theirs") == 1
    assert len(cache._cache) < 60


class FakeClock:
    """Takes slot after slot without the waiting."""

    def __init__(self, budget):
        self.budget = budget
        self.slot = 0

    def wait(self):
        self.slot += 1
        self.budget._take(self.slot)


def test_a_cache_that_is_down_stops_nobody(name, settings, caplog):
    settings.CACHES = {"default": {"BACKEND": REDIS_CACHE, "LOCATION": "redis://127.0.0.1:1/0"}}
    budget = RateBudget(name, "10/s")
    began = time.time()
    for _ in range(6):
        budget.wait(soon())
    assert 0.4 <= time.time() - began < 2
    (record,) = caplog.records
    assert "10/s" in record.getMessage()


class Interrupted(DummyCache):
    def add(self, *args, **kwargs):
        raise SoftTimeLimitExceeded


def test_the_end_of_a_tasks_time_is_no_failure_of_the_cache(name, settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Interrupted"}}
    with pytest.raises(SoftTimeLimitExceeded):
        RateBudget(name, "10/s").wait(soon())


def test_without_a_shared_cache_each_worker_keeps_to_the_rate(name, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    budget = RateBudget(name, "10/s")
    began = time.time()
    for _ in range(6):
        budget.wait(soon())
    assert time.time() - began >= 0.4


def test_a_transport_asks_its_budget_before_each_request(server, name, no_waiting):
    answers = [(503, {}, b""), (302, {"Location": "/b"}, b""), (200, {}, b"[]")]
    moments = []

    def answer(request):
        moments.append(time.time())
        return answers.pop(0)

    server.answer = answer
    transport = Transport(timeout=2, deadline=10, budget=RateBudget(name, "5/s"))
    transport.get(server.url).close()
    transport.close()
    assert len(moments) == 3
    assert moments[-1] - moments[0] >= 0.2
