"""Rows that may be one and the same, and rows that were merged."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from .catalog import Product
from .customers import Customer
from .fields import KeyField


class Merge(models.Model):
    """That a row was merged into another one, with all it takes to undo it.

    ``survivor_id`` is whoever holds the row now: it changes when the survivor is merged itself.
    What the merged row was like is personal data, so it goes with the survivor, at an undo, and
    after ``KEEP_MERGES_DAYS``.
    """

    model = KeyField(_("model"), max_length=100)
    survivor_id = models.BigIntegerField(_("survivor"))
    other_id = models.BigIntegerField(_("merged row"))
    # A digest of the key that no row has since, see sync.former_keys: it leads to the survivor.
    former_key = models.CharField(max_length=32, blank=True, db_index=True, editable=False)
    #: Whether the survivor had that key, and has the merged row's now.
    gave_key_away = models.BooleanField(default=False, editable=False)
    # choices: {field: "survivor" or "other"}, where somebody said which value is the right one
    choices = models.JSONField(_("choices"), default=dict, blank=True)
    # row: {column: value} of the row that was merged, JSON columns as the database's own text
    row = models.JSONField(_("the merged row"), default=dict, blank=True)
    # changes: {column of the survivor: {"before": value, "after": value}}, of an expired merge {}
    changes = models.JSONField(_("changes"), default=dict, blank=True)
    # moved: {"links": [[id, hash, merged_row]], "merges": [id], relation: [id]}; what did not
    # move, but may change before it is undone: {"survivor_links": [[id, hash]]}
    moved = models.JSONField(_("moved"), default=dict, blank=True)
    merged_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("merged by"),
    )
    merged_at = models.DateTimeField(_("merged at"), auto_now_add=True)
    undone_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("undone by"),
    )
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)
    #: When what it takes to undo the merge was deleted because it was old.
    expired_at = models.DateTimeField(_("can no longer be undone since"), null=True, blank=True)

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        ordering = ["-id"]
        indexes = [models.Index(fields=["model", "survivor_id"], name="ecs_merge_survivor")]

    def __str__(self) -> str:
        return f"{self.model.rpartition('.')[2]} {self.other_id} → {self.survivor_id}"

    @property
    def changed_columns(self) -> list[str]:
        """The survivor's columns the merge has changed; of an expired one only names are left."""
        return [
            name
            for name, sides in self.changes.items()
            if not sides or sides["before"] != sides["after"]
        ]

    @property
    def can_be_undone(self) -> bool:
        """Whether what it takes is still there; the rows themselves may be in the way."""
        return self.undone_at is None and self.expired_at is None


class CandidateState(models.TextChoices):
    OPEN = "open", _("open")
    DISMISSED = "dismissed", _("dismissed")
    MERGED = "merged", _("merged")


class MergeCandidate(models.Model):
    """Two rows of one model that look like the same thing: how sure that is, and why.

    ``score`` is between 0 and 100. A dismissed pair is kept, so that it is not found again.
    """

    model = KeyField(_("model"), max_length=100)
    #: The smaller of the two primary keys.
    first_id = models.BigIntegerField(_("first row"))
    second_id = models.BigIntegerField(_("second row"))
    score = models.PositiveSmallIntegerField(_("score"))
    # reasons: [{"code": code, "sentence": sentence}], the strongest first
    reasons = models.JSONField(_("reasons"), default=list, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=CandidateState, default=CandidateState.OPEN
    )
    merge = models.OneToOneField(
        Merge,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="candidate",
        verbose_name=_("merge"),
    )
    decided_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    found_at = models.DateTimeField(_("last found at"))

    class Meta:
        verbose_name = _("likely duplicate")
        verbose_name_plural = _("likely duplicates")
        ordering = ["-score", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "first_id", "second_id"], name="ecs_candidate_pair"
            )
        ]
        indexes = [
            models.Index(fields=["model", "second_id"], name="ecs_candidate_second"),
            models.Index(fields=["state", "score"], name="ecs_candidate_open"),
        ]

    def __str__(self) -> str:
        return f"{self.model.rpartition('.')[2]} {self.first_id} = {self.second_id}?"


@receiver(post_delete, sender=Customer, dispatch_uid="ecommerce_sync.forget_merges_of_customer")
@receiver(post_delete, sender=Product, dispatch_uid="ecommerce_sync.forget_merges_of_product")
def forget_merges(
    sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any
) -> None:
    """A row is gone: so is all that was kept about rows merged into it, and its likeness to others.

    Here and not in ``sync``: whoever asks to be forgotten is, whatever part of the package runs.
    """
    place = {"model": sender._meta.label_lower}
    pair = models.Q(first_id=instance.pk) | models.Q(second_id=instance.pk)
    MergeCandidate.objects.using(using).filter(pair, **place, merge=None).delete()
    Merge.objects.using(using).filter(**place, survivor_id=instance.pk).delete()
