"""What the pages have in common: where a row came from, and history nobody may rewrite."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import SyncLink

NOTHING = "-"


class SyncedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A row that feeds, people and API clients keep in step."""

    #: Counting a large table takes longer than showing a page of it.
    show_full_result_count = False
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "feed_records",
        "version",
        "archived_at",
        "created_at",
        "updated_at",
    )

    @admin.display(description=_("records in feeds"))
    def feed_records(self, row: models.Model) -> SafeString | str:
        """The feed records this row is."""
        links = SyncLink.objects.filter(
            model=row._meta.label_lower, object_id=str(row.pk)
        ).order_by("feed", "stream", "external_id")
        return format_html_join(
            ", ", "{}", ((linked(link, link_name(link)),) for link in links)
        ) or str(_("none: no feed has brought this row"))


class HistoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What happened: to be read, never to be changed."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DetailAdmin(HistoryAdmin):
    """History whose rows have pages with a template of their own."""

    def about(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the template of a row's page needs beside the row."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        about = self.about(request, obj) if obj is not None else {}
        context = {**about, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def link_name(link: SyncLink) -> str:
    """A record's place: feed, stream and id there."""
    return f"{link.feed} / {link.stream} / {link.external_id}"


def linked(row: models.Model, text: Any = None) -> SafeString:
    """A row as a link to its page."""
    return model_linked(row._meta.label_lower, row.pk, row if text is None else text)


def model_linked(label: str, pk: Any, text: Any) -> SafeString:
    """The same for a row that was not loaded; plain text where the admin has no such page."""
    try:
        address = reverse(f"admin:{label.replace('.', '_')}_change", args=[quote(str(pk))])
    except NoReverseMatch:
        return format_html("{}", text)
    return format_html('<a href="{}">{}</a>', address, text)
