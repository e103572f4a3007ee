"""Orders: made, changed, moved from state to state, and their log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ... import orders
from ...exceptions import InsufficientStock, OrderLocked, OrderRefused, TransitionNotAllowed
from ...models import Customer, Order
from ...sync.database import atomic
from ...sync.history import edits
from ..conf import customer_of
from ..filtersets import OrderFilterSet
from ..idempotency import idempotent
from ..problems import Conflict, ConflictingFields, FieldProblem, step
from ..renderers import ProblemRenderer
from ..schema import operation
from ..serializers import (
    CustomerSerializer,
    OrderEventSerializer,
    OrderSerializer,
    ProblemSerializer,
    ProductSerializer,
    TransitionSerializer,
)
from ..serializers.bulk import BulkOrderSerializer
from ..users import has_rights
from .bulk import BulkView

_VIEW = "ecommerce_sync.view_order"
_VIEW_CUSTOMERS = "ecommerce_sync.view_customer"
#: What somebody may do to orders of his own without the right to see all.
_OF_ONE_S_OWN = ("list", "retrieve", "create", "update", "partial_update", "transition")
REFUSED = OpenApiResponse(
    ProblemSerializer,
    "The table has no such move, the order was changed since, or the stock does not suffice.",
    [
        OpenApiExample(
            "It is shipped already",
            {
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "code": "transition_not_allowed",
                "detail": "to: The order is shipped and cannot become shipped. "
                "It can become: completed.",
                "instance": "/api/orders/7/transition/",
                "errors": [
                    {
                        "pointer": "/to",
                        "code": "transition_not_allowed",
                        "detail": "The order is shipped and cannot become shipped. "
                        "It can become: completed.",
                        "allowed": ["completed"],
                    }
                ],
            },
        )
    ],
)


class OrderView(BulkView[Order]):
    """What was bought. Customers see what they have bought themselves."""

    queryset = Order.objects.prefetch_related("lines")
    serializer_class = OrderSerializer
    bulk_serializer_class = BulkOrderSerializer
    expandable: ClassVar[Any] = {
        "customer": CustomerSerializer,
        "lines.product": ProductSerializer,
    }
    filterset_class: ClassVar[Any] = OrderFilterSet
    search_fields: ClassVar = ("order_id", "customer_email", "customer_name")
    ordering_fields: ClassVar = (
        "id",
        "order_id",
        "order_date",
        "total_amount",
        "status",
        "created_at",
        "updated_at",
    )
    action_permissions: ClassVar = {
        "transition": [_VIEW, "ecommerce_sync.change_order"],
        "events": [_VIEW, "ecommerce_sync.view_orderevent"],
    }

    def required_permissions(self, method: str) -> list[str]:
        required = super().required_permissions(method)
        if self.action == "bulk":
            required = [*required, _VIEW_CUSTOMERS]
        if self._own is None:
            return required
        if self.action in _OF_ONE_S_OWN:
            return [right for right in required if right != _VIEW]
        # Rows in bulk are found by their numbers, whosever they are.
        return [*required, _VIEW] if self.action == "bulk" else required

    def get_queryset(self) -> QuerySet[Any]:
        return self._visible(super().get_queryset())

    def _visible(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self._own is None else queryset.filter(customer=self._own)

    @cached_property
    def _own(self) -> Customer | None:
        """The customer who asks; None for whoever may see the orders of all."""
        user: Any = self.request.user
        return None if has_rights(user, [_VIEW]) else customer_of(user)

    def perform_create(self, serializer: Any) -> None:
        with refusals():
            super().perform_create(serializer)

    def perform_update(self, serializer: Any) -> None:
        with refusals():
            super().perform_update(serializer)

    def perform_destroy(self, instance: Order) -> None:
        with refusals():
            orders.check_deletable(instance)
            instance.delete()

    @operation(
        operation_id="orders_transition",
        summary="Move one order to another state",
        request=TransitionSerializer,
        responses={200: OrderSerializer, (409, ProblemRenderer.media_type): REFUSED},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def transition(self, request: Request, pk: int) -> Response:
        """Along the table of the settings: what is reserved is released or leaves the stock."""
        serializer = TransitionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wish = serializer.validated_data
        with atomic(), refusals(short="to"):
            order = self.get_object()
            check_version(order, wish.pop("version", order.version))
            with edits(order, request.user):
                orders.transition(order, **wish, by=request.user)
            return self.show(self.get_serializer(order))

    @operation(summary="List what happened to one order", responses=OrderEventSerializer(many=True))
    @action(
        detail=True,
        serializer_class=OrderEventSerializer,
        filter_backends=[],
    )
    def events(self, request: Request, pk: int) -> Response:
        """From its creation on; nothing of it is ever changed or removed."""
        order = get_object_or_404(self._visible(Order.objects.all()), pk=pk)
        page = self.paginate_queryset(order.events.select_related("by"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def check_version(order: Order, seen: int) -> None:
    """Refuse if the client has seen another version of the order."""
    if seen != order.version:
        detail = _("It is version %(now)d by now.") % {"now": order.version}
        raise ConflictingFields(
            [FieldProblem(step("version"), "version_conflict", detail)], "version_conflict"
        )


@contextmanager
def refusals(*, short: str = "lines") -> Iterator[None]:
    """What an order's state or the stock does not allow, as a 409 that names the field.

    ``short`` is the field to blame where the stock does not suffice.
    """
    try:
        yield
    except OrderRefused as refused:
        if problems := list(_problems(refused, short)):
            raise ConflictingFields(problems, refused.code) from refused
        raise Conflict(str(refused), refused.code) from refused


def _problems(refused: OrderRefused, short: str) -> Iterator[FieldProblem]:
    if isinstance(refused, OrderLocked):
        for name in refused.fields:
            yield FieldProblem(step(name), refused.code, str(refused))
    elif isinstance(refused, TransitionNotAllowed):
        extra: dict[str, Any] = {"allowed": refused.allowed}
        yield FieldProblem(step(refused.field), refused.code, str(refused), extra=extra)
    elif isinstance(refused, InsufficientStock):
        for product in refused.shortages:
            extra = asdict(product)
            yield FieldProblem(step(short), refused.code, str(product), extra=extra)
