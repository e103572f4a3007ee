"""Likely duplicates side by side, and merges that can be taken back."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from ..models import Merge, MergeCandidate
from ..sync import merging
from ..sync.merging import FieldMerge, MergeRefused
from .base import NOTHING, DetailAdmin, linked, model_linked

FIRST, SECOND = "first", "second"


def may(request: HttpRequest, model: type[models.Model], *verbs: str) -> bool:
    """Whether the user may do all this with rows of the model."""
    meta = model._meta
    return request.user.has_perms([f"{meta.app_label}.{verb}_{meta.model_name}" for verb in verbs])


class KindFilter(admin.SimpleListFilter):
    """Customers or products."""

    title = _("rows of")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = merging.MERGEABLE.items()
        return [(name, str(model._meta.verbose_name_plural)) for name, model in found]

    def queryset(self, request: HttpRequest, records: QuerySet[Any]) -> QuerySet[Any]:
        model = merging.MERGEABLE.get(self.value() or "")
        return records.filter(model=model._meta.label_lower) if model else records


class MergingAdmin(DetailAdmin):
    """Records about rows: who may not see the rows does not see these either."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen = [
            model._meta.label_lower
            for model in merging.MERGEABLE.values()
            if may(request, model, "view")
        ]
        return super().get_queryset(request).filter(model__in=seen)

    def has_change_rows_permission(self, request: HttpRequest, record: Any, *verbs: str) -> bool:
        """Whether the user may decide about such records, and do that with their rows."""
        own = may(request, self.model, "change")
        return own and may(request, merging.model_of(record.model), *verbs)

    def refused(self, request: HttpRequest, refusal: MergeRefused, record: Any) -> HttpResponse:
        """Say why it cannot be, on the page of the record."""
        self.message_user(request, refusal.message, messages.ERROR)
        return redirect_to(record)

    @admin.display(description=_("rows of"), ordering="model")
    def kind(self, record: Any) -> str:
        return str(merging.model_of(record.model)._meta.verbose_name_plural)


