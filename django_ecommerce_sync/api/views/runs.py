"""Asking for runs, watching them, reading what was rejected."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ... import sync
from ...exceptions import AlreadyRunning, ConfigurationError, PlanRefused
from ...models import PlannedChange, SyncIssue, SyncRun
from ...sync.plans import CSV_COLUMNS, csv_rows
from ..conf import api_settings
from ..filters import FieldFilter, SearchFilter
from ..filtersets import PlannedChangeFilterSet, SyncIssueFilterSet, SyncRunFilterSet
from ..problems import Conflict
from ..refresh import request_runs
from ..renderers import CSVRenderer, JSONRenderer
from ..schema import operation
from ..serializers import (
    PlannedChangeSerializer,
    RefreshResponseSerializer,
    RefreshSerializer,
    SyncIssueSerializer,
    SyncRunSerializer,
)
from ..serializers.runs import requested_run, run_url
from ..throttling import RefreshThrottle
from .base import ApiView, ModelView

RUN_SYNC = ["ecommerce_sync.run_sync"]
#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
        "issues": ["ecommerce_sync.view_syncrun", "ecommerce_sync.view_syncissue"],
        "plan": ["ecommerce_sync.view_syncrun", "ecommerce_sync.view_plannedchange"],
        "apply": RUN_SYNC,
        "cancel": RUN_SYNC,
        "retry": RUN_SYNC,
    }

    def get_queryset(self) -> QuerySet[Any]:
        if self.action in ("issues", "plan"):
            return super().get_queryset()
        issues = SyncIssue.objects.filter(run=OuterRef("pk")).order_by().values("run")
        count = Subquery(issues.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return super().get_queryset().annotate(issues_count=Coalesce(count, 0))

    @operation(
        operation_id="sync_runs_cancel",
        summary="End a run",
        request=None,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RefreshThrottle])
    def cancel(self, request: Request, pk: int) -> Response:
        """End a queued run now, a running one after its present batch."""
        sync.cancel(self.get_object())
        return self._accepted(self.get_object())

    @operation(
        operation_id="sync_runs_retry",
        summary="Retry what was rejected",
        request=None,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RefreshThrottle])
    def retry(self, request: Request, pk: int) -> Response:
        """Queue a run that reads the feed again and applies only what was rejected in this one."""
        try:
            run, created = sync.retry(self.get_object(), trigger="api", requested_by=request.user)
        except ConfigurationError as error:
            raise Conflict(str(error), "feed_misconfigured") from error
        if created:
            sync.dispatch(run)
        return self._accepted(self.get_queryset().get(pk=run.pk))

    @operation(
        summary="List what was rejected",
        responses={
            (200, "application/json"): SyncIssueSerializer(many=True),
            (200, "text/csv"): OpenApiResponse(response=OpenApiTypes.STR),
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
            return csv_response(_issue_lines(issues), f"run-{run.pk}-issues.csv")
        page = self.paginate_queryset(issues)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        summary="List what a dry run would have changed",
        responses={
            (200, "application/json"): PlannedChangeSerializer(many=True),
            (200, "text/csv"): OpenApiResponse(response=OpenApiTypes.STR),
        },
        examples=[
            OpenApiExample(
                "A new price",
                response_only=True,
                media_type="application/json",
                value={
                    "id": 41,
                    "stream": "products",
                    "position": 7,
                    "action": "update",
                    "key": "SK-7",
                    "external_id": "7",
                    "model": "ecommerce_sync.product",
                    "object_id": "731",
                    "reason": "",
                    "changes": {"price": ["5.0000", "6.0000"]},
                },
            )
        ],
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
            return csv_response(_plan_lines(changes), f"run-{run.pk}-plan.csv")
        page = self.paginate_queryset(changes)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @operation(
        operation_id="sync_runs_apply",
        summary="Apply a plan exactly",
        request=None,
        responses={202: SyncRunSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[RefreshThrottle])
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


def csv_response(lines: Iterable[Iterable[Any]], filename: str) -> StreamingHttpResponse:
    """A table as a file, line by line, never all of it in memory."""
    writer = csv.writer(_Echo())
    written = (writer.writerow(line) for line in lines)
    response = StreamingHttpResponse(written, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Echo:
    """A file for csv.writer that gives back what it is told to write."""

    def write(self, text: str) -> str:
        return text


def _issue_lines(issues: QuerySet[SyncIssue]) -> Iterator[Iterable[Any]]:
    rows: Any = issues[: api_settings.MAX_EXPORT_ROWS].values_list(*SyncIssueSerializer.Meta.fields)
    yield SyncIssueSerializer.Meta.fields
    for row in rows.iterator(chunk_size=2000):
        yield [_cell(value) for value in row]


def _plan_lines(changes: QuerySet[PlannedChange]) -> Iterator[Iterable[Any]]:
    yield CSV_COLUMNS
    for change in changes[: api_settings.MAX_EXPORT_ROWS].iterator(chunk_size=2000):
        yield from csv_rows(change)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would carry out is marked as text."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value
