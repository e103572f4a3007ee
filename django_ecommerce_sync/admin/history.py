"""Rejected rows and links."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import SyncIssue, SyncLink
from .base import NOTHING, HistoryAdmin, linked, model_linked
from .controls import IssueControls


@admin.register(SyncIssue)
class SyncIssueAdmin(IssueControls):
    list_display = (
        "id",
        "run_link",
        "stream",
        "record",
        "field",
        "code",
        "message",
        "excerpt",
        "state",
    )
    list_filter = ("state", "feed", "stream", "code")
    list_select_related = ("run",)
    date_hierarchy = "created_at"
    search_fields = ("external_id", "key", "message")
    search_help_text = _("id in the feed, key or message")
    ordering = ("-id",)
    fields = (
        "run_link",
        "stream",
        "position",
        "external_id",
        "key",
        "field",
        "code",
        "message",
        "excerpt",
        "state",
        "resolved_by_link",
        "arrived_at",
        "retried_in_link",
        "created_at",
    )
    readonly_fields = ("run_link", "resolved_by_link", "retried_in_link")

    @admin.display(description=_("run"), ordering="run")
    def run_link(self, issue: SyncIssue) -> SafeString:
        return linked(issue.run)

    @admin.display(description=_("resolved by"))
    def resolved_by_link(self, issue: SyncIssue) -> SafeString | str:
        return linked(issue.resolved_by) if issue.resolved_by else NOTHING

    @admin.display(description=_("read again in run"))
    def retried_in_link(self, issue: SyncIssue) -> SafeString | str:
        return run_linked(issue.retried_in) if issue.retried_in else NOTHING

    @admin.display(description=_("record"))
    def record(self, issue: SyncIssue) -> str:
        return issue.key or issue.external_id or f"#{issue.position}"


@admin.register(SyncLink)
class SyncLinkAdmin(HistoryAdmin):
    list_display = (
        "external_id",
        "feed",
        "stream",
        "row",
        "first_run_link",
        "last_changed_run_link",
        "last_seen_run_link",
    )
    list_filter = ("feed", "stream", "model")
    search_fields = ("external_id", "=object_id")
    search_help_text = _("id in the feed, or the row's number")
    ordering = ("-id",)
    fields = (
        "feed",
        "stream",
        "external_id",
        "row",
        "first_run_link",
        "last_changed_run_link",
        "last_seen_run_link",
    )
    readonly_fields = ("row", "first_run_link", "last_changed_run_link", "last_seen_run_link")

    @admin.display(description=_("row"))
    def row(self, link: SyncLink) -> SafeString:
        return model_linked(link.model, link.object_id, f"{link.model} {link.object_id}")

    @admin.display(description=_("first run"), ordering="first_run")
    def first_run_link(self, link: SyncLink) -> SafeString:
        return run_linked(link.first_run)

    @admin.display(description=_("last changed in run"), ordering="last_changed_run")
    def last_changed_run_link(self, link: SyncLink) -> SafeString:
        return run_linked(link.last_changed_run)

    @admin.display(description=_("last seen in run"), ordering="last_seen_run")
    def last_seen_run_link(self, link: SyncLink) -> SafeString:
        return run_linked(link.last_seen_run)


def run_linked(number: int) -> SafeString:
    """A run's number as a link to its page, which may be gone by now."""
    return model_linked("ecommerce_sync.syncrun", number, number)
