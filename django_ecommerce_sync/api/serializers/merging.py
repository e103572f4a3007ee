"""Likely duplicates, how to merge them, and merges."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from ...models import Merge, MergeCandidate
from ...sync import merging
from ..examples.answers import DUPLICATE, MERGE, SIDE_BY_SIDE, answer
from ..fields import IntegerField
from .base import ModelSerializer, OptionsSerializer

_MODEL_SCHEMA = {"type": "string", "pattern": f"^({'|'.join(merging.MERGEABLE)})$"}
_CHOICES_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": "^(survivor|other)$"},
}


@extend_schema_field(_MODEL_SCHEMA)
class ModelNameField(serializers.ChoiceField):
    """``customers`` or ``products``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=list(merging.MERGEABLE), **kwargs)

    def to_representation(self, value: str) -> str:
        return merging.name_of(merging.model_of(value))


class ReasonSerializer(serializers.Serializer[Any]):
    """One piece of evidence."""

    code = serializers.CharField(help_text="A stable code, for programs.")
    sentence = serializers.CharField(help_text="A sentence, for people.")


class DuplicateRowSerializer(serializers.Serializer[Any]):
    """One of the two rows, as far as a list shows it."""

    id = serializers.IntegerField()
    name = serializers.CharField(allow_null=True, help_text="null: the row is not there any more.")


class FieldMergeSerializer(serializers.Serializer[Any]):
    """A field in which the two rows differ, and what a merge makes of it."""

    name = serializers.CharField()
    survivor = serializers.JSONField()
    other = serializers.JSONField()
    merged = serializers.JSONField()
    conflict = serializers.BooleanField(
        source="is_conflict", help_text="Whether both rows have a value, and not the same."
    )
    side = serializers.CharField(help_text="survivor, other, or both for JSON put together.")


@extend_schema_serializer(examples=[answer("Two customers", DUPLICATE)])
class DuplicateSerializer(ModelSerializer[MergeCandidate]):
    """Two rows that look like the same thing."""

    model = ModelNameField(read_only=True)
    reasons = ReasonSerializer(many=True, read_only=True, help_text="The strongest first.")
    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()
    decided_by = serializers.SerializerMethodField()

    class Meta:
        model = MergeCandidate
        fields: Any = (
            "id",
            "model",
            "score",
            "state",
            "reasons",
            "first",
            "second",
            "merge",
            "decided_by",
            "decided_at",
            "found_at",
        )
        read_only_fields: Any = fields

    @extend_schema_field(DuplicateRowSerializer)
    def get_first(self, candidate: MergeCandidate) -> Any:
        return self._row(candidate, candidate.first_id)

    @extend_schema_field(DuplicateRowSerializer)
    def get_second(self, candidate: MergeCandidate) -> Any:
        return self._row(candidate, candidate.second_id)

    def get_decided_by(self, candidate: MergeCandidate) -> str | None:
        return candidate.decided_by.get_username() if candidate.decided_by else None

    def _row(self, candidate: MergeCandidate, pk: int) -> dict[str, Any]:
        row = self.context["rows"].get((candidate.model, pk))
        return {"id": pk, "name": None if row is None else str(row)}


@extend_schema_serializer(examples=[answer("Two customers", SIDE_BY_SIDE)])
class DuplicateDetailSerializer(DuplicateSerializer):
    """The same with the fields in which the rows differ, and the row that would survive."""

    survivor = serializers.SerializerMethodField(help_text="The id of the row that would survive.")
    fields_that_differ = serializers.SerializerMethodField()

    class Meta(DuplicateSerializer.Meta):
        fields = (*DuplicateSerializer.Meta.fields, "survivor", "fields_that_differ")
        read_only_fields = fields

    def get_survivor(self, candidate: MergeCandidate) -> int | None:
        return self.context["survivor"]  # type: ignore[no-any-return]

    @extend_schema_field(FieldMergeSerializer(many=True))
    def get_fields_that_differ(self, candidate: MergeCandidate) -> Any:
        differing = [field for field in self.context["fields"] if field.differs]
        return FieldMergeSerializer(differing, many=True).data


class ProposalSerializer(serializers.Serializer[Any]):
    """Two rows to put side by side."""

    model = ModelNameField()
    first = IntegerField(min_value=1, max_value=2**63 - 1)
    second = IntegerField(min_value=1, max_value=2**63 - 1)


@extend_schema_field(_CHOICES_SCHEMA)
class ChoicesField(serializers.DictField):
    """``{"phone": "other"}``."""

    child = serializers.CharField(max_length=10)


class MergeRequestSerializer(OptionsSerializer):
    """How to merge. An empty object leaves it to the rules."""

    survivor = IntegerField(
        required=False, help_text="By default the row that more orders and feeds know."
    )
    choices = ChoicesField(
        required=False,
        help_text="Fields to take as they are from one side; the others are the survivor's, "
        "or the other row's where those are blank.",
    )


@extend_schema_serializer(examples=[answer("Two customers", MERGE)])
class MergeSerializer(ModelSerializer[Merge]):
    """A row that was merged into another one; what it was like is not shown."""

    model = ModelNameField(read_only=True)
    survivor = serializers.IntegerField(source="survivor_id", read_only=True)
    other = serializers.IntegerField(source="other_id", read_only=True)
    choices = ChoicesField(read_only=True)
    changed = serializers.SerializerMethodField(
        help_text="The survivor's fields that changed; empty once the merge is undone."
    )
    can_be_undone = serializers.BooleanField(
        read_only=True,
        help_text="false: it is undone, or what that takes has been deleted (KEEP_MERGES_DAYS).",
    )
    merged_by = serializers.SerializerMethodField()
    undone_by = serializers.SerializerMethodField()

    class Meta:
        model = Merge
        fields = (
            "id",
            "model",
            "survivor",
            "other",
            "choices",
            "changed",
            "merged_by",
            "merged_at",
            "undone_by",
            "undone_at",
            "expired_at",
            "can_be_undone",
        )
        read_only_fields = fields

    def get_changed(self, record: Merge) -> list[str]:
        return merging.changed_fields(record)

    def get_merged_by(self, record: Merge) -> str | None:
        return record.merged_by.get_username() if record.merged_by else None

    def get_undone_by(self, record: Merge) -> str | None:
        return record.undone_by.get_username() if record.undone_by else None
