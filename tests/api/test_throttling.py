"""How often somebody may try: counted for all processes, whatever cache does it."""

import time

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache

from django_ecommerce_sync.api.tokens import sign_in

from .conftest import APIClient, problem

FILES = "django.core.cache.backends.filebased.FileBasedCache"
REDIS = "django.core.cache.backends.redis.RedisCache"
#: Nobody listens there.
AWAY = {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1:1/0"}


def attempts(count, **headers):
    client = APIClient()
    return [
        client.post(
            "/api/token/",
            {"username": f"user{number}", "password": "wrong"},
            **{name: value.format(n=number) for name, value in headers.items()},
        )
        for number in range(count)
    ]


def test_sign_in_is_throttled_by_address(db):
    answers = attempts(7, HTTP_X_FORWARDED_FOR="10.0.0.{n}")
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert problem(answers[-1], 429, "throttled")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_sign_in_is_throttled_by_name(db):
    client = APIClient()
    codes = [
        client.post(
            "/api/token/",
            {"username": f" {'ANN' if n % 2 else 'ann'}", "password": "wrong"},
            REMOTE_ADDR=f"10.0.0.{n}",
        ).status_code
        for n in range(7)
    ]
    assert codes == [401] * 5 + [429] * 2


def guesses(*names):
    """The status of one wrong password for each name, each from another address."""
    client = APIClient()
    return [
        client.post(
            "/api/token/", {"username": name, "password": "wrong"}, REMOTE_ADDR=f"10.1.0.{number}"
        ).status_code
        for number, name in enumerate(names)
    ]


def test_a_name_that_is_a_number_is_counted_like_its_text(db):
    assert guesses(12345, 12345, "12345", 12345, " 12345", 12345, "12345") == [401] * 5 + [429] * 2


ALIKE = ("admin", "ádmin", "ad\u200bmin", "ADMÍN", "admin\u00ad", "a\u0308dmin", "ａdmin")


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_names_alike_are_counted_together_whether_there_is_such_a_user_or_not(db, name):
    get_user_model().objects.create_user(name, password="secret-word")
    assert guesses(*ALIKE) == [401] * 5 + [429] * 2


def test_s15_names_nobody_has_are_counted_like_others(user, monkeypatch):
    """As often as those of users: an answer to either takes as much work."""
    calls = []

    def add(self, *args, **kwargs):
        calls.append(args)
        return plain(self, *args, **kwargs)

    plain = LocMemCache.add
    monkeypatch.setattr(LocMemCache, "add", add)
    numbers = []
    for name in ("ann", "nobody"):
        calls.clear()
        guesses(name)
        numbers.append(len(calls))
    assert numbers == [3, 3]


def test_one_user_is_counted_under_every_name_that_finds_him(user, monkeypatch):
    """As MySQL and MariaDB do, whose collations take many names for one."""
    users = type(get_user_model().objects)
    monkeypatch.setattr(users, "get_by_natural_key", lambda self, name: user)
    assert guesses(*"abcdefg") == [401] * 5 + [429] * 2


def test_addresses_behind_ones_own_proxy_are_told_apart(db, settings):
    settings.ECOMMERCE_SYNC = {"API": {"NUM_PROXIES": 1}}
    answers = attempts(7, HTTP_X_FORWARDED_FOR="spoofed{n}, 10.0.0.{n}")
    assert {answer.status_code for answer in answers} == {401}
    answers = attempts(7, HTTP_X_FORWARDED_FOR="spoofed{n}, 10.0.0.99")
    assert answers[-1].status_code == 429


def test_throttles_can_be_changed_and_switched_off(db, settings):
    settings.ECOMMERCE_SYNC = {"API": {"THROTTLE_RATES": {"login": "2/hour"}}}
    assert [answer.status_code for answer in attempts(3)] == [401, 401, 429]
    settings.ECOMMERCE_SYNC = {"API": {"THROTTLE_RATES": {"login": None}}}
    assert {answer.status_code for answer in attempts(20)} == {401}


class SilentCache(BaseCache):
    """One that keeps nothing and says nothing, as some clients do while their server is away."""

    def __init__(self, location, params):
        super().__init__(params)

    def add(self, key, value, timeout=None, version=None):
        return False

    def get(self, key, default=None, version=None):
        return default

    def set(self, key, value, timeout=None, version=None):
        pass

    def clear(self):
        pass


SILENT = {"BACKEND": f"{__name__}.SilentCache"}


@pytest.mark.parametrize("cache", [AWAY, SILENT])
def test_nobody_signs_in_while_nobody_counts(user, settings, cache):
    settings.CACHES = {"default": cache}
    sent = {"username": "ann", "password": "secret-word"}
    response = APIClient().post("/api/token/", sent)
    document = problem(response, 503, "unavailable")
    assert "counted" in document["detail"]
    assert response["Retry-After"] == "2"
    settings.ECOMMERCE_SYNC = {"API": {"THROTTLE_RATES": {"login": None}}}
    assert APIClient().post("/api/token/", sent).status_code == 200


@pytest.mark.parametrize("cache", [AWAY, SILENT])
def test_everything_else_goes_on_while_nobody_counts(user, client, settings, cache, caplog):
    settings.CACHES = {"default": cache}
    pair = sign_in(user)
    assert client.post("/api/token/verify/", {"token": pair["access"]}).status_code == 200
    assert client.post("/api/token/refresh/", {"refresh": pair["refresh"]}).status_code == 200
    settings.ECOMMERCE_SYNC = {"FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}}}
    assert client.post("/api/refresh/", {}).status_code == 202
    assert "cannot be counted" in caplog.text


@pytest.mark.parametrize(
    ("rate", "timeout", "later"), [("2/hour", 1, 429), ("2/s", None, 401), ("2/s", 300, 401)]
)
def test_a_window_ends_when_it_says_whatever_the_cache_keeps_by_default(
    db, settings, tmp_path, monkeypatch, rate, timeout, later
):
    """Most of Django's caches have no increment of their own: it sets their default lifetime."""
    settings.CACHES = {"default": {"BACKEND": FILES, "LOCATION": tmp_path, "TIMEOUT": timeout}}
    settings.ECOMMERCE_SYNC = {"API": {"THROTTLE_RATES": {"login": rate}}}
    assert [answer.status_code for answer in attempts(3)] == [401, 401, 429]
    time.sleep(1.1)
    assert attempts(1)[0].status_code == later


def test_a_window_that_closes_while_it_is_looked_at(db, monkeypatch):
    """Between ``add`` and ``incr``; the next one is begun."""
    attempts(1)
    found = []

    def incr(self, key, delta=1, version=None):
        found.append(key)
        cache.delete(key, version=version)
        raise ValueError("It is not there.")

    monkeypatch.setattr(LocMemCache, "incr", incr)
    assert attempts(1)[0].status_code == 401
    assert found
