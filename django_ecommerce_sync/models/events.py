"""What happened to an order: written once, read ever after."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings as django_settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..exceptions import HistoryIsFinal
from .orders import Order


class OrderEventKind(models.TextChoices):
    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    TRANSITION = "transition", _("transition")


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Rows that can be added and read."""

    def update(self, **values: Any) -> NoReturn:
        refuse()

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        refuse()

    def delete(self) -> NoReturn:
        refuse()

    def bulk_create(self, objs: Any, *args: Any, **options: Any) -> Any:
        """Add rows; options that would overwrite stored ones are refused."""
        if options.get("update_conflicts"):
            refuse()
        return super().bulk_create(objs, *args, **options)


class OrderEvent(models.Model):
    """One entry of an order's log. It goes only together with its order."""

    order = models.ForeignKey(
        Order, models.CASCADE, related_name="events", verbose_name=_("order"), editable=False
    )
    kind = models.CharField(_("kind"), max_length=20, choices=OrderEventKind)
    from_state = models.CharField(_("from"), max_length=20, blank=True)
    to_state = models.CharField(_("to"), max_length=20, blank=True)
    by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    note = models.TextField(_("note"), blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    # data: {"changes": {column: [before, after]}} of a move, {"fields": [name]} of a change,
    # {"stock": {"reserved" | "released" | "taken": {sku: units}}} where stock has moved
    data = models.JSONField(_("data"), default=dict, blank=True)

    # Not the base manager: Django's own work, as when a user is deleted, goes round it.
    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.to_state}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add it; raises ``HistoryIsFinal`` for one that is there already."""
        if not self._state.adding:
            refuse()
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises ``HistoryIsFinal``: an event goes only with its order."""
        refuse()


def refuse() -> NoReturn:
    """Nobody rewrites what has happened."""
    raise HistoryIsFinal("Events are written once; they go only together with their order.")
