"""Runs, rejected rows, and the request for a run."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from ...models import COUNTS, PlannedChange, RunStatus, SyncIssue, SyncRun
from ...sync import MAX_CHOSEN
from ..examples.answers import GROUP, ISSUE, PLANNED, REQUESTED, RUN, answer
from ..fields import ChoiceField, IntegerField
from .base import ModelSerializer, OptionsSerializer

_COUNTS_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in COUNTS},
    },
    "example": {"products": dict.fromkeys(COUNTS, 0)},
}
_TOTALS = serializers.DictField(child=serializers.IntegerField(allow_null=True))
_WARNINGS_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "stream": {"type": "string"},
            "code": {"type": "string"},
            "count": {"type": "integer"},
            "message": {"type": "string"},
        },
        "required": ["stream", "code", "count", "message"],
    },
    "example": [],
}
_CHOICE_SCHEMA = {
    "type": "object",
    "properties": {
        "issues": {"type": "array", "items": {"type": "integer"}},
        "stream": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
        "arrived": {"type": "boolean"},
    },
    "example": {},
}
_ACTIONS = serializers.DictField(
    child=serializers.DictField(child=serializers.IntegerField()), allow_null=True
)
_CHANGES_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {}, "minItems": 2, "maxItems": 2},
    "example": {"price": ["5.0000", "6.0000"]},
}
_STREAMS_SCHEMA = {"type": "array", "items": {"type": "string"}}


class RunErrorSerializer(serializers.Serializer[Any]):
    """Why a run failed."""

    code = serializers.CharField()
    message = serializers.CharField()


@extend_schema_serializer(examples=[answer("Some rows rejected", RUN)])
class SyncRunSerializer(ModelSerializer[SyncRun]):
    """One run of one feed: how far it is and, when it is over, what came of it."""

    streams = serializers.SerializerMethodField(help_text="Empty: all streams of the feed.")
    counts = serializers.SerializerMethodField(help_text="What became of the records, by stream.")
    planned = serializers.BooleanField(
        read_only=True,
        help_text="A dry run: its plan is kept. Any other: it does what the run `plan` planned.",
    )
    plan_counts = serializers.SerializerMethodField(
        help_text="Rows of the plan by stream and action, or those carried out so far; "
        "null: there is no plan."
    )
    totals = serializers.SerializerMethodField(help_text="Rows announced by the source, by stream.")
    progress = serializers.SerializerMethodField(
        help_text="Between 0 and 1; null while nobody can tell."
    )
    error = serializers.SerializerMethodField()
    retry_choice = serializers.SerializerMethodField(
        help_text="Which rejected rows a retry is about; empty: all that were open."
    )
    warnings = serializers.SerializerMethodField(
        help_text="What somebody should look at though nothing was rejected for it."
    )
    requested_by = serializers.SerializerMethodField()
    issues_count = serializers.IntegerField(read_only=True)
    seconds = serializers.FloatField(read_only=True, allow_null=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = SyncRun
        fields = (
            "id",
            "feed",
            "status",
            "streams",
            "dry_run",
            "full",
            "since",
            "limit",
            "trigger",
            "requested_by",
            "retry_of",
            "retry_choice",
            "planned",
            "plan",
            "plan_counts",
            "counts",
            "totals",
            "progress",
            "issues_count",
            "error",
            "warnings",
            "cancel_requested",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
            "seconds",
            "url",
        )
        read_only_fields = fields

    @extend_schema_field(_STREAMS_SCHEMA)
    def get_streams(self, run: SyncRun) -> Any:
        return run.streams

    @extend_schema_field(_COUNTS_SCHEMA)
    def get_counts(self, run: SyncRun) -> Any:
        return run.counts

    @extend_schema_field(_ACTIONS)
    def get_plan_counts(self, run: SyncRun) -> Any:
        return run.plan_counts if run.planned else None

    @extend_schema_field(_TOTALS)
    def get_totals(self, run: SyncRun) -> Any:
        return run.totals

    def get_progress(self, run: SyncRun) -> float | None:
        if run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            return 1.0
        announced = sum(total for total in run.totals.values() if isinstance(total, int))
        if not announced:
            return None
        read = sum(counts.get("read", 0) for counts in run.counts.values())
        return float(round(min(read / announced, 1.0), 4))

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: SyncRun) -> dict[str, str] | None:
        return {"code": run.error_code, "message": run.error} if run.error_code else None

    @extend_schema_field(_CHOICE_SCHEMA)
    def get_retry_choice(self, run: SyncRun) -> Any:
        return run.retry_choice

    @extend_schema_field(_WARNINGS_SCHEMA)
    def get_warnings(self, run: SyncRun) -> Any:
        return run.warnings

    def get_requested_by(self, run: SyncRun) -> str | None:
        return run.requested_by.get_username() if run.requested_by else None

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, run: SyncRun) -> str:
        return run_url(run, self.context["request"])


@extend_schema_serializer(examples=[answer("No number", ISSUE)])
class SyncIssueSerializer(ModelSerializer[SyncIssue]):
    """A record that was rejected, where it stood and what was wrong with it."""

    class Meta:
        model = SyncIssue
        fields = (
            "id",
            "stream",
            "position",
            "external_id",
            "key",
            "field",
            "code",
            "message",
            "excerpt",
            "state",
            "arrived_at",
            "retried_in",
            "created_at",
        )
        read_only_fields = fields


class IssueExampleSerializer(ModelSerializer[SyncIssue]):
    """The first rejected record of a group."""

    class Meta:
        model = SyncIssue
        fields = ("id", "position", "external_id", "key", "field", "excerpt")
        read_only_fields = fields


@extend_schema_serializer(examples=[answer("No numbers", GROUP)])
class IssueGroupSerializer(serializers.Serializer[Any]):
    """Records of one stream that were rejected for the same reason in the same field."""

    stream = serializers.CharField()
    field = serializers.CharField(help_text="Without the numbers of lines: `lines[].quantity`.")
    code = serializers.CharField()
    count = serializers.IntegerField()
    open = serializers.IntegerField(help_text="How many of them have not landed since.")
    message = serializers.CharField(source="example.message", help_text="That of the example.")
    example = IssueExampleSerializer()


@extend_schema_serializer(examples=[answer("A new price", PLANNED)])
class PlannedChangeSerializer(ModelSerializer[PlannedChange]):
    """What a run would do about one record."""

    changes = serializers.SerializerMethodField(
        help_text="`{field: [old, new]}`; both null: the values are personal and were not kept."
    )

    class Meta:
        model = PlannedChange
        fields = (
            "id",
            "stream",
            "position",
            "action",
            "key",
            "external_id",
            "model",
            "object_id",
            "reason",
            "changes",
        )
        read_only_fields = fields

    @extend_schema_field(_CHANGES_SCHEMA)
    def get_changes(self, change: PlannedChange) -> Any:
        return change.changes


class NamesField(serializers.ListField):
    """A list of names; left out rather than empty."""

    child = serializers.CharField(max_length=64)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "min_length": 1, "max_length": 100, **kwargs})


class RefreshSerializer(OptionsSerializer):
    """What to bring up to date. An empty object means every feed, every stream."""

    feeds = NamesField(help_text="Left out: every feed that is configured.")
    streams = NamesField(help_text="Left out: every stream of each feed.")
    full = serializers.BooleanField(required=False, default=False)
    dry_run = serializers.BooleanField(required=False, default=False)
    plan = serializers.BooleanField(
        required=False,
        default=False,
        help_text="A dry run whose plan is kept: look at it, then apply exactly that.",
    )


class RetrySerializer(OptionsSerializer):
    """Which of the rejected rows to retry: those that fit all that is given, or all of them."""

    issues = serializers.ListField(
        child=IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        min_length=1,
        max_length=MAX_CHOSEN,
    )
    stream = serializers.CharField(required=False, max_length=64)
    code = serializers.CharField(required=False, max_length=64)
    field = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=191,
        help_text="Numbers of lines do not count: `lines[].quantity`. Blank: rows without a field.",
    )


class RequestedRunSerializer(serializers.Serializer[Any]):
    """A run that was queued, or was so already."""

    id = serializers.IntegerField()
    feed = serializers.CharField()
    status = ChoiceField(choices=RunStatus.choices)
    url = serializers.URLField()


@extend_schema_serializer(examples=[answer("One feed", REQUESTED)])
class RefreshResponseSerializer(serializers.Serializer[Any]):
    """One run for each feed."""

    runs = RequestedRunSerializer(many=True)


def run_url(run: SyncRun, request: Any) -> str:
    """Where a run can be watched."""
    return str(request.build_absolute_uri(run.get_absolute_url()))


def requested_run(run: SyncRun, request: Any) -> dict[str, Any]:
    """A run as the answer to asking for one names it."""
    return {"id": run.pk, "feed": run.feed, "status": run.status, "url": run_url(run, request)}


def queued_bulk(run: SyncRun, request: Any) -> dict[str, Any]:
    """A run as the answer to sending many rows names it."""
    url = run_url(run, request)
    (rows,) = run.totals.values()
    return {
        "id": run.pk,
        "status": run.status,
        "rows": rows,
        "url": url,
        "results_url": f"{url}results/",
    }
