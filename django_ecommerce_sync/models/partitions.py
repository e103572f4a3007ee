"""The parts of a stream that several workers read at the same time."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import KeyField
from .jobs import Job
from .records import SyncRun


class SyncPartition(Job):
    """One part of one stream of a run: to it what a run is to a feed.

    ``spec`` is what its feed knows it by. ``counts`` and what was ``observed`` are its own; the
    run adds them up when the last part has ended.
    """

    run = models.ForeignKey(
        SyncRun, models.CASCADE, related_name="partitions", verbose_name=_("run")
    )
    stream = KeyField(_("stream"), max_length=64)
    number = models.PositiveIntegerField(_("number"))
    spec = models.JSONField(_("part"))
    #: Whether nothing was there to be matched when the stream began.
    first_load = models.BooleanField(default=False, editable=False)
    #: The newest link there was then: whatever is newer was made by this run.
    last_link = models.BigIntegerField(default=0, editable=False)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    observed = models.JSONField(_("observed"), default=dict, blank=True)

    class Meta:
        verbose_name = _("partition")
        verbose_name_plural = _("partitions")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "stream", "number"], name="ecs_partition")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.stream} {self.number}"


class MetInPartition(models.Model):
    """What became of the links an unfinished partition has met, in pages of a letter for each.

    See ``sync.partitions.met``: what two partitions have met is two copies of one record.
    """

    id = models.BigAutoField(primary_key=True)
    partition = models.ForeignKey(SyncPartition, models.CASCADE, related_name="+")
    page = models.BigIntegerField()
    outcomes = models.CharField(max_length=1024)

    class Meta:
        verbose_name = _("links met in a partition")
        verbose_name_plural = _("links met in partitions")
        constraints = [
            models.UniqueConstraint(fields=["partition", "page"], name="ecs_met_in_partition")
        ]

    def __str__(self) -> str:
        return f"{self.partition_id}/{self.page}"
