"""The classes that say who is asking, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string
from rest_framework import permissions

from ...checks.messages import API, error, warning
from .. import conf

#: The setting, and what each of its classes must have.
METHODS: Mapping[str, str] = {
    "AUTHENTICATION_CLASSES": "authenticate",
    "PERMISSION_CLASSES": "has_permission",
    "SCHEMA_PERMISSION_CLASSES": "has_permission",
}
_ANYBODY, _SIGNED_IN = "009", "012"
#: Classes that ask for no right, and what they let whom do; where two are asked the later decides.
LAX: Mapping[type[Any], tuple[str, str]] = {
    permissions.AllowAny: (_ANYBODY, "anybody read and write everything"),
    permissions.IsAuthenticatedOrReadOnly: (_ANYBODY, "anybody read everything"),
    permissions.DjangoModelPermissionsOrAnonReadOnly: (_ANYBODY, "anybody read everything"),
    permissions.IsAuthenticated: (_SIGNED_IN, "whoever signs in read and write everything"),
    permissions.DjangoModelPermissions: (_SIGNED_IN, "whoever signs in read everything"),
}


def classes(configured: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Whether there are such classes, and whether anybody can be known."""
    for name, method in METHODS.items():
        given, place = configured.get(name, ()), f"{API}['{name}']"
        if isinstance(given, str) or not isinstance(given, Sequence):
            yield error("031", f"{place} is no list.", "Give a list of dotted paths of classes.")
            continue
        for path in given:
            if complaint := _complaint(path, method):
                message = f"{place} has {path!r}: {complaint}"
                yield error("031", message, "Give dotted paths of classes.")
    if configured.get("AUTHENTICATION_CLASSES") in ([], ()):
        message = f"{API}['AUTHENTICATION_CLASSES'] is empty: nobody is known."
        yield warning("011", message, "Leave it out: a token, or a session, tells who asks.")


def _complaint(path: Any, method: str) -> str:
    """What is wrong with one class, if anything is."""
    try:
        found = import_string(path) if isinstance(path, str) else path
    except Exception as reason:  # whatever a project's own module does
        return f"it cannot be imported: {reason}"
    if not isinstance(found, type):
        return "it is no class."
    return "" if callable(getattr(found, method, None)) else f"it has no {method}()."


def open_doors() -> Iterator[CheckMessage]:
    """Whether rights are asked for at all."""
    asked = conf.classes("PERMISSION_CLASSES") or [permissions.AllowAny]
    if all(each in LAX for each in asked):
        number, whom = LAX[max(asked, key=list(LAX).index)]
        message = f"{API}['PERMISSION_CLASSES'] lets {whom}."
        yield warning(number, message, "Leave it out, or name who may do what.")
