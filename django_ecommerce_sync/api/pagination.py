"""Pages of a list, and walks through all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple, cast

from django.core.cache import cache
from django.core.exceptions import EmptyResultSet
from django.core.paginator import InvalidPage, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from drf_spectacular.plumbing import append_meta
from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from .compiled import CompiledList
from .conf import api_settings
from .fields import MAX_INTEGER
from .problems import InvalidQuery
from .walks import Place, as_cursor, as_place, walk

#: From here on a count is worth keeping, and for how many seconds it is.
MANY_ROWS = 10_000
COUNT_LIFETIME = 30

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class UncountedPage(NamedTuple):
    """A page of a list whose length nobody asked for."""

    object_list: Sequence[Any]
    number: int
    followed: bool

    def has_next(self) -> bool:
        return self.followed

    def has_previous(self) -> bool:
        return self.number > 1

    def next_page_number(self) -> int:
        return self.number + 1

    def previous_page_number(self) -> int:
        return self.number - 1


class CountingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts the rows; what a large table's count was some seconds ago is good enough."""

    @cached_property
    def count(self) -> int:
        queryset = _queryset(self.object_list)
        if queryset is None:
            return len(self.object_list)
        try:
            key = f"ecommerce_sync:count:{_question(queryset)}"
        except EmptyResultSet:
            return 0
        with suppress(Exception):  # a cache that is down costs time, and no answer
            if (known := cache.get(key)) is not None:
                return int(known)
        counted: int = queryset.count()
        if counted >= MANY_ROWS:
            with suppress(Exception):
                cache.set(key, counted, COUNT_LIFETIME)
        return counted


def _queryset(rows: Any) -> QuerySet[Any] | None:
    """The queryset that rows are read from."""
    if isinstance(rows, CompiledList):
        return rows.queryset
    return rows if isinstance(rows, QuerySet) else None


def _question(queryset: Any) -> str:
    """What is counted, as a key of the cache."""
    table = f"{queryset.db}:{queryset.model._meta.label_lower}"
    query = queryset.query
    if not query.where and query.distinct is False and not query.combinator:
        return table
    sql, parameters = query.sql_with_params()
    return f"{table}:{sha256(repr((sql, parameters)).encode()).hexdigest()}"


class PagePagination(PageNumberPagination):
    """``?page=2&page_size=100``; the neighbours are in the body and in the ``Link`` header.

    With ``with_count=false`` the rows are not counted, and ``count`` is null. The count of
    ``MANY_ROWS`` or more may be ``COUNT_LIFETIME`` seconds old.
    """

    django_paginator_class = CountingPaginator
    page_size_query_param = "page_size"
    last_page_strings = ()
    template = None
    page_size_query_description = "Rows on a page; more than the maximum gives the maximum."

    def get_page_number(self, request: Request, paginator: Any) -> int:
        text = request.query_params.get(self.page_query_param, "1")
        if not re.fullmatch("[0-9]{1,12}", text, re.ASCII):
            raise NotFound(_("There is no such page."))
        return int(text)

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return int(api_settings.PAGE_SIZE)
        if not re.fullmatch("[0-9]{1,19}", text, re.ASCII) or not 0 < int(text) <= MAX_INTEGER:
            raise InvalidQuery("page_size", _("A whole number above 0 is needed."))
        return min(int(text), api_settings.MAX_PAGE_SIZE)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        self.request = request
        number, size = self.get_page_number(request, None), self.get_page_size(request)
        if self._with_count(request):
            return self._counted(self.django_paginator_class(queryset, size), number)
        start = (number - 1) * size
        rows = list(queryset[start : start + size + 1]) if number else []
        if not rows and number != 1:
            raise NotFound(_("There is no such page."))
        page: Any = UncountedPage(rows[:size], number, len(rows) > size)
        self.page = page
        return rows[:size]

    def _counted(self, paginator: Paginator[Any], number: int) -> list[Any]:
        try:
            page: Any = paginator.page(number)
        except InvalidPage:
            raise NotFound(_("There is no such page.")) from None
        self.page = page
        return list(page.object_list)

    def check(self, request: Request) -> None:
        """Raise for what would be wrong with a page, where a file has them all."""
        if not self.get_page_number(request, None):
            raise NotFound(_("There is no such page."))
        self.get_page_size(request)
        self._with_count(request)

    def get_paginated_response(self, data: Any) -> Response:
        page: Any = self.page
        links = {"previous": self.get_previous_link(), "next": self.get_next_link()}
        counted = not isinstance(page, UncountedPage)
        return _answer(page.paginator.count if counted else None, links, data)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        # DRF writes it as OpenAPI 3.0 has it, and with addresses of its own for examples.
        for name, example in (("count", 1), ("next", None), ("previous", None)):
            plain = {**described["properties"][name], "nullable": True, "example": example}
            described["properties"][name] = append_meta(plain, {})
        described["properties"]["count"]["description"] = str(
            _("Rows that match. From %(many)d on it may be %(seconds)d seconds old.")
            % {"many": MANY_ROWS, "seconds": COUNT_LIFETIME}
        )
        return described

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        numbers = super().get_schema_operation_parameters(view)
        for number in numbers:
            number["schema"] |= {"format": "int64", "minimum": 1, "maximum": MAX_INTEGER}
        return [
            *numbers,
            {
                "name": "with_count",
                "in": "query",
                "required": False,
                "description": str(_("false: do not count the rows, which is faster.")),
                "schema": {"type": "boolean", "default": True},
            },
        ]

    def _with_count(self, request: Request) -> bool:
        text = request.query_params.get("with_count", "true")
        if text.lower() not in _TRUTH:
            raise InvalidQuery("with_count", _("It is neither true nor false."))
        return _TRUTH[text.lower()]


