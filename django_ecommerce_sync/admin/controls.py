"""The buttons that start, retry and stop runs: all POST, all behind ``run_sync``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from ..conf import settings
from ..exceptions import AlreadyRunning, ConfigurationError, PlanRefused, RetryRefused
from ..models import SyncIssue, SyncRun
from ..sync import apply_plan, cancel, dispatch, request_run, retry, retry_rows
from .base import DetailAdmin, HistoryAdmin

#: Asks for runs: each run, and whether it is new.
Wish = Callable[[], Sequence[tuple[SyncRun, bool]]]


class StartsRuns(HistoryAdmin):
    """Pages from which runs can be started."""

    def has_run_sync_permission(self, request: HttpRequest) -> bool:
        """Whether the user may start, stop and retry runs."""
        return request.user.has_perm("ecommerce_sync.run_sync")

    def _start(self, request: HttpRequest, wishes: Iterable[Wish]) -> list[SyncRun]:
        """Request the runs, hand over what is new, and say how that went; returns them."""
        runs = []
        for wish in wishes:
            try:
                requested = wish()
            except (ConfigurationError, RetryRefused) as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            for run, new in requested:
                runs.append(run)
                self.message_user(request, *(handed_over(run) if new else busy(run)))
        return runs


class IssueControls(StartsRuns):
    """What a person may do with rejected rows."""

    actions = ("retry_selected",)

    @admin.action(description=_("Retry these rows"), permissions=["run_sync"])
    def retry_selected(
        self, request: HttpRequest, issues: QuerySet[SyncIssue]
    ) -> HttpResponse | None:
        wish = partial(retry_rows, issues, **asked_by(request))
        runs = self._start(request, [wish])
        return redirect_to(runs[0].pk) if len(runs) == 1 else None


class RunControls(DetailAdmin, StartsRuns):
    """What a person may do with runs, as buttons and as actions of the list."""

    actions = ("retry_selected", "cancel_selected")

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path(
                "sync-now/", site.admin_view(self.sync_now), name="ecommerce_sync_syncrun_sync_now"
            ),
            path(
                "<int:run_id>/retry/",
                site.admin_view(self.retry_run),
                name="ecommerce_sync_syncrun_retry",
            ),
            path(
                "<int:run_id>/apply/",
                site.admin_view(self.apply_run),
                name="ecommerce_sync_syncrun_apply",
            ),
            path(
                "<int:run_id>/cancel/",
                site.admin_view(self.cancel_run),
                name="ecommerce_sync_syncrun_cancel",
            ),
            *super().get_urls(),
        ]

    @method_decorator(require_POST)
    def sync_now(self, request: HttpRequest) -> HttpResponse:
        """Request a run of one feed, or of all."""
        self._must_be_allowed(request)
        feed = request.POST.get("feed", "")
        if feed and feed not in settings.FEEDS:
            self.message_user(request, gettext("No such feed is configured."), messages.ERROR)
            return redirect_to_list()
        options = {"plan": "dry_run" in request.POST, **asked_by(request)}
        return self._shown(
            request,
            [
                partial(one, request_run, alias, **options)
                for alias in ([feed] if feed else settings.FEEDS)
            ],
        )

    @method_decorator(require_POST)
    def retry_run(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Apply the rejected rows of a run once more, or those of one group."""
        self._must_be_allowed(request)
        run = get_object_or_404(SyncRun, pk=run_id)
        group = {
            name: request.POST[name] for name in ("stream", "code", "field") if name in request.POST
        }
        wish = partial(one, retry, run, **group, **asked_by(request))
        runs = self._start(request, [wish])
        return redirect_to(runs[0].pk if runs else run_id)

    def _shown(self, request: HttpRequest, wishes: Sequence[Wish]) -> HttpResponse:
        """Start runs and show the only one, or the list of them."""
        runs = self._start(request, wishes)
        return redirect_to(runs[0].pk) if len(wishes) == len(runs) == 1 else redirect_to_list()

    @method_decorator(require_POST)
    def apply_run(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Do exactly what a dry run has planned."""
        self._must_be_allowed(request)
        plan = get_object_or_404(SyncRun, pk=run_id)
        wish = partial(one, apply_plan, plan, **asked_by(request))
        try:
            return self._shown(request, [wish])
        except (AlreadyRunning, PlanRefused) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return redirect_to(run_id)

    @method_decorator(require_POST)
    def cancel_run(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Stop a run."""
        self._must_be_allowed(request)
        self._cancelled(request, [get_object_or_404(SyncRun, pk=run_id)])
        return redirect_to(run_id)

    def _must_be_allowed(self, request: HttpRequest) -> None:
        if not self.has_run_sync_permission(request):
            raise PermissionDenied

    def _cancelled(self, request: HttpRequest, runs: Iterable[SyncRun]) -> None:
        number = 0
        for run in runs:
            if run.is_active:
                cancel(run)
                self.log_change(request, run, "Cancelled.")
                number += 1
        text = ngettext("%(n)d run is stopping.", "%(n)d runs are stopping.", number)
        self.message_user(request, text % {"n": number})

    @admin.action(description=_("Retry the rejected rows"), permissions=["run_sync"])
    def retry_selected(self, request: HttpRequest, runs: QuerySet[SyncRun]) -> HttpResponse:
        wishes = [partial(one, retry, run, **asked_by(request)) for run in runs]
        return self._shown(request, wishes)

    @admin.action(description=_("Cancel"), permissions=["run_sync"])
    def cancel_selected(self, request: HttpRequest, runs: QuerySet[SyncRun]) -> None:
        self._cancelled(request, runs)


def one(wish: Callable[..., tuple[SyncRun, bool]], *args: Any, **kwargs: Any) -> Any:
    """A wish for a single run, as a list of them."""
    return [wish(*args, **kwargs)]


def asked_by(request: HttpRequest) -> dict[str, Any]:
    """Where a run came from and whose wish it was."""
    return {"trigger": "admin", "requested_by": request.user}


def handed_over(run: SyncRun) -> tuple[str, int]:
    """Hand a new run to the runner; what to tell the user."""
    if dispatch(run) == "deferred":
        text = gettext("The broker cannot be reached; the run stays queued until it can.")
        return text, messages.WARNING
    text = gettext("Feed “%(feed)s”: the run was started.")
    return text % {"feed": run.feed}, messages.SUCCESS


def busy(run: SyncRun) -> tuple[str, int]:
    """What to tell the user about a feed that has a run already."""
    text = gettext("Feed “%(feed)s” is already queued or running.")
    return text % {"feed": run.feed}, messages.WARNING


def redirect_to(run_id: int) -> HttpResponse:
    """The page of a run."""
    return HttpResponseRedirect(reverse("admin:ecommerce_sync_syncrun_change", args=[run_id]))


def redirect_to_list() -> HttpResponse:
    """The list of runs."""
    return HttpResponseRedirect(reverse("admin:ecommerce_sync_syncrun_changelist"))
