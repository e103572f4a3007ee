"""Likely duplicates: looked at, merged or dismissed; and merges, taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.db.models import Model
from django.http import Http404
from django.urls import reverse
from django_filters import rest_framework as filters  # type: ignore[import-untyped]
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import CandidateState, Merge, MergeCandidate
from ...sync import merging
from ...sync.merging import MergeRefused
from ..filters import FieldFilter, OrderingFilter
from ..filtersets import BooleanFilter, ChoiceFilter, IntegerFilter
from ..idempotency import idempotent
from ..permissions import model_permission
from ..problems import Conflict, FieldProblem, InvalidBody, step
from ..schema import operation
from ..serializers.merging import (
    DuplicateDetailSerializer,
    DuplicateSerializer,
    MergeRequestSerializer,
    MergeSerializer,
    ProposalSerializer,
)
from .base import ModelView, Row

#: What an action does to the rows concerned, as HTTP methods: a merge changes one, deletes one.
_DONE_TO_ROWS = {"merge": ("PATCH", "DELETE"), "undo": ("PATCH", "POST")}

#: Refusals that a value of the body is to blame for.
_AT_FAULT = {
    "unknown_field": "choices",
    "unknown_side": "choices",
    "unknown_survivor": "survivor",
}


class ModelNameFilter(ChoiceFilter):
    """``customers`` or ``products``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(name, name) for name in merging.MERGEABLE], **kwargs)

    def filter(self, queryset: Any, value: Any) -> Any:
        label = merging.MERGEABLE[value]._meta.label_lower if value else value
        return super().filter(queryset, label)


class DuplicateFilterSet(filters.FilterSet):  # type: ignore[misc]
    model = ModelNameFilter()
    state = ChoiceFilter(choices=CandidateState.choices)
    score_min = IntegerFilter("score", "gte")
    score_max = IntegerFilter("score", "lte")

    class Meta:
        model = MergeCandidate
        fields = ()


class MergeFilterSet(filters.FilterSet):  # type: ignore[misc]
    model = ModelNameFilter()
    survivor = IntegerFilter("survivor_id")
    undone = BooleanFilter("undone_at", "isnull", exclude=True)

    class Meta:
        model = Merge
        fields = ()


class MergingView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ModelView[Row]):
    """Rights are needed twice: for candidates or merges, and for the rows they are about.

    A list of one model (``?model=``) needs the rights of that model only.
    """

    filter_backends: Any = (FieldFilter, OrderingFilter)

    def required_permissions(self, method: str) -> list[str]:
        methods = ("GET", *_DONE_TO_ROWS.get(self.action, ()))
        own = super().required_permissions(method)
        return own + [model_permission(model, one) for model in self._models() for one in methods]

    def _models(self) -> Iterable[type[Model]]:
        """The models concerned; all of them where that cannot be told."""
        if "pk" in self.kwargs:
            records: Any = cast(Any, self).queryset
            found = records.filter(pk=self.kwargs["pk"]).values_list("model", flat=True).first()
            return [merging.model_of(found)] if found else merging.MERGEABLE.values()
        named = merging.MERGEABLE.get(self.request.query_params.get("model", ""))
        return [named] if named and self.action == "list" else merging.MERGEABLE.values()


