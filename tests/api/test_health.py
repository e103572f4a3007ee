import pytest
from django.db import OperationalError, connection

from .conftest import problem


def test_live_does_not_touch_the_database(anonymous):
    # Without the "db" fixture any query would raise.
    response = anonymous.get("/api/health/live/", HTTP_AUTHORIZATION="Bearer x")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"


def test_ready(db, anonymous):
    response = anonymous.get("/api/health/ready/")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_not_ready(anonymous, monkeypatch):
    def refuse():
        raise OperationalError("password of root is hunter2")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = anonymous.get("/api/health/ready/")
    problem(response, 503, "unavailable")
    assert "hunter2" not in response.content.decode()
