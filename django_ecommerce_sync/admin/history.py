"""Rejected rows, links, and changes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import SyncChange, SyncIssue, SyncLink
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
        "missing_since_link",
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
        "missing_since_link",
    )
    readonly_fields = ("row", "first_run_link", "last_changed_run_link", "missing_since_link")

    @admin.display(description=_("row"))
    def row(self, link: SyncLink) -> SafeString:
        return model_linked(link.model, link.object_id, f"{link.model} {link.object_id}")

    @admin.display(description=_("first run"), ordering="first_run")
    def first_run_link(self, link: SyncLink) -> SafeString:
        return run_linked(link.first_run)

    @admin.display(description=_("last changed in run"), ordering="last_changed_run")
    def last_changed_run_link(self, link: SyncLink) -> SafeString:
        return run_linked(link.last_changed_run)

    @admin.display(description=_("missing since run"), ordering="missing_since")
    def missing_since_link(self, link: SyncLink) -> SafeString | str:
        return run_linked(link.missing_since) if link.missing_since else NOTHING


@admin.register(SyncChange)
class SyncChangeAdmin(HistoryAdmin):
    list_display = ("at", "row", "action", "what", "whose", "run_link")
    list_filter = ("action", "feed", "model")
    list_select_related = ("user",)
    date_hierarchy = "at"
    search_fields = ("=object_id",)
    search_help_text = _("the row's number")
    ordering = ("-id",)
    fields = ("at", "row", "action", "values", "whose", "run_link")
    readonly_fields = ("row", "values", "whose", "run_link")

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        # A row's own page links to its changes.
        return lookup == "object_id" or super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("row"))
    def row(self, change: SyncChange) -> SafeString:
        return model_linked(change.model, change.object_id, f"{change.model} {change.object_id}")

    @admin.display(description=_("fields"))
    def what(self, change: SyncChange) -> str:
        return ", ".join(change.fields)

    @admin.display(description=_("fields"))
    def values(self, change: SyncChange) -> SafeString:
        lines = ((name, *(pair or ("…", "…"))) for name, pair in change.fields.items())
        cells = format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", lines)
        return format_html("<table>{}</table>", cells)

    @admin.display(description=_("by"))
    def whose(self, change: SyncChange) -> str:
        return f"{change.feed} / {change.stream}" if change.feed else str(change.user or NOTHING)

    @admin.display(description=_("run"), ordering="run")
    def run_link(self, change: SyncChange) -> SafeString | str:
        return run_linked(change.run) if change.run else NOTHING


def run_linked(number: int) -> SafeString:
    """A run's number as a link to its page, which may be gone by now."""
    return model_linked("ecommerce_sync.syncrun", number, number)
