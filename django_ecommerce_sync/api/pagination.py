"""Pages of a list."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from .conf import api_settings
from .problems import InvalidQuery


class PagePagination(PageNumberPagination):
    """``?page=2&page_size=100``; the neighbours are in the body and in the ``Link`` header."""

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
        if not re.fullmatch("[0-9]{1,12}", text, re.ASCII) or int(text) == 0:
            raise InvalidQuery("page_size", _("A whole number above 0 is needed."))
        return min(int(text), api_settings.MAX_PAGE_SIZE)

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        links = {"prev": self.get_previous_link(), "next": self.get_next_link()}
        if header := ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items() if url):
            response["Link"] = header
        return response
