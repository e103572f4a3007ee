"""The Django app."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class EcommerceSyncConfig(AppConfig):
    name = "django_ecommerce_sync"
    label = "ecommerce_sync"
    verbose_name = _("E-commerce sync")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Checks and receivers need the models, which exist only from here on.
        from . import checks, orders, sync
        from .feeds import redaction
        from .models import BULK
        from .sync import links, runs

        register(checks.check_settings)
        register(checks.check_database, Tags.database)
        register(_in_time("api.checks.check_api"), Tags.security)
        register(_in_time("api.checks.check_api_deployment"), Tags.security, deploy=True)
        register(checks.check_deployment, Tags.security, deploy=True)
        links.connect()
        runs.connect()
        redaction.install()
        orders.connect()
        sync.register_errand(BULK, _in_time("api.queued.carry_out_part"))


@cache
def _in_time(path: str) -> Callable[..., Any]:
    """A function of this package, imported when it is called: workers need no API.

    It is one and the same each time, for apps may be made ready again, and registered twice.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        return import_string(f"{__package__}.{path}")(*args, **kwargs)

    return call
