"""Settings and entry points; the Celery app is loaded with them, so that tasks find it."""

from .celery import app as celery_app

__all__ = ["celery_app"]
