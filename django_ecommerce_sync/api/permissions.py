"""Who may do what: Django's own model permissions, for reading too."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from .users import has_rights

#: HTTP method → the right Django gives for it.
RIGHTS = {
    "GET": "view",
    "HEAD": "view",
    "OPTIONS": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


class ModelPermissions(BasePermission):
    """The view names the rights each request needs; a view that names none is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        if user is None or not user.is_authenticated:
            return False
        return has_rights(user, view.required_permissions(request.method))


def rights_to_answer(model: type[Model], method: str) -> list[str]:
    """What ``method`` asks for where the answer is the row: a write shows it, too."""
    shows = method in ("POST", "PUT", "PATCH")
    return [model_permission(model, each) for each in (("GET", method) if shows else (method,))]


def model_permission(model: type[Model], method: str) -> str:
    """``app.verb_model`` for what ``method`` does to ``model``."""
    if method not in RIGHTS:
        raise MethodNotAllowed(method)
    return f"{model._meta.app_label}.{RIGHTS[method]}_{model._meta.model_name}"
