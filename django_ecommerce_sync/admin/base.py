"""What the pages have in common: where a row came from, and history nobody may rewrite."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from ..conf import settings
from ..models import SyncLink
from ..sync.history import Origin, provenance, record_edit
from .pins import is_pin, pin_form, pins_of, with_pins

NOTHING = "-"


class SyncedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A row that feeds, people and API clients keep in step."""

    #: Counting a large table takes longer than showing a page of it.
    show_full_result_count = False
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "feed_records",
        "value_origins",
        "version",
        "archived_at",
        "created_at",
        "updated_at",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Each field of a row that is there with its pin beside it, and where values come from."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        if self.has_change_permission(request, obj):
            fixable = self._fixable(request, obj, fieldsets)
            fieldsets = [
                (title, {**options, "fields": with_pins(options["fields"], fixable)})
                for title, options in fieldsets
            ]
        origins = {"fields": ("value_origins",), "classes": ("collapse",)}
        return [*fieldsets, (_("Where the values come from"), origins)]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None and self.has_change_permission(request, obj):
            fieldsets = super().get_fieldsets(request, obj)
            kwargs["form"] = pin_form(self.form, self.model, self._fixable(request, obj, fieldsets))
        return super().get_form(request, obj, change=change, **kwargs)

    def _fixable(self, request: HttpRequest, obj: Any, fieldsets: Any) -> list[str]:
        """The fields of the page that a feed could write, and a person can."""
        fixed = set(self.get_readonly_fields(request, obj))
        return [name for name in flatten_fieldsets(fieldsets) if name not in fixed]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save with the pins, and write down what the person changed."""
        edited = [name for name in form.changed_data if name in form._meta.fields]
        edited = [name for name in edited if not is_pin(name)]
        if change:
            obj.pinned = pins_of(form, edited if settings.PIN_EDITS else ())
        super().save_model(request, obj, form, change)
        record_edit(obj, {name: form.initial.get(name) for name in edited}, request.user)

    @admin.display(description=_("values"))
    def value_origins(self, row: models.Model) -> SafeString | str:
        """A table: field, feed or person, run, time."""
        origins = provenance(row)
        lines = (
            (field.verbose_name, *origin_cells(origins[field.name]))
            for field in row._meta.fields
            if field.name in origins
        )
        table = format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
        if not table:
            return str(_("nothing is known"))
        address = reverse("admin:ecommerce_sync_syncchange_changelist")
        query = urlencode({"model": row._meta.label_lower, "object_id": row.pk})
        all_changes = format_html('<a href="{}?{}">{}</a>', address, query, _("all changes"))
        return format_html("<table>{}</table><p>{}</p>", table, all_changes)

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


def origin_cells(origin: Origin) -> tuple[Any, Any, Any]:
    """Who a value is from, in which run or merge, and when."""
    who = f"{origin.feed} / {origin.stream}" if origin.feed else origin.user or _("somebody")
    where: Any = ""
    if origin.run is not None:
        where = model_linked("ecommerce_sync.syncrun", origin.run, f"run {origin.run}")
    elif origin.merge is not None:
        where = model_linked("ecommerce_sync.merge", origin.merge, f"merge {origin.merge}")
    return who, where, date_format(localtime(origin.at), "DATETIME_FORMAT") if origin.at else ""


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
