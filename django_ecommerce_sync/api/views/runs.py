"""Asking for runs, watching them, reading what was rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ... import sync
from ...exceptions import AlreadyRunning, ConfigurationError, PlanRefused, RetryRefused
from ...models import BULK, PlannedChange, SentRow, SyncIssue, SyncRun
from ...sync.plans import CSV_COLUMNS, csv_rows
from ..conf import api_settings
from ..examples.answers import ISSUE, csv_file
from ..exports import cells, csv_response
from ..filters import FieldFilter, SearchFilter
from ..filtersets import (
    PlannedChangeFilterSet,
    SentRowFilterSet,
    SyncIssueFilterSet,
    SyncRunFilterSet,
)
from ..idempotency import idempotent
from ..problems import Conflict, FieldProblem, UnknownFields
from ..refresh import request_runs
from ..renderers import CSVRenderer, JSONRenderer
from ..schema import operation
from ..serializers import (
    IssueGroupSerializer,
    PlannedChangeSerializer,
    RefreshResponseSerializer,
    RefreshSerializer,
    RetrySerializer,
    SyncIssueSerializer,
    SyncRunSerializer,
)
from ..serializers.bulk import SentRowSerializer
from ..serializers.runs import requested_run, run_url
from ..throttling import RefreshThrottle, RunThrottle
from ..users import has_rights
from .base import ApiView, ModelView

RUN_SYNC = ["ecommerce_sync.run_sync"]
_PLAN_LINE = dict(
    zip(
        CSV_COLUMNS,
        ("products", 7, "update", "SK-7", "7", "731", "", "price", "5.0000", "6.0000"),
        strict=True,
    )
)
SEE_ISSUES = ["ecommerce_sync.view_syncrun", "ecommerce_sync.view_syncissue"]


class RefreshView(ApiView):
    """Bring feeds up to date: queues a run for each and answers at once.

    A feed that is queued or running already answers with that run.
    """

    throttle_classes: Any = (RefreshThrottle,)

    def required_permissions(self, method: str) -> list[str]:
        return RUN_SYNC

    @operation(
        operation_id="refresh",
        summary="Bring feeds up to date",
        request=RefreshSerializer,
        responses={202: RefreshResponseSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        runs = request_runs(**serializer.validated_data, requested_by=request.user)
        data = {"runs": [requested_run(run, request) for run in runs]}
        return Response(data, status=202, headers={"Location": data["runs"][0]["url"]})


class SyncRunView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ModelView[SyncRun]):
    """Runs: queued, under way and over."""

    queryset = SyncRun.objects.select_related("requested_by")
    serializer_class = SyncRunSerializer
    filterset_class: ClassVar[Any] = SyncRunFilterSet
    search_fields: ClassVar = ("feed",)
    ordering_fields: ClassVar = ("id", "feed", "status", "created_at", "started_at", "finished_at")
    ordering: ClassVar = ("-id",)
    action_permissions: ClassVar = {
        "issues": SEE_ISSUES,
        "groups": SEE_ISSUES,
        "results": SEE_ISSUES,
        "plan": ["ecommerce_sync.view_syncrun", "ecommerce_sync.view_plannedchange"],
        "apply": RUN_SYNC,
        "cancel": RUN_SYNC,
        "retry": RUN_SYNC,
    }

    def required_permissions(self, method: str) -> list[str]:
        required = super().required_permissions(method)
        is_allowed = has_rights(self.request.user, required)
        return required if is_allowed or not self._is_senders else []

    @property
    def _is_senders(self) -> bool:
        """Whether it is about rows that whoever asks has sent."""
        if self.action not in ("retrieve", "results"):
            return False
        sent = SyncRun.objects.filter(trigger=BULK, requested_by=self.request.user.pk)
        return sent.filter(pk=self.kwargs["pk"]).exists()

    def get_queryset(self) -> QuerySet[Any]:
        if self.action in ("issues", "plan", "results"):
            return super().get_queryset()
        issues = SyncIssue.objects.filter(run=OuterRef("pk")).order_by().values("run")
        count = Subquery(issues.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return super().get_queryset().annotate(issues_count=Coalesce(count, 0))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One run. Looking at it also wakes runs that nobody attends to."""
        sync.dispatch_lost()
        return super().retrieve(request, *args, **kwargs)

    @operation(
        operation_id="sync_runs_cancel",
        summary="End a run",
        request=None,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RunThrottle])
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        """End a queued run now, a running one after its present batch."""
        sync.cancel(self.get_object())
        return self._accepted(self.get_object())

    @operation(
        operation_id="sync_runs_retry",
        summary="Retry what was rejected",
        request=RetrySerializer,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RunThrottle])
    @idempotent
    def retry(self, request: Request, pk: int) -> Response:
        """Queue a run that reads the feed again and applies only what was rejected in this one.

        All rows that are open, or those that fit every part of the body. A feed that is queued
        or running already answers with that run.
        """
        rejected = self.get_object()
        serializer = RetrySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        choice = serializer.validated_data
        try:
            run, created = sync.retry(rejected, **choice, trigger="api", requested_by=request.user)
        except ConfigurationError as error:
            raise Conflict(str(error), "feed_misconfigured") from error
        except RetryRefused as error:
            raise _refusal(error, choice) from error
        if created:
            sync.dispatch(run)
        return self._accepted(self.get_queryset().get(pk=run.pk))

    @operation(
        summary="List what was rejected",
        responses={
            (200, "application/json"): SyncIssueSerializer(many=True),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, examples=[csv_file(ISSUE)]),
        },
    )
    @action(
        detail=True,
        queryset=SyncIssue.objects.order_by("id"),
        serializer_class=SyncIssueSerializer,
        filterset_class=SyncIssueFilterSet,
        filter_backends=[FieldFilter],
        renderer_classes=[JSONRenderer, CSVRenderer],
    )
    def issues(self, request: Request, pk: int) -> HttpResponseBase:
        """The records this run rejected, as JSON in pages or as one CSV file."""
        run = get_object_or_404(SyncRun, pk=pk)
        issues: Any = self.filter_queryset(self.get_queryset())
        issues = issues.filter(run=run)
        if request.accepted_renderer.format == "csv":
            self.paginator.check(request)
            columns = SyncIssueSerializer.Meta.fields
            rows = issues[: api_settings.MAX_EXPORT_ROWS].values_list(*columns)
            lines = cells(rows.iterator(chunk_size=2000))
            return csv_response(columns, lines, f"run-{run.pk}-issues.csv")
        page = self.paginate_queryset(issues)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        operation_id="sync_runs_issue_groups",
        summary="List what was rejected, repeats together",
        responses={200: IssueGroupSerializer(many=True)},
    )
    @action(
        detail=True,
        url_path="issues/groups",
        serializer_class=IssueGroupSerializer,
        filter_backends=[],
    )
    def groups(self, request: Request, pk: int) -> Response:
        """How often each reason stood against each field, most frequent first."""
        groups: Any = sync.issue_groups(get_object_or_404(SyncRun, pk=pk))
        page = self.paginate_queryset(groups)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        operation_id="sync_runs_results",
        summary="List what became of the rows of a bulk request",
        responses=SentRowSerializer(many=True),
    )
    @action(
        detail=True,
        queryset=SentRow.objects.order_by("index"),
        serializer_class=SentRowSerializer,
        filterset_class=SentRowFilterSet,
        filter_backends=[FieldFilter],
    )
    def results(self, request: Request, pk: int) -> Response:
        """Row by row, in the order they were sent. A run that reads a feed has none of them.

        Who has sent the rows may see this and the run without further rights.
        """
        run = get_object_or_404(SyncRun, pk=pk)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset().filter(run=run)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        summary="List what a dry run would have changed",
        responses={
            (200, "application/json"): PlannedChangeSerializer(many=True),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, examples=[csv_file(_PLAN_LINE)]),
        },
    )
    @action(
        detail=True,
        queryset=PlannedChange.objects.order_by("id"),
        serializer_class=PlannedChangeSerializer,
        filterset_class=PlannedChangeFilterSet,
        filter_backends=[FieldFilter, SearchFilter],
        search_fields=("key", "external_id"),
        renderer_classes=[JSONRenderer, CSVRenderer],
    )
    def plan(self, request: Request, pk: int) -> HttpResponseBase:
        """What becomes of each record, as JSON in pages or as one CSV file.

        Records that would be left alone are only counted. A run that keeps no plan has none
        of them.
        """
        run = get_object_or_404(SyncRun, pk=pk)
        changes: Any = self.filter_queryset(self.get_queryset().filter(run=run))
        if request.accepted_renderer.format == "csv":
            self.paginator.check(request)
            return csv_response(CSV_COLUMNS, _plan_lines(changes), f"run-{run.pk}-plan.csv")
        page = self.paginate_queryset(changes)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        operation_id="sync_runs_apply",
        summary="Apply a plan exactly",
        request=None,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RunThrottle])
    @idempotent
    def apply(self, request: Request, pk: int) -> Response:
        """Queue a run that does exactly what this dry run has planned.

        It fails with `plan_outdated`, before anything is written, if the feed or the rows have
        changed since. 409 with a code for what cannot be applied: `no_plan`, `plan_unfinished`,
        `plan_applied`, `already_running`.
        """
        try:
            run, created = sync.apply_plan(
                self.get_object(), trigger="api", requested_by=request.user
            )
        except PlanRefused as refusal:
            raise Conflict(refusal.message, refusal.code) from refusal
        except AlreadyRunning as error:
            raise Conflict(str(error), "already_running") from error
        except ConfigurationError as error:
            raise Conflict(str(error), "feed_misconfigured") from error
        if created:
            sync.dispatch(run)
        return self._accepted(self.get_queryset().get(pk=run.pk))

    def _accepted(self, run: SyncRun) -> Response:
        data = self.get_serializer(run).data
        return Response(data, status=202, headers={"Location": run_url(run, self.request)})


def _refusal(error: RetryRefused, choice: dict[str, Any]) -> UnknownFields | Conflict:
    """Rows may not exist, or be open no more."""
    if not error.issues:
        return Conflict(str(error), "nothing_to_retry")
    unknown = set(error.issues)
    return UnknownFields(
        FieldProblem(f"/issues/{index}", "unknown_issue", f"This run has no rejected row {pk}.")
        for index, pk in enumerate(choice["issues"])
        if pk in unknown
    )


def _plan_lines(changes: QuerySet[PlannedChange]) -> Iterator[list[Any]]:
    for change in changes[: api_settings.MAX_EXPORT_ROWS].iterator(chunk_size=2000):
        yield from csv_rows(change)
