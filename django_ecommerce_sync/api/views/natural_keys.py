"""Rows by the key people know: a SKU, an e-mail address."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from ..permissions import model_permission
from ..preconditions import check_absence
from ..problems import ConflictingFields, Duplicate, FieldProblem, step
from .base import ResourceView, Synced
from .resources import CustomerView, ProductView

#: Method → action of an address that names one row by its key.
ACTIONS: dict[str, Any] = {
    "get": "retrieve",
    "put": "update",
    "patch": "partial_update",
    "delete": "destroy",
}
#: How often a row may come and go while it is being put there.
_TRIES = 5


class NaturalKeyView(ResourceView[Synced]):
    """One row, found by its key; PUT creates it where it is missing."""

    lookup_value_converter = "path"
    puts_new_rows: ClassVar[bool] = True

    def required_permissions(self, method: str) -> list[str]:
        required = super().required_permissions(method)
        if method == "PUT":
            required.append(model_permission(cast(Any, self).queryset.model, "POST"))
        return required

    def lookup(self) -> dict[str, Any]:
        key = self._key_in_address()
        if key is None:
            raise Http404
        return {self.lookup_field: key}

    def get_object(self) -> Synced:
        self.kwargs = self.lookup()
        return super().get_object()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """With the address's key in the body where a PUT leaves it out."""
        if self.action == "update" and isinstance(body := kwargs.get("data"), dict):
            kwargs["data"] = {self.lookup_field: self._address, **body}
        return super().get_serializer(*args, **kwargs)

    def change(self, request: Request, *, partial: bool) -> Response:
        if partial:
            return super().change(request, partial=True)
        for _attempt in range(_TRIES):
            try:
                return super().change(request, partial=False)
            except Http404:
                check_absence(request)
            try:
                return self.insert(request)
            except Duplicate as error:  # somebody else was quicker: it is an update after all
                taken = error
        raise taken

    def perform_create(self, serializer: Any) -> None:
        self._check_key(serializer.validated_data)
        super().perform_create(serializer)

    def perform_update(self, serializer: Any) -> None:
        if self.action == "update":
            self._check_key(serializer.validated_data)
        super().perform_update(serializer)

    @property
    def _address(self) -> str:
        return str(self.kwargs[self.lookup_field])

    def _normalized(self, text: str) -> str:
        model: Any = cast(Any, self).queryset.model
        return str(model._meta.get_field(self.lookup_field).normalize(text))

    def _check_key(self, values: dict[str, Any]) -> None:
        """A PUT says what is at its address: another key in the body cannot be meant."""
        if values[self.lookup_field] != self._key_in_address():
            detail = _("It is not the one in the address; rename with PATCH.")
            problem = FieldProblem(step(self.lookup_field), "mismatch", detail)
            raise ConflictingFields([problem], "mismatch")

    def _key_in_address(self) -> str | None:
        """The key, or None where the address holds none."""
        try:
            return self._normalized(self._address)
        except ValidationError:
            return None


class ProductBySkuView(NaturalKeyView[Any], ProductView):
    """What is sold, by SKU."""

    lookup_field = "sku"


class CustomerByEmailView(NaturalKeyView[Any], CustomerView):
    """Who buys, by e-mail address in any spelling."""

    lookup_field = "email"
