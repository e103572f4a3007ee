"""When feeds run by themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..checks import cron_complaint
from ..conf import settings
from ..models import SyncSchedule
from .base import NOTHING, linked


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A schedule of a feed that exists, with a cron line that says when."""

    def clean_feed(self) -> str:
        """The alias of a configured feed."""
        feed = str(self.cleaned_data["feed"])
        if feed not in settings.FEEDS:
            raise forms.ValidationError(
                _("No feed is configured as “%(feed)s”. There is: %(known)s."),
                code="unknown_feed",
                params={"feed": feed, "known": ", ".join(settings.FEEDS) or NOTHING},
            )
        return feed

    def clean_cron(self) -> str:
        """A line that Celery's crontab understands."""
        cron = str(self.cleaned_data["cron"])
        if complaint := cron_complaint(cron):
            raise forms.ValidationError(complaint, code="invalid_cron")
        return cron


@admin.register(SyncSchedule)
class SyncScheduleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ScheduleForm
    list_display = ("feed", "cron", "enabled", "next_run_at", "last_run_link")
    list_filter = ("enabled",)
    list_select_related = ("last_run",)
    search_fields = ("feed",)
    fields = ("feed", "cron", "enabled", "next_run_at", "last_run_link")
    readonly_fields = ("next_run_at", "last_run_link")

    def save_model(self, request: HttpRequest, obj: SyncSchedule, form: Any, change: bool) -> None:
        """Save; a moment worked out from the former line is worth nothing any more."""
        if {"cron", "enabled"} & set(form.changed_data):
            obj.next_run_at = None
        super().save_model(request, obj, form, change)

    @admin.display(description=_("last run"), ordering="last_run")
    def last_run_link(self, schedule: SyncSchedule) -> SafeString | str:
        return linked(schedule.last_run) if schedule.last_run else NOTHING
