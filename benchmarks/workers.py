"""The Celery app of ``scaling.py``, which says in the variable BENCHMARK what to work on."""

import json
import os
import sys
from pathlib import Path

from celery import Celery

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
WISH = json.loads(os.environ["BENCHMARK"])
os.environ["DATABASE_URL"] = WISH["database"]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django  # noqa: E402
from django.conf import settings  # noqa: E402

app = Celery("benchmark", broker=WISH["redis"], set_as_current=True)
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
django.setup()

from reading import FIELDS  # noqa: E402

from django_ecommerce_sync.feeds import ByteRanges, JSONLinesFeed  # noqa: E402

settings.ECOMMERCE_SYNC = {
    "RUNNER": "celery",
    "FEEDS": {
        "shop": {
            "BACKEND": JSONLinesFeed,
            "OPTIONS": {
                "url": WISH["feed"],
                "stream": "products",
                "fields": FIELDS,
                "partitions": ByteRanges(WISH["partitions"]) if WISH["partitions"] else None,
            },
        }
    },
}
import django_ecommerce_sync.tasks  # noqa: E402, F401