class DuplicateView(MergingView[MergeCandidate]):
    """Rows that look like the same thing. ``ecommerce_sync merge --find`` looks for them."""

    queryset = MergeCandidate.objects.select_related("decided_by")
    serializer_class = DuplicateSerializer
    filterset_class: ClassVar[Any] = DuplicateFilterSet
    ordering_fields: ClassVar = ("id", "score", "found_at")
    ordering: ClassVar = ("-score", "id")
    action_permissions: ClassVar = {
        "merge": ["ecommerce_sync.change_mergecandidate"],
        "dismiss": ["ecommerce_sync.change_mergecandidate"],
    }

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """With the rows of all candidates at once."""
        shown = args[0] if kwargs.get("many") else args[:1]
        kwargs["context"] = {**self.get_serializer_context(), "rows": merging.rows_of(shown)}
        return self.get_serializer_class()(*args, **kwargs)

    @operation(responses=DuplicateDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With the fields in which the rows differ, and what a merge would make of them."""
        return Response(self._in_full(self.get_object()))

    @operation(
        operation_id="duplicates_create",
        summary="Put two rows side by side",
        request=ProposalSerializer,
        responses={201: DuplicateDetailSerializer},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """For two rows that no rule has found; a pair that is known already is given back."""
        serializer = ProposalSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wish = serializer.validated_data
        model = merging.MERGEABLE[wish["model"]]
        found = model._base_manager.in_bulk([wish["first"], wish["second"]])
        if missing := {wish["first"], wish["second"]} - set(found):
            raise Http404(f"There is no row {min(missing)}.")
        with refusals():
            candidate = merging.propose(found[wish["first"]], found[wish["second"]])
        headers = {"Location": self._address("duplicate", candidate.pk)}
        return Response(self._in_full(candidate), status=201, headers=headers)

    @operation(
        operation_id="duplicates_merge",
        summary="Merge the two rows",
        request=MergeRequestSerializer,
        responses={201: MergeSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def merge(self, request: Request, pk: int) -> Response:
        """Links, orders and lines move to the survivor, the other row goes; it can be undone."""
        candidate = self.get_object()
        serializer = MergeRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with refusals():
            record = merging.merge_candidate(
                candidate, **serializer.validated_data, by=request.user
            )
        data = MergeSerializer(record).data
        headers = {"Location": self._address("merge", record.pk)}
        return Response(data, status=201, headers=headers)

    @operation(
        operation_id="duplicates_dismiss",
        summary="Say that they are two things",
        request=None,
        responses=DuplicateSerializer,
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def dismiss(self, request: Request, pk: int) -> Response:
        """The pair is not found again."""
        candidate = self.get_object()
        with refusals():
            merging.dismiss(candidate, by=request.user)
        return Response(self.get_serializer(candidate).data)

    def _in_full(self, candidate: MergeCandidate) -> Any:
        context: dict[str, Any] = {"rows": merging.rows_of([candidate])}
        if len(context["rows"]) == 2:
            context["survivor"] = merging.ordered(candidate)[0].pk
            context["fields"] = merging.preview(candidate, context["survivor"])
        else:
            context |= {"survivor": None, "fields": []}
        return DuplicateDetailSerializer(candidate, context=context).data

    def _address(self, name: str, pk: int) -> str:
        path = reverse(f"ecommerce_sync:{name}-detail", args=[pk])
        return str(self.request.build_absolute_uri(path))


class MergeView(MergingView[Merge]):
    """Rows that were merged into others."""

    queryset = Merge.objects.select_related("merged_by", "undone_by")
    serializer_class = MergeSerializer
    filterset_class: ClassVar[Any] = MergeFilterSet
    ordering_fields: ClassVar = ("id", "merged_at")
    ordering: ClassVar = ("-id",)
    action_permissions: ClassVar = {"undo": ["ecommerce_sync.change_merge"]}

    @operation(
        operation_id="merges_undo",
        summary="Take a merge back",
        request=None,
        responses=MergeSerializer,
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def undo(self, request: Request, pk: int) -> Response:
        """The merged row returns with its links, orders and lines; 409 where that cannot be."""
        record = self.get_object()
        with refusals():
            merging.undo(record, by=request.user)
        return Response(self.get_serializer(record).data)


@contextmanager
def refusals() -> Iterator[None]:
    """What is refused inside as a problem: of the body where it names a wrong value."""
    try:
        yield
    except MergeRefused as refused:
        if name := _AT_FAULT.get(refused.code):
            problem = FieldProblem(step(name), refused.code, refused.message)
            raise InvalidBody([problem]) from refused
        raise Conflict(refused.message, refused.code) from refused
