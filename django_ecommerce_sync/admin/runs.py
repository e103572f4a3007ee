"""Runs: what is going on, and what happened."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..conf import settings
from ..models import COUNTS, SyncRun
from ..sync import IssueGroup, issue_groups
from .base import NOTHING, linked
from .controls import RunControls
from .plans import about_plan

#: Groups of rejected rows, and single ones, on the page of a run; the list has all of them.
SHOWN_GROUPS = 20
SHOWN_ISSUES = 50
#: Seconds after which the page of a run that goes on may load itself again.
REFRESH_SECONDS = 5


@admin.register(SyncRun)
class SyncRunAdmin(RunControls):
    view_on_site = False
    change_list_template = "admin/ecommerce_sync/syncrun/change_list.html"
    change_form_template = "admin/ecommerce_sync/syncrun/change_form.html"
    list_display = ("id", "feed", "badge", "created_at", "outcome", "duration", "origin")
    list_display_links = ("id", "feed")
    list_filter = ("status", "feed", "trigger", "dry_run")
    list_select_related = ("requested_by", "retry_of", "plan")
    date_hierarchy = "created_at"
    search_fields = ("feed", "error_code", "error")
    search_help_text = _("feed or error")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "feed",
                    "badge",
                    "reason",
                    "warned",
                    "duration",
                    "started_at",
                    "finished_at",
                )
            },
        ),
        (
            _("Request"),
            {
                "fields": (
                    "origin",
                    "created_at",
                    "requested_streams",
                    "dry_run",
                    "full",
                    "since",
                    "limit",
                    "retry_link",
                    "plan_link",
                )
            },
        ),
        (
            _("Engine"),
            {
                "classes": ("collapse",),
                "fields": ("batch_number", "attempts", "lease_until", "cancel_requested"),
            },
        ),
    )
    readonly_fields = (
        "badge",
        "reason",
        "warned",
        "duration",
        "origin",
        "requested_streams",
        "retry_link",
        "plan_link",
    )

    class Media:
        css = {"all": ("ecommerce_sync/admin.css",)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "feeds": list(settings.FEEDS),
            "may_run": self.has_run_sync_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def about(self, request: HttpRequest, run: SyncRun) -> dict[str, Any]:
        issues = run.issues.order_by("pk")
        groups = issue_groups(run)
        number = sum(group.count for group in groups)
        return {
            "may_run": self.has_run_sync_permission(request),
            "counts": COUNTS,
            "count_rows": [
                (stream, counts_of(run, stream), run.totals.get(stream)) for stream in run.counts
            ],
            "groups": [(group, rows_of(run, group)) for group in groups[:SHOWN_GROUPS]],
            "groups_hidden": max(0, len(groups) - SHOWN_GROUPS),
            "issues": issues[:SHOWN_ISSUES],
            "issue_number": number,
            "issues_hidden": max(0, number - SHOWN_ISSUES),
            "refresh": REFRESH_SECONDS if run.is_active and "refresh" in request.GET else 0,
            "can_retry": any(group.open for group in groups) and not run.is_active,
            **about_plan(request, run),
        }

    @admin.display(description=_("status"), ordering="status")
    def badge(self, run: SyncRun) -> SafeString:
        note = _("plan") if run.has_plan else _("dry run") if run.dry_run else ""
        dry = format_html(' <span class="ecs-dry">{}</span>', note) if note else ""
        return format_html(
            '<span class="ecs-badge ecs-{}">{}</span>{}', run.status, run.get_status_display(), dry
        )

    @admin.display(description=_("outcome"))
    def outcome(self, run: SyncRun) -> SafeString | str:
        """The counts that are not zero, a line for each stream."""
        lines = ((stream, in_short(run, stream)) for stream in run.counts)
        return format_html_join("", '<div class="ecs-stream">{}: {}</div>', lines) or NOTHING

    @admin.display(description=_("error"))
    def reason(self, run: SyncRun) -> str:
        return f"{run.error_code}: {run.error}" if run.error_code else NOTHING

    @admin.display(description=_("warnings"))
    def warned(self, run: SyncRun) -> SafeString | str:
        lines = ((warning["stream"], warning["message"]) for warning in run.warnings)
        return format_html_join("", "<div>{}: {}</div>", lines) or NOTHING

    @admin.display(description=_("seconds"))
    def duration(self, run: SyncRun) -> float | str:
        return NOTHING if run.seconds is None else run.seconds

    @admin.display(description=_("requested from"), ordering="trigger")
    def origin(self, run: SyncRun) -> str:
        return f"{run.trigger} ({run.requested_by})" if run.requested_by else run.trigger

    @admin.display(description=_("streams"))
    def requested_streams(self, run: SyncRun) -> str:
        return ", ".join(run.streams) or gettext("all")

    @admin.display(description=_("retry of"))
    def retry_link(self, run: SyncRun) -> SafeString | str:
        first = linked(run.retry_of) if run.retry_of else NOTHING
        only = ", ".join(f"{name}: {wish}" for name, wish in run.retry_choice.items())
        return format_html("{} ({})", first, only) if only else first

    @admin.display(description=_("applies the plan of"))
    def plan_link(self, run: SyncRun) -> SafeString | str:
        return linked(run.plan) if run.plan else NOTHING


def rows_of(run: SyncRun, group: IssueGroup) -> str:
    """The query by which the list of rejected rows shows those of a group."""
    lines = re.escape(group.field).replace(r"\[\]", r"\[[0-9]+\]")
    field = {"field__regex": f"^{lines}$"} if "[]" in group.field else {"field": group.field}
    query = {"run__id__exact": run.pk, "stream": group.stream, "code": group.code, **field}
    return urlencode(query)


def counts_of(run: SyncRun, stream: str) -> list[int]:
    """A stream's counts in the order of ``COUNTS``."""
    return [run.counts[stream].get(count, 0) for count in COUNTS]


def in_short(run: SyncRun, stream: str) -> str:
    """A stream's counts without the zeros: ``3 read, 2 created, 1 rejected``."""
    counts = zip(COUNTS, counts_of(run, stream), strict=True)
    return ", ".join(f"{number} {name}" for name, number in counts if number) or "0"
