"""What is kept about synchronisation itself: runs, rejected rows, links, schedules."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings as django_settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from .fields import KeyField
from .jobs import Job

#: What a record can become, in the order they are reported. ``read`` is the sum of all but
#: ``archived``, which counts rows the feed no longer has.
OUTCOMES = ("created", "updated", "unchanged", "duplicate", "skipped", "rejected")
COUNTS = ("read", *OUTCOMES, "archived")


#: The value of ``SyncRun.slot`` while a run is queued or running; NULL afterwards.
SLOT = "A"


class SyncRun(Job):
    """One run of one feed: the job itself, its progress and, when it is over, its result.

    The row is what counts; a broker's message only says that there is one.
    """

    feed = KeyField(_("feed"), max_length=64)
    # MySQL has no partial unique index, but a unique index allows any number of NULLs.
    slot = models.CharField(max_length=1, null=True, default=SLOT, editable=False)  # noqa: DJ001

    streams = models.JSONField(_("streams"), default=list, blank=True)
    dry_run = models.BooleanField(_("dry run"), default=False)
    full = models.BooleanField(_("full"), default=False)
    since = models.DateTimeField(_("since"), null=True, blank=True)
    limit = models.PositiveIntegerField(_("limit"), null=True, blank=True)
    retry_of = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="retries",
        verbose_name=_("retry of"),
    )
    # retry_choice: which rejected rows a retry is about, see sync.issues; {} are all of retry_of
    retry_choice = models.JSONField(_("only these rows"), default=dict, blank=True)
    # A dry run whose plan is kept; a run that is not dry carries out the one of ``plan``.
    planned = models.BooleanField(_("plan"), default=False)
    plan = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="applications",
        verbose_name=_("plan of"),
    )
    # plan_counts: {stream: {action: n}}, planned by a dry run, carried out by any other
    plan_counts = models.JSONField(_("planned changes"), default=dict, blank=True)
    requested_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    trigger = models.CharField(_("trigger"), max_length=20, default="cli")

    # counts: {stream: {outcome: n}}; totals: {stream: rows the source announces}
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    totals = models.JSONField(_("announced"), default=dict, blank=True)
    # observed: {stream: what a resumed attempt must know of the source, see sync.observation}
    observed = models.JSONField(_("observed"), default=dict, blank=True)
    allow_shrink = models.BooleanField(_("accept a shrunken feed"), default=False)
    # Of rows that were sent in bulk: one wrong row, and none is written.
    atomic = models.BooleanField(_("all or nothing"), default=False)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["feed", "slot"], name="ecs_run_slot")]
        indexes = [models.Index(fields=["status", "lease_until"], name="ecs_run_due")]
        permissions = [("run_sync", _("Can start, cancel and retry sync runs"))]

    def __str__(self) -> str:
        return f"{self.feed} #{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("ecommerce_sync:syncrun-detail", args=[self.pk])

    @property
    def is_retry(self) -> bool:
        """Whether the run reads only what was rejected before."""
        return self.retry_of_id is not None or bool(self.retry_choice)

    @property
    def has_plan(self) -> bool:
        """Whether the run keeps a plan of its own."""
        return self.planned and self.dry_run

    @property
    def seconds(self) -> float | None:
        """How long the run took, once it is over."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    def counts_of(self, stream: str) -> dict[str, int]:
        """A stream's counts in the order they are reported; MySQL keeps JSON in its own order."""
        counts = self.counts.get(stream, {})
        return {name: counts.get(name, 0) for name in COUNTS}

    def as_dict(self) -> dict[str, Any]:
        """The run as the command line prints it and scripts read it."""
        return {
            "run": self.pk,
            "feed": self.feed,
            "status": self.status,
            "dry_run": self.dry_run,
            "streams": {name: self.counts_of(name) for name in self.counts},
            "error": {"code": self.error_code, "message": self.error} if self.error_code else None,
            "seconds": self.seconds,
        }


class IssueState(models.TextChoices):
    OPEN = "open", _("open")
    RESOLVED = "resolved", _("resolved")


