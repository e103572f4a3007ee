"""A project under chaos: what its web process, workers and beats are started with."""

import os
from datetime import timedelta

from django_ecommerce_sync.beat import BEAT_SCHEDULE
from tests.settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "chaos",
        "USER": "chaos",
        "HOST": "127.0.0.1",
        "PORT": os.environ["CHAOS_DB_PORT"],
        "ATOMIC_REQUESTS": os.environ.get("CHAOS_ATOMIC_REQUESTS") == "1",
        "OPTIONS": {
            "charset": "utf8mb4",
            "connect_timeout": 5,
            "isolation_level": os.environ.get("CHAOS_ISOLATION", "read committed"),
        },
    }
}
#: A lease of three seconds is nothing for earnest.
SILENCED_SYSTEM_CHECKS = ["ecommerce_sync.E005"]
ROOT_URLCONF = "tests.chaos.urls"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

_WEB, _FOLDER = os.environ["CHAOS_FEED_URL"], os.environ["CHAOS_FEED_FOLDER"]
_FEEDS = {
    **{name: ("Whole", {"url": f"{_WEB}/{name}.jsonl"}) for name in ("shop", "mill", "farm")},
    "pages": ("Paged", {"base_url": f"{_WEB}/pages"}),
    "ranges": ("Ranges", {"base_url": f"{_WEB}/ranges"}),
    "split": ("Split", {"url": f"{_FOLDER}/split.jsonl"}),
}
ECOMMERCE_SYNC = {
    "FEEDS": {
        name: {"BACKEND": f"tests.chaos.feeds.{backend}", "OPTIONS": options}
        for name, (backend, options) in _FEEDS.items()
    },
    "RUNNER": "celery",
    "BATCH_SIZE": int(os.environ.get("CHAOS_BATCH_SIZE", "50")),
    "LEASE_SECONDS": int(os.environ.get("CHAOS_LEASE_SECONDS", "3")),
    "MAX_ATTEMPTS": int(os.environ.get("CHAOS_MAX_ATTEMPTS", "3")),
    "ALLOW_PRIVATE_ADDRESSES": True,
    "API": {
        "ACCESS_TOKEN_LIFETIME": timedelta(days=1),
        "THROTTLE_RATES": {"login": None, "token": None, "refresh": None, "runs": None},
    },
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

CELERY_BROKER_URL = os.environ["CHAOS_REDIS_URL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "visibility_timeout": int(os.environ.get("CHAOS_VISIBILITY", "3600")),
}
CELERY_TASK_SOFT_TIME_LIMIT = int(os.environ.get("CHAOS_SOFT_LIMIT", "0")) or None
CELERY_TASK_TIME_LIMIT = int(os.environ.get("CHAOS_HARD_LIMIT", "0")) or None
_LOOK = float(os.environ.get("CHAOS_LOOK_SECONDS", "1"))
#: As the package proposes it, only that a minute of ours is a second.
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": _LOOK, "options": {"expires": 10 * _LOOK}}
    for name, entry in BEAT_SCHEDULE.items()
}
