"""Searching and ordering lists, within bounds."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q
from django.db.models.functions import Upper
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from rest_framework import exceptions
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from ..models import KeyField
from .fields import BLANKS
from .problems import InvalidQuery

MAX_TERMS = 5
MAX_TERM_LENGTH = 64
_TERM = rf"[^{BLANKS}]{{1,{MAX_TERM_LENGTH}}}"
SEARCH_PATTERN = rf"^[{BLANKS}]*({_TERM}([{BLANKS}]+{_TERM}){{0,{MAX_TERMS - 1}}}[{BLANKS}]*)?$"


class FieldFilter(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter's backend; a bad value is told as one of the query."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        if not self._is_asked(request, view):
            return queryset
        try:
            return super().filter_queryset(request, queryset, view)
        except exceptions.ValidationError as error:
            error.location = "query"  # type: ignore[attr-defined]
            raise

    def _is_asked(self, request: Request, view: Any) -> bool:
        """Whether the query names any filter; to build them all takes longer than to list."""
        filterset_class = getattr(view, "filterset_class", None)
        if filterset_class is None:
            return True
        return any(name in request.query_params for name in filterset_class.base_filters)


class SearchFilter(BaseFilterBackend):
    """``?search=red sock``: every term must be in one of the view's ``search_fields``."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        terms = _terms(request.query_params.get("search", ""))
        if not terms:
            return queryset
        fields = [queryset.model._meta.get_field(name) for name in view.search_fields]
        # Keys are compared by bytes on MySQL; searching them should not depend on case.
        keys = [field.name for field in fields if isinstance(field, KeyField)]
        queryset = queryset.alias(**{f"upper_{name}": Upper(name) for name in keys})
        for term in terms:
            found = [Q(**{f"{field.name}__icontains": term}) for field in fields]
            found += [Q(**{f"upper_{name}__contains": term.upper()}) for name in keys]
            queryset = queryset.filter(reduce(or_, found))
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        description = _("Words that must all be there, in: %s. At most %d of %d characters.") % (
            ", ".join(view.search_fields),
            MAX_TERMS,
            MAX_TERM_LENGTH,
        )
        return [_parameter("search", description, {"type": "string", "pattern": SEARCH_PATTERN})]


def listed(query: QueryDict, parameter: str) -> list[str]:
    """The values of a parameter that is comma-separated, or there more than once."""
    texts = query.getlist(parameter)
    return [name.strip() for text in texts for name in text.split(",")]


def _terms(text: str) -> list[str]:
    terms = text.split()
    if "\x00" in text:
        detail = _("Null characters are not allowed.")
        raise InvalidQuery("search", detail, "null_characters_not_allowed")
    if len(terms) > MAX_TERMS:
        raise InvalidQuery("search", _("At most %d words can be searched for.") % MAX_TERMS)
    if any(len(term) > MAX_TERM_LENGTH for term in terms):
        raise InvalidQuery("search", _("A word may have %d characters.") % MAX_TERM_LENGTH)
    return terms


class OrderingFilter(BaseFilterBackend):
    """``?ordering=-price,sku``: by the view's ``ordering_fields``; the id breaks ties."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        return queryset.order_by(*self.names(request, view))

    def names(self, request: Request, view: Any) -> tuple[str, ...]:
        """What is ordered by, as ``order_by`` takes it; raises ``InvalidQuery``."""
        names = listed(request.query_params, "ordering") or list(view.ordering)
        for name in names:
            if name.removeprefix("-") not in view.ordering_fields:
                allowed = ", ".join(view.ordering_fields)
                raise InvalidQuery("ordering", _("Lists can be ordered by: %s.") % allowed)
        if not {"id", "-id"} & set(names):
            names.append("-id" if names[-1].startswith("-") else "id")
        return tuple(dict.fromkeys(names))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        # No default of the schema: clients would send it, and walks have an order of their own.
        description = _("Comma-separated; a minus reverses. There is: %s. Without it: %s.") % (
            ", ".join(view.ordering_fields),
            ",".join(view.ordering),
        )
        names = [sign + name for name in view.ordering_fields for sign in ("", "-")]
        items = {"type": "string", "enum": names}
        schema = {"type": "array", "items": items, "minItems": 1}
        return [_parameter("ordering", description, schema) | {"explode": False, "style": "form"}]


def _parameter(name: str, description: Any, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": str(description),
        "schema": schema,
    }
