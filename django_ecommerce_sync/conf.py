"""The settings, read live from ``ECOMMERCE_SYNC``; the default stands beside each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings


class Settings:
    """Typed view of the ``ECOMMERCE_SYNC`` dict: nothing is cached, so nothing goes stale."""

    #: Feeds by alias: ``{"BACKEND": dotted path, "OPTIONS": {...}, "SCHEDULE": cron line}``.
    FEEDS: Mapping[str, Mapping[str, Any]] = {}
    #: Where a requested run is carried out: ``celery``, ``thread``, ``inline``, or ``auto``.
    RUNNER: str = "auto"
    #: Rows in one transaction.
    BATCH_SIZE: int = 1000
    #: Whether new rows are sent to MySQL as files where that can be (``LOAD DATA LOCAL``).
    LOCAL_INFILE: bool = False
    #: ISO 4217 code for money whose feed names no currency.
    DEFAULT_CURRENCY: str = "USD"
    #: Seconds a worker may be silent before another one takes its run over.
    LEASE_SECONDS: int = 60
    #: Seconds a task works at a feed with pages before another task goes on with it.
    TASK_SECONDS: int = 300
    #: Attempts without progress before a run is given up.
    MAX_ATTEMPTS: int = 3
    #: Whether every change of a synced row is recorded: what, when, and by which feed or person.
    CHANGE_LOG: bool = False
    #: Days the record of a change is kept by ``ecommerce_sync prune``.
    KEEP_CHANGES_DAYS: int = 90
    #: Whether a field that a person edits in the admin is pinned by that.
    PIN_EDITS: bool = False
    #: Days a finished run and its issues are kept by ``ecommerce_sync prune``.
    KEEP_RUNS_DAYS: int = 90
    #: Days a merge can be undone: then ``prune`` deletes what the merged row was like.
    KEEP_MERGES_DAYS: int = 90
    #: Whether feeds may be read from private and reserved addresses.
    ALLOW_PRIVATE_ADDRESSES: bool = False
    #: Overrides for the API; docs/reference/settings.md lists the keys.
    API: Mapping[str, Any] = {}

    def __getattribute__(self, name: str) -> Any:
        default = object.__getattribute__(self, name)
        configured: Mapping[str, Any] = getattr(django_settings, "ECOMMERCE_SYNC", {})
        return configured.get(name, default)

    @classmethod
    def names(cls) -> list[str]:
        """Every key the ``ECOMMERCE_SYNC`` dict may hold."""
        return sorted(name for name in vars(cls) if name.isupper())


settings = Settings()
