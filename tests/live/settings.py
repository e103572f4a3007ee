"""A project that is asked over a real socket, by several processes of gunicorn."""

import os
from datetime import timedelta

from tests.settings import *  # noqa: F403

DATABASES["default"]["CONN_MAX_AGE"] = 60  # noqa: F405
DATABASES["default"].setdefault("OPTIONS", {})["isolation_level"] = "read committed"  # noqa: F405
#: Counters that all processes share.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["LIVE_CACHE"],
    }
}
ECOMMERCE_SYNC = {
    "FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}},
    "RUNNER": "inline",
    "API": {
        "ACCESS_TOKEN_LIFETIME": timedelta(days=1),
        "THROTTLE_RATES": {
            name: None
            for name in ("login", "token", "refresh", "runs")
            if os.environ.get("LIVE_THROTTLES") != "1"
        },
    },
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
