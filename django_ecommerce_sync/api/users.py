"""The user of a token and his rights: read with each request, so that nothing stale is believed.

One prepared query reads the user together with the right the request needs as a rule; another
one whatever else is asked about him. Where a project has a user model or an authentication
backend of another kind, Django's way is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, PermissionsMixin
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Exists, OuterRef

from ..sync.prepared import PLACEHOLDERS, PreparedQuery

_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def find_user(field: str, value: str | int, rights: Sequence[str] = ()) -> Any:
    """The user whose ``field`` has this value; raises ``ObjectDoesNotExist``.

    Whether he has ``rights`` is read along with him, for ``has_rights``.
    """
    model = get_user_model()
    text = str(value)
    column = model._meta.pk if field == "pk" else model._meta.get_field(field)
    if not (isinstance(column, models.IntegerField) and re.fullmatch("[0-9]{1,9}", text)):
        return model._default_manager.get(**{field: value})
    names = tuple(each.attname for each in model._meta.concrete_fields)
    rights = tuple(rights) if _asks_model_backend_alone(model) else ()
    rows = _users(model, field, names, rights).rows(int(text))
    if not rows:
        raise ObjectDoesNotExist
    row = rows[0]
    user = model.from_db(model._default_manager.db, names, row[: len(names)])
    if _asks_model_backend_alone(model):
        cast(Any, user)._known_rights = _granted(rights, row[len(names) :])
    return user


def has_rights(user: Any, rights: Iterable[str]) -> bool:
    """Whether an active user has all these rights, as ``user.has_perms`` has it."""
    known: dict[str, bool] | None = getattr(user, "_known_rights", None)
    if known is None:
        return bool(user.has_perms(rights))
    if not user.is_active or user.is_superuser:
        return bool(user.is_active)
    rights = tuple(rights)
    if unknown := tuple(sorted(set(rights) - known.keys())):
        model: Any = type(user)
        rows = _users(model, "pk", (), unknown).rows(user.pk)
        if not rows:  # he is gone by now
            return False
        known |= _granted(unknown, rows[0])
    return all(known[right] for right in rights)


def _asks_model_backend_alone(model: type[Any]) -> bool:
    """Whether nobody but ``ModelBackend`` has a say in the rights of such users."""
    return (
        settings.AUTHENTICATION_BACKENDS == [_MODEL_BACKEND]
        and issubclass(model, PermissionsMixin)
        and model.has_perm is PermissionsMixin.has_perm
        and model.has_perms is PermissionsMixin.has_perms
        and isinstance(model._meta.pk, models.IntegerField)
    )


def _granted(rights: Sequence[str], found: Sequence[Any]) -> dict[str, bool]:
    """Right → whether he has it, himself or as one of a group."""
    pairs = zip(found[::2], found[1::2], strict=True)
    return {right: any(pair) for right, pair in zip(rights, pairs, strict=True)}


@lru_cache(maxsize=256)
def _users(
    model: type[Any], field: str, names: tuple[str, ...], rights: tuple[str, ...]
) -> PreparedQuery:
    found = {f"right_{number}": each for number, each in enumerate(_exist(model, rights))}

    def query(value: int) -> Any:
        users = model._default_manager.filter(**{field: value})
        return users.annotate(**found).values_list(*names, *found)

    return PreparedQuery(query, PLACEHOLDERS[int])


def _exist(model: type[Any], rights: Sequence[str]) -> Iterator[Exists]:
    """For each right, whether the user has it, and whether a group of his has it."""
    own = model._meta.get_field("user_permissions").related_query_name()
    groups = f"group__{model._meta.get_field('groups').related_query_name()}"
    for right in rights:
        app, _dot, codename = right.partition(".")
        permission = Permission.objects.filter(content_type__app_label=app, codename=codename)
        for path in (own, groups):
            yield Exists(permission.filter(**{path: OuterRef("pk")}))
