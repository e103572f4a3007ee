"""The user of a token and his rights: read with each request, so that nothing stale is believed.

One prepared query reads the user, another all rights at once, his own and his groups'. Where a
project has a user model or an authentication backend of another kind, Django's way is gone.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, PermissionsMixin
from django.core.exceptions import ObjectDoesNotExist
from django.db import models

from .prepared import PreparedQuery

#: Occurs in no query; small enough for every kind of integer key.
_SOMEBODY = 2_071_723_357
_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def find_user(field: str, value: str | int) -> Any:
    """The user whose ``field`` has this value; raises ``ObjectDoesNotExist``."""
    model = get_user_model()
    text = str(value)
    column = model._meta.pk if field == "pk" else model._meta.get_field(field)
    if not (isinstance(column, models.IntegerField) and re.fullmatch("[0-9]{1,9}", text)):
        return model._default_manager.get(**{field: value})
    rows = _users(model, field).rows(int(text))
    if not rows:
        raise ObjectDoesNotExist
    names = [each.attname for each in model._meta.concrete_fields]
    return model.from_db(model._default_manager.db, names, rows[0])


def know_rights(user: Any) -> None:
    """Read the rights of an active user, where he asks ``ModelBackend`` alone for them.

    They are kept on the user as that backend keeps them itself.
    """
    if user.is_superuser or settings.AUTHENTICATION_BACKENDS != [_MODEL_BACKEND]:
        return
    if isinstance(user, PermissionsMixin) and isinstance(user.pk, int):
        rows = _rights(type(user)).rows(user.pk)
        cast(Any, user)._perm_cache = {f"{app}.{name}" for app, name in rows}


@cache
def _users(model: type[models.Model], field: str) -> PreparedQuery:
    names = [each.attname for each in model._meta.concrete_fields]
    return PreparedQuery(
        lambda value: model._default_manager.filter(**{field: value}).values_list(*names),
        _SOMEBODY,
    )


@cache
def _rights(model: type[models.Model]) -> PreparedQuery:
    user: Any = model
    own = user._meta.get_field("user_permissions").related_query_name()
    groups = user._meta.get_field("groups").related_query_name()
    columns = ("content_type__app_label", "codename")

    def rights(pk: int) -> Any:
        rows = Permission.objects.order_by().values_list(*columns)
        both = rows.filter(**{own: pk}).union(rows.filter(**{f"group__{groups}": pk}))
        return both.order_by()  # Django 6.1 orders a union as its model says

    return PreparedQuery(rights, _SOMEBODY)
