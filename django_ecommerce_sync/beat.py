"""What celery beat needs; free of Django, so that a project's settings may import it."""

from typing import Any, Final

#: Seconds between two looks for schedules that are due and runs nobody took.
DISPATCH_SECONDS: Final = 30

#: Merge into the project's ``CELERY_BEAT_SCHEDULE``. A message that waited too long expires:
#: after an outage one look is enough.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "ecommerce-sync-dispatch": {
        "task": "django_ecommerce_sync.tasks.dispatch",
        "schedule": float(DISPATCH_SECONDS),
        "options": {"expires": DISPATCH_SECONDS - 10},
    }
}
