"""The web process as projects run it: ``gunicorn tests.chaos.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")
application = get_wsgi_application()