class PairList(ChangeList):
    """Pairs with the names of their rows, looked up for a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        rows = merging.rows_of(self.result_list)
        for candidate in self.result_list:
            candidate.known_rows = rows


@admin.register(MergeCandidate)
class MergeCandidateAdmin(MergingAdmin):
    change_form_template = "admin/ecommerce_sync/mergecandidate/change_form.html"
    list_display = ("id", "score", "state", "kind", "first_row", "second_row", "why")
    list_filter = ("state", KindFilter)
    ordering = ("-score", "id")
    actions = ("dismiss_selected",)

    class Media:
        css = {"all": ("ecommerce_sync/admin.css", "ecommerce_sync/merging.css")}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PairList

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path(
                "<int:pk>/merge/",
                site.admin_view(self.merge_pair),
                name="ecommerce_sync_mergecandidate_merge",
            ),
            path(
                "<int:pk>/dismiss/",
                site.admin_view(self.dismiss_pair),
                name="ecommerce_sync_mergecandidate_dismiss",
            ),
            *super().get_urls(),
        ]

    def about(self, request: HttpRequest, candidate: MergeCandidate) -> dict[str, Any]:
        """Both rows side by side, with what would be kept by default."""
        context = {
            "may_merge": candidate.merge_id is None
            and self.has_change_rows_permission(request, candidate, "change", "delete"),
            "may_dismiss": candidate.state == "open"
            and self.has_change_rows_permission(request, candidate, "view"),
        }
        rows = merging.rows_of([candidate])
        if len(rows) < 2:
            return {**context, "may_merge": False}
        survivor, _other = merging.ordered(candidate)
        fields = merging.preview(candidate, survivor.pk)
        first, second = merging.both(candidate)
        return {
            **context,
            "survivor": survivor,
            "rows": [(FIRST, first, linked(first)), (SECOND, second, linked(second))],
            "versions": versions(first, second),
            "differing": [side_by_side(f, survivor == first) for f in fields if f.differs],
            "equal": [(f.label, shown(f.survivor)) for f in fields if not f.differs],
        }

    @method_decorator(require_POST)
    def merge_pair(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Merge as the form says, unless one of the rows is not what the form has shown."""
        candidate = self._candidate(request, pk, "change", "delete")
        try:
            first, second = merging.both(candidate)
            if request.POST.get("versions") != versions(first, second):
                text = gettext("The rows have changed meanwhile; look at them again.")
                self.message_user(request, text, messages.WARNING)
                return redirect_to(candidate)
            survivor = second if request.POST.get("survivor") == SECOND else first
            record = merging.merge_candidate(
                candidate,
                survivor=survivor.pk,
                choices=chosen(request, type(first), survivor == first),
                by=request.user,
            )
        except MergeRefused as refusal:
            return self.refused(request, refusal, candidate)
        self.log_change(request, candidate, "Merged.")
        self.message_user(request, gettext("Merged. It can be undone here."), messages.SUCCESS)
        return redirect_to(record)

    @method_decorator(require_POST)
    def dismiss_pair(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say that they are two things."""
        candidate = self._candidate(request, pk, "view")
        try:
            merging.dismiss(candidate, by=request.user)
        except MergeRefused as refusal:
            return self.refused(request, refusal, candidate)
        self.log_change(request, candidate, "Dismissed.")
        self.message_user(request, gettext("Dismissed: the pair is not found again."))
        return HttpResponseRedirect(reverse("admin:ecommerce_sync_mergecandidate_changelist"))

    def _candidate(self, request: HttpRequest, pk: int, *verbs: str) -> MergeCandidate:
        candidate = get_object_or_404(MergeCandidate, pk=pk)
        if not self.has_change_rows_permission(request, candidate, *verbs):
            raise PermissionDenied
        return candidate

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may decide about pairs."""
        return may(request, MergeCandidate, "change")

    @admin.action(description=_("They are two things"), permissions=["decide"])
    def dismiss_selected(self, request: HttpRequest, candidates: QuerySet[MergeCandidate]) -> None:
        for candidate in candidates.filter(state="open"):
            merging.dismiss(candidate, by=request.user)
            self.log_change(request, candidate, "Dismissed.")
        self.message_user(request, gettext("Dismissed: the pairs are not found again."))

    @admin.display(description=_("first row"))
    def first_row(self, candidate: MergeCandidate) -> SafeString | str:
        return self._row(candidate, candidate.first_id)

    @admin.display(description=_("second row"))
    def second_row(self, candidate: MergeCandidate) -> SafeString | str:
        return self._row(candidate, candidate.second_id)

    def _row(self, candidate: Any, pk: int) -> SafeString | str:
        row = candidate.known_rows.get((candidate.model, pk))
        return linked(row) if row else NOTHING

    @admin.display(description=_("reasons"))
    def why(self, candidate: MergeCandidate) -> SafeString | str:
        sentences = ((reason["sentence"],) for reason in candidate.reasons)
        return format_html_join("", '<div class="ecs-why">{}</div>', sentences) or NOTHING


def versions(first: Any, second: Any) -> str:
    """What says that neither row has changed."""
    return f"{first.version}-{second.version}"


def side_by_side(field: FieldMerge, first_survives: bool) -> dict[str, Any]:
    """A field of both rows, with the side that a merge takes it from by default."""
    ours, theirs = (FIRST, SECOND) if first_survives else (SECOND, FIRST)
    values = {ours: shown(field.survivor), theirs: shown(field.other)}
    sides = {"survivor": ours, "other": theirs, "both": "both"}
    return {
        "name": field.name,
        "label": field.label,
        "first": values[FIRST],
        "second": values[SECOND],
        "both": shown(field.merged) if field.side == "both" else None,
        "side": sides[field.side],
        "conflict": field.is_conflict,
    }


def shown(value: Any) -> str:
    """A value as text; JSON line by line."""
    if value in (None, "", {}, []):
        return NOTHING
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return str(value)


def chosen(request: HttpRequest, model: type[models.Model], first_survives: bool) -> dict[str, str]:
    """The form's choices as a merge takes them; "both" is what it does by itself."""
    sides = {FIRST: "survivor", SECOND: "other"}
    if not first_survives:
        sides = {FIRST: "other", SECOND: "survivor"}
    sent = {name: request.POST.get(f"field-{name}", "") for name in merging.field_names(model)}
    return {name: sides[side] for name, side in sent.items() if side in sides}


@admin.register(Merge)
class MergeAdmin(MergingAdmin):
    change_form_template = "admin/ecommerce_sync/merge/change_form.html"
    list_display = (
        "id",
        "kind",
        "other_id",
        "survivor",
        "merged_at",
        "merged_by",
        "undone_at",
        "can_be_undone",
    )
    list_filter = (KindFilter, ("undone_at", admin.EmptyFieldListFilter))
    list_select_related = ("merged_by",)
    date_hierarchy = "merged_at"
    search_fields = ("=survivor_id", "=other_id")
    search_help_text = _("number of a row")
    fields = (
        "kind",
        "other_id",
        "survivor",
        "changed",
        "moved_rows",
        "merged_at",
        "merged_by",
        "undone_at",
        "undone_by",
        "expired_at",
    )
    readonly_fields = ("kind", "survivor", "changed", "moved_rows")

    class Media:
        css = {"all": ("ecommerce_sync/admin.css",)}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.undo_merge)
        return [
            path("<int:pk>/undo/", view, name="ecommerce_sync_merge_undo"),
            *super().get_urls(),
        ]

    def about(self, request: HttpRequest, record: Merge) -> dict[str, Any]:
        """Whether there is something to undo, and somebody who may."""
        may_undo = record.can_be_undone and self.has_change_rows_permission(
            request, record, "change", "add"
        )
        return {"may_undo": may_undo}

    @admin.display(description=_("can be undone"), boolean=True)
    def can_be_undone(self, record: Merge) -> bool:
        return record.can_be_undone

    @method_decorator(require_POST)
    def undo_merge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Bring the merged row back."""
        record = get_object_or_404(Merge, pk=pk)
        if not self.has_change_rows_permission(request, record, "change", "add"):
            raise PermissionDenied
        try:
            restored = merging.undo(record, by=request.user)
        except MergeRefused as refusal:
            return self.refused(request, refusal, record)
        self.log_change(request, record, "Undone.")
        text = format_html(gettext("Undone: {} is back."), linked(restored))
        self.message_user(request, text, messages.SUCCESS)
        return redirect_to(record)

    @admin.display(description=_("survivor"), ordering="survivor_id")
    def survivor(self, record: Merge) -> SafeString:
        return model_linked(record.model, record.survivor_id, record.survivor_id)

    @admin.display(description=_("changed fields"))
    def changed(self, record: Merge) -> str:
        return ", ".join(merging.changed_fields(record)) or NOTHING

    @admin.display(description=_("moved rows"))
    def moved_rows(self, record: Merge) -> str:
        """How many of each kind: ``3 orders, 1 link``."""
        counts = ((name, len(rows)) for name, rows in record.moved.items() if rows)
        return ", ".join(f"{number} × {name}" for name, number in counts) or NOTHING


@admin.action(description=_("Merge two rows…"), permissions=["change", "delete"])
def merge_selected(
    modeladmin: admin.ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]
) -> HttpResponse | None:
    """For the lists of customers and products: put the two rows that are ticked side by side."""
    found = list(rows[:3])
    if len(found) != 2:
        modeladmin.message_user(request, gettext("Tick exactly two rows."), messages.WARNING)
        return None
    return redirect_to(merging.propose(*found))


def redirect_to(record: Any) -> HttpResponse:
    """The page of a pair or of a merge."""
    name = f"admin:ecommerce_sync_{record._meta.model_name}_change"
    return HttpResponseRedirect(reverse(name, args=[record.pk]))
