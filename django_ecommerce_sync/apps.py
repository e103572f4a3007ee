"""The Django app."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class EcommerceSyncConfig(AppConfig):
    name = "django_ecommerce_sync"
    label = "ecommerce_sync"
    verbose_name = _("E-commerce sync")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Checks and receivers need the models, which exist only from here on.
        from . import checks, orders, sync
        from .api import checks as api_checks
        from .api import queued
        from .feeds import redaction
        from .models import BULK
        from .sync import links, runs

        register(checks.check_settings)
        register(checks.check_database, Tags.database)
        register(api_checks.check_api, Tags.security)
        register(api_checks.check_api_deployment, Tags.security, deploy=True)
        register(checks.check_deployment, Tags.security, deploy=True)
        links.connect()
        runs.connect()
        redaction.install()
        orders.connect()
        sync.register_errand(BULK, queued.carry_out_part)
