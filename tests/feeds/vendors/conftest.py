"""A vendor's feed, configured, run and counted; and everything that is left of it."""

import logging

import pytest
from django.apps import apps

from django_ecommerce_sync.models import OUTCOMES, Order, OrderLine, Product
from django_ecommerce_sync.sync import execute, request_run


@pytest.fixture
def sync(settings, db):
    """Configure a feed, run it, and check that every record read is counted once."""

    def sync(backend, *, alias="shop", **options):
        feed = {"BACKEND": backend, "OPTIONS": options}
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {alias: feed}}
        run, is_new = request_run(alias)
        assert is_new
        run = execute(run.pk)
        for counts in run.counts.values():
            assert counts["read"] == sum(counts[name] for name in OUTCOMES)
        return run

    return sync


@pytest.fixture
def counts(sync):
    """The counts that are not zero, by stream, of a run that came through."""

    def counts(backend, **options):
        run = sync(backend, **options)
        assert not run.error_code, run.error
        return {
            stream: {name: n for name, n in run.counts_of(stream).items() if n}
            for stream in run.counts
        }

    return counts


@pytest.fixture
def rows():
    """Every synced row as it stands, with its version and the time it was touched."""
    models = (Product, Order, OrderLine, apps.get_model("ecommerce_sync", "Customer"))
    return lambda: [list(model.objects.order_by("pk").values()) for model in models]


@pytest.fixture
def traces(caplog, capfd):
    """Everything that is left of a run: all tables of the app, the log and the terminal."""
    caplog.set_level(logging.DEBUG)

    def traces():
        tables = apps.get_app_config("ecommerce_sync").get_models()
        stored = [list(model.objects.values()) for model in tables]
        return f"{stored}\n{caplog.text}\n{capfd.readouterr()}"

    return traces