class SyncIssue(models.Model):
    """A record that was rejected: where it stood, what was wrong with it, and what to do.

    The record itself is not kept, for it may hold personal data nobody asked for; a retry
    reads it from the feed again.
    """

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="issues", verbose_name=_("run"))
    feed = KeyField(_("feed"), max_length=64)
    stream = KeyField(_("stream"), max_length=64)
    position = models.PositiveBigIntegerField(_("position"), null=True, blank=True)
    external_id = KeyField(_("external id"), max_length=191, blank=True)
    key = models.CharField(_("key"), max_length=191, blank=True)
    field = models.CharField(_("field"), max_length=191, blank=True)
    code = models.CharField(_("code"), max_length=64)
    message = models.CharField(_("message"), max_length=500)
    excerpt = models.CharField(_("excerpt"), max_length=100, blank=True)
    # A digest of the row where it has no id, for it may stand in another place when it is read
    # again; of a question, which rows it is about.
    content = models.CharField(max_length=32, blank=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=IssueState, default=IssueState.OPEN)
    resolved_by = models.ForeignKey(
        SyncRun,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="resolved_issues",
        verbose_name=_("resolved by"),
    )
    # Digests of what the row refers to and is not there yet, see sync.arrivals: any of them will
    # do. The first is empty as soon as nothing is waited for.
    waits_for = models.CharField(max_length=32, blank=True, editable=False)
    waits_for_key = models.CharField(max_length=32, blank=True, editable=False)
    arrived_at = models.DateTimeField(_("what it waited for arrived"), null=True, blank=True)
    #: The run that looked at the record again by itself; a plain number, for runs are pruned.
    retried_in = models.BigIntegerField(_("read again in run"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("rejected row")
        verbose_name_plural = _("rejected rows")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["feed", "stream", "state", "external_id"], name="ecs_issue_row"),
            models.Index(fields=["run", "code"], name="ecs_issue_run_code"),
            models.Index(fields=["waits_for"], name="ecs_issue_waits"),
            models.Index(fields=["waits_for_key"], name="ecs_issue_waits_key"),
            models.Index(fields=["state", "retried_in", "arrived_at"], name="ecs_issue_arrived"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.external_id or self.position}: {self.message}"


class SyncLink(models.Model):
    """That a feed's record *is* a certain row: identity that survives a renamed SKU.

    ``hash`` is the digest of the record when it was last applied, together with the mapping;
    an equal digest means there is nothing to do. An empty one asks for a full comparison.
    ``repeats`` says that the feed has several copies of the record: the last one counts, so
    none is applied before the stream has ended. ``merged_row`` says that the record came with a
    row that was merged into one the stream has a record of already: that one writes the row.
    """

    id = models.BigAutoField(primary_key=True)
    feed = KeyField(_("feed"), max_length=64)
    stream = KeyField(_("stream"), max_length=64)
    external_id = KeyField(_("external id"), max_length=191)
    model = KeyField(_("model"), max_length=100)
    object_id = KeyField(_("object id"), max_length=64)
    hash = models.CharField(_("hash"), max_length=32, blank=True)
    repeats = models.BooleanField(_("repeats"), default=False)
    merged_row = models.BigIntegerField(_("came with the merged row"), null=True, blank=True)
    # Plain numbers, not foreign keys: runs are pruned, and every constraint costs each row.
    first_run = models.BigIntegerField(_("first run"))
    last_changed_run = models.BigIntegerField(_("last changed in run"))
    # Written once, when the record goes; a mark for each time it is met would cost every row.
    missing_since = models.BigIntegerField(_("missing since run"), null=True, blank=True)
    #: When the source changed the record, where it says so; an older copy is never applied.
    source_updated_at = models.DateTimeField(_("changed at the source"), null=True, blank=True)
    #: Fields the stream maps and the record did not carry, parted by blanks: it has no say there.
    lacks = models.TextField(_("does not carry"), blank=True)

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = [
            models.UniqueConstraint(
                fields=["feed", "stream", "external_id"], name="ecs_link_identity"
            )
        ]
        indexes = [models.Index(fields=["object_id", "model"], name="ecs_link_object")]

    def __str__(self) -> str:
        return f"{self.feed}/{self.stream}/{self.external_id} → {self.model} {self.object_id}"


class MetLinks(models.Model):
    """Which links an unfinished run has met, in pages of bits: for whoever goes on with the run."""

    id = models.BigAutoField(primary_key=True)
    run = models.BigIntegerField()
    stream = KeyField(max_length=64)
    page = models.BigIntegerField()
    #: A bit for each link of the page, the lowest for the first, as a hexadecimal number.
    bits = models.CharField(max_length=256)

    class Meta:
        verbose_name = _("links met")
        verbose_name_plural = _("links met")
        constraints = [
            models.UniqueConstraint(fields=["run", "stream", "page"], name="ecs_met_page")
        ]

    def __str__(self) -> str:
        return f"{self.run}/{self.stream}/{self.page}"


class StreamState(models.Model):
    """What the last complete read of a stream left to know for the next one.

    ``watermark`` is the time up to which the source's changes are in; ``validators`` mark the
    document as it was then, empty as soon as anything here or in the mapping may differ from
    it; ``counts`` are what the document came to, ``rows`` how many records it had.
    """

    feed = KeyField(_("feed"), max_length=64)
    stream = KeyField(_("stream"), max_length=64)
    watermark = models.DateTimeField(_("changes read up to"), null=True, blank=True)
    validators = models.JSONField(_("validators"), default=dict, blank=True)
    mapping = models.CharField(_("mapping"), max_length=32, blank=True)
    rows = models.PositiveBigIntegerField(_("rows"), null=True, blank=True)
    duplicates = models.PositiveBigIntegerField(_("duplicates"), default=0)
    #: The last run that read the whole stream and rejected nothing.
    complete_run = models.BigIntegerField(_("last complete run"), null=True, blank=True)
    #: The run that reads it now, None once somebody wrote one of its rows.
    run = models.BigIntegerField(_("run"), null=True, blank=True)

    class Meta:
        verbose_name = _("stream state")
        verbose_name_plural = _("stream states")
        constraints = [models.UniqueConstraint(fields=["feed", "stream"], name="ecs_stream_state")]

    def __str__(self) -> str:
        return f"{self.feed}/{self.stream}"


class SyncSchedule(models.Model):
    """When a feed runs by itself. Settings give the first value; afterwards people own it."""

    feed = KeyField(_("feed"), max_length=64, unique=True)
    cron = models.CharField(
        _("cron line"), max_length=100, help_text=_("Five fields: minute hour day month weekday.")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True)
    last_run = models.ForeignKey(
        SyncRun,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("last run"),
    )

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering: ClassVar[list[str]] = ["feed"]

    def __str__(self) -> str:
        return f"{self.feed}: {self.cron}"


class RevokedToken(models.Model):
    """A refresh token that may not be used again; the unique id decides who used it first."""

    jti = KeyField(_("token id"), max_length=64, unique=True)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    class Meta:
        verbose_name = _("revoked token")
        verbose_name_plural = _("revoked tokens")

    def __str__(self) -> str:
        return str(self.jti)
