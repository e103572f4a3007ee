"""What no other test of the API shows: see docs/explanation/security.md for all of it."""

import logging
from importlib.metadata import requires

import pytest
from django.apps import apps
from django.core.cache import cache
from packaging.requirements import Requirement
from packaging.version import Version

from django_ecommerce_sync.models import Product

from .conftest import problem


def test_s11_no_token_is_stored(user, anonymous):
    sent = {"username": "ann", "password": "secret-word"}
    pair = anonymous.post("/api/token/", sent).json()
    fresh = anonymous.post("/api/token/refresh/", {"refresh": pair["refresh"]}).json()
    anonymous.post("/api/token/blacklist/", {"refresh": fresh["refresh"]})
    stored = [
        str(value)
        for model in apps.get_app_config("ecommerce_sync").get_models()
        for row in model._default_manager.values_list()
        for value in row
    ]
    assert any(stored), "the used token's id is there"
    for token in (*pair.values(), *fresh.values()):
        assert not any(token in text or token.split(".")[2] in text for text in stored)


def below(bound):
    return {
        "terms": ("get", "/api/products/?search=" + "+".join("abcde"), None, 200),
        "term": ("get", "/api/products/?search=" + "x" * 64, None, 200),
        "depth": ("post", "/api/products/", '{"x":' + "[" * 63 + "]" * 63 + "}", 400),
        "body": ("post", "/api/products/", '{"a":"' + "x" * (2**20 - 8) + '"}', 400),
    }[bound]


def above(bound):
    return {
        "terms": ("get", "/api/products/?search=" + "+".join("abcdef"), None, 400),
        "term": ("get", "/api/products/?search=" + "x" * 65, None, 400),
        "depth": ("post", "/api/products/", '{"x":' + "[" * 64 + "]" * 64 + "}", 400),
        "body": ("post", "/api/products/", '{"a":"' + "x" * (2**20 - 7) + '"}', 413),
    }[bound]


@pytest.mark.parametrize("bound", ["terms", "term", "depth", "body"])
def test_s26_each_bound_is_a_bound(client, bound):
    answers = []
    for method, address, body, status in (below(bound), above(bound)):
        response = client.generic(method.upper(), address, body or "", "application/json")
        assert response.status_code == status, response.content[:300]
        answers.append(response.content)
    assert answers[0] != answers[1]
    assert (b"too_deep" in answers[1]) is (bound == "depth")
    assert b"too_deep" not in answers[0]


def test_s26_runs_can_be_asked_for_so_often(client, settings, monkeypatch):
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda *runs: "deferred")
    settings.ECOMMERCE_SYNC = {
        "FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}},
    }
    cache.clear()
    answers = [client.post("/api/refresh/", {}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [202] * 6 + [429]
    problem(answers[6], 429, "throttled")
    assert int(answers[6]["Retry-After"]) <= 3600
    # What can be done about the run is counted apart.
    (run,) = answers[0].json()["runs"]
    assert client.post(f"/api/sync-runs/{run['id']}/cancel/").status_code == 202


def test_s29_one_line_of_log_for_one_event(client, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("x")

    monkeypatch.setattr("django_ecommerce_sync.api.views.base.ResourceView.retrieve", fail)
    client.raise_request_exception = False
    with caplog.at_level(logging.ERROR, "django_ecommerce_sync.api"):
        client.get("/api/products/by-sku/a%0DERROR%20forged%1B%5B31m/")
    (record,) = [each for each in caplog.records if each.name == "django_ecommerce_sync.api"]
    assert "forged" in record.getMessage()
    assert not any(character in record.getMessage() for character in "\n\r\x1b")


def test_s30_hosts(client, product):
    Product.objects.create(sku="b", price=1)
    page = client.get("/api/products/?page_size=1", HTTP_X_FORWARDED_HOST="evil.example")
    assert page.json()["next"].startswith("http://testserver/api/products/")
    assert "evil" not in page["Link"]
    assert client.get("/api/products/", HTTP_HOST="evil.example").status_code == 400


#: The first version without a hole that would concern us.
FLOORS = {
    "djangorestframework": "3.17.2",
    "djangorestframework-simplejwt": "5.5.1",
    "requests": "2.32.4",
    "urllib3": "2.6.3",
}


def test_s35_floors():
    declared = [Requirement(text) for text in requires("django-ecommerce-sync") or ()]
    floors = {
        each.name: min(Version(spec.version) for spec in each.specifier if spec.operator == ">=")
        for each in declared
        if each.name in FLOORS
    }
    assert set(floors) == set(FLOORS)
    assert all(floors[name] >= Version(least) for name, least in FLOORS.items())