class ResourcePagination(PagePagination):
    """Pages, or with ``cursor=`` a walk through all rows in the order of their last change.

    A row that changes while somebody walks comes again further on. One is passed by if its change
    was dated before the walk's place and committed after it: the next walk begins a bit earlier.
    """

    walked_on: str | None = None
    walks = False

    def check(self, request: Request) -> None:
        super().check(request)
        as_place(request.query_params.get("cursor", ""))

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        text = request.query_params.get("cursor")
        if text is None or not _is_walkable(view):
            return super().paginate_queryset(queryset, request, view)
        for other in ("ordering", "page"):
            if other in request.query_params:
                detail = _("A walk with cursor= has an order of its own.")
                raise InvalidQuery(other, detail, "not_with_cursor")
        self.request, self.walks = request, True
        size = self.get_page_size(request)
        rows = _next_rows(queryset, as_place(text), size + 1)
        if len(rows) > size:
            self.walked_on = as_cursor(_place(queryset, rows[size - 1]))
        return list(rows[:size])

    def get_paginated_response(self, data: Any) -> Response:
        if not self.walks:
            return super().get_paginated_response(data)
        following = None
        if self.walked_on is not None:
            here = cast(Request, self.request).build_absolute_uri()
            following = replace_query_param(here, "cursor", self.walked_on)
        return _answer(None, {"previous": None, "next": following}, data)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        description = _(
            "Empty: begin a walk through all rows, the one changed longest ago first; count is "
            "null then. Go on with the address in next."
        )
        if not _is_walkable(view):
            return super().get_schema_operation_parameters(view)
        return [
            *super().get_schema_operation_parameters(view),
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": str(description),
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
                "allowEmptyValue": True,
            },
        ]


def _is_walkable(view: Any) -> bool:
    """Whether these are the rows themselves, and not what belongs to one of them."""
    return bool(getattr(view, "action", "") == "list")


def _answer(count: int | None, links: dict[str, str | None], rows: Any) -> Response:
    body = {"count": count, "next": links["next"], "previous": links["previous"], "results": rows}
    relations = {"prev": links["previous"], "next": links["next"]}
    header = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in relations.items() if url)
    return Response(body, headers={"Link": header} if header else None)


def _next_rows(rows: Any, place: Place | None, number: int) -> Sequence[Any]:
    """The rows of a walk after ``place``."""
    if isinstance(rows, CompiledList):
        return rows.after(place, number)
    return list(walk(rows, place)[:number])


def _place(rows: Any, row: Any) -> Place:
    """Where in the walk one of the rows is."""
    if isinstance(rows, CompiledList):
        return rows.compiled.place(row)
    return row.updated_at, row.pk
