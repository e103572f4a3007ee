"""Plans: what a dry run would change, row by row."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..exceptions import PlanRefused
from ..models import PlannedAction, PlannedChange, SyncRun
from ..sync import check_plan
from ..sync.plans import field_by_field
from .base import NOTHING, HistoryAdmin, linked, model_linked

#: The parameter that names the run of a list.
RUN = "run__id__exact"


class StreamFilter(admin.SimpleListFilter):
    """Streams as the runs' counts name them: looking through a million rows takes longer."""

    title = _("stream")
    parameter_name = "stream"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        run = run_asked_for(request)
        runs = [run] if run else SyncRun.objects.filter(planned=True, dry_run=True)
        names = {name for run in runs for name in run.plan_counts}
        return [(name, name) for name in sorted(names)]

    def queryset(
        self, request: HttpRequest, changes: QuerySet[PlannedChange]
    ) -> QuerySet[PlannedChange]:
        return changes.filter(stream=self.value()) if self.value() else changes


@admin.register(PlannedChange)
class PlannedChangeAdmin(HistoryAdmin):
    list_display = ("record", "badge", "what", "stream", "row", "position", "run_link")
    list_filter = ("action", StreamFilter)
    list_select_related = ("run",)
    search_fields = ("key", "external_id")
    search_help_text = _("key or id in the feed")
    ordering = ("id",)
    fields = (
        "run_link",
        "stream",
        "position",
        "record",
        "external_id",
        "badge",
        "reason",
        "in_full",
        "row",
    )
    readonly_fields = ("run_link", "record", "badge", "in_full", "row")

    class Media:
        css = {"all": ("ecommerce_sync/admin.css",)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = run_asked_for(request)
        title = {"title": gettext("Plan of %(run)s") % {"run": run}} if run else {}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without the run where all rows are of one."""
        return [name for name in self.list_display if name != "run_link" or RUN not in request.GET]

    @admin.display(description=_("record"))
    def record(self, change: PlannedChange) -> SafeString:
        name = change.key or change.external_id or f"#{change.position or change.object_id}"
        return format_html('<span class="ecs-record">{}</span>', name)

    @admin.display(description=_("action"), ordering="action")
    def badge(self, change: PlannedChange) -> SafeString:
        return format_html(
            '<span class="ecs-badge ecs-plan-{}">{}</span>',
            change.action,
            change.get_action_display(),
        )

    @admin.display(description=_("changes"))
    def what(self, change: PlannedChange) -> SafeString | str:
        """Each field with its old and new value in short, or why the record is left alone."""
        return all_fields(change, longest=80) or change.reason or NOTHING

    @admin.display(description=_("changes"))
    def in_full(self, change: PlannedChange) -> SafeString | str:
        return all_fields(change, longest=1000) or NOTHING

    @admin.display(description=_("row"))
    def row(self, change: PlannedChange) -> SafeString | str:
        if not change.object_id:
            return NOTHING
        return model_linked(change.model, change.object_id, change.object_id)

    @admin.display(description=_("run"), ordering="run")
    def run_link(self, change: PlannedChange) -> SafeString:
        return linked(change.run)


def run_asked_for(request: HttpRequest) -> SyncRun | None:
    """The run whose plan a list is about, if it is about one."""
    number = request.GET.get(RUN, "")
    is_number = number.isdecimal() and number.isascii() and len(number) < 19
    return SyncRun.objects.filter(pk=int(number)).first() if is_number else None


def all_fields(change: PlannedChange, *, longest: int) -> SafeString:
    """A line for each field."""
    fields = [(one_field(*found),) for found in field_by_field(change, longest=longest)]
    return format_html_join("", "{}", fields)


def one_field(name: str, old: str | None, new: str | None) -> SafeString:
    """A field's change; a value that is not kept is said to be so."""
    if new is None:
        sides = format_html('<span class="ecs-dry">{}</span>', _("not kept"))
    elif old is None:
        sides = format_html("<ins>{}</ins>", new)
    else:
        sides = format_html("<del>{}</del> → <ins>{}</ins>", old, new)
    return format_html('<div class="ecs-change"><b>{}</b> {}</div>', name, sides)


def about_plan(request: HttpRequest, run: SyncRun) -> dict[str, Any]:
    """What the page of a run says of its plan: counts with links, and whether it can be applied."""
    if not run.has_plan:
        return {}
    return {
        "plan_actions": [label for _value, label in PlannedAction.choices],
        "plan_rows": [
            (stream, [(n, listed(run, stream, action)) for action, n in padded(counts)])
            for stream, counts in run.plan_counts.items()
        ],
        "plan_list": listed(run),
        "may_see_plan": request.user.has_perm("ecommerce_sync.view_plannedchange"),
        "applications": [
            linked(applying, f"{applying}: {applying.get_status_display()}")
            for applying in run.applications.order_by("pk")
        ],
        "plan_refusal": refusal(run),
    }


def padded(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The counts of all actions, in the order of the choices."""
    return [(action, counts.get(action, 0)) for action in PlannedAction.values]


def listed(run: SyncRun, stream: str = "", action: str = "") -> str:
    """The list of a plan, or of a part of it."""
    query = {RUN: run.pk, "stream": stream, "action__exact": action}
    address = reverse("admin:ecommerce_sync_plannedchange_changelist")
    return f"{address}?{urlencode({name: value for name, value in query.items() if value})}"


def refusal(run: SyncRun) -> str:
    """Why the plan cannot be applied, or ""."""
    try:
        check_plan(run)
    except PlanRefused as refused:
        return refused.message
    return ""
