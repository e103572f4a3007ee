"""``fields=``, ``omit=`` and ``expand=``: what of a row is shown, and only that is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from .filters import listed
from .problems import InvalidQuery

#: What a list needs of every row, shown or not.
_ALWAYS = ("pk", "updated_at")


@dataclass(frozen=True)
class Shape:
    """The part of a row a request asks for.

    ``expandable`` are relations, dotted below child rows, and the serializers of their rows.
    """

    fields: tuple[str, ...]
    omitted: tuple[str, ...]
    expanded: tuple[str, ...]
    expandable: Mapping[str, Any] = field(compare=False)

    @classmethod
    def asked_for(cls, request: Request, expandable: Mapping[str, Any]) -> Self:
        """The shape a request names in its query."""
        query = request.query_params
        return cls(
            _names(query, "fields"), _names(query, "omit"), _names(query, "expand"), expandable
        )

    @property
    def is_whole(self) -> bool:
        """Whether the rows are shown as they always are."""
        return not (self.fields or self.omitted or self.expanded)

    def cut(self, serializer: Any) -> None:
        """Leave of the serializer's fields what is asked for, with related rows in place."""
        if self.is_whole:
            return
        shown = self._shown(serializer)
        for name in set(serializer.fields) - shown:
            serializer.fields.pop(name)
        for path in self.expanded:
            if path.split(".")[0] not in shown:
                detail = _("'%s' is not among the fields shown.") % path
                raise InvalidQuery("expand", detail, "not_shown")
            *outer, relation = path.split(".")
            owner = serializer
            for name in outer:
                owner = owner.fields[name].child
            owner.fields[relation] = self.expandable[path](read_only=True)

    def narrow(self, queryset: QuerySet[Any], serializer: Any) -> QuerySet[Any]:
        """Read the columns and children that the serializer, once cut, shows."""
        names = {each.source.split(".")[0] for each in serializer.fields.values()}
        columns = {each.name for each in queryset.model._meta.concrete_fields}
        children = set(getattr(queryset.model, "sync_children", ()))
        lookups = [each for each in _lookups(queryset) if each.split("__")[0] in names]
        lookups += [path.replace(".", "__") for path in self.expanded]
        queryset = queryset.prefetch_related(None).prefetch_related(*lookups)
        if names <= columns | children:
            return queryset.only(*_ALWAYS, *sorted(names & columns))
        return queryset  # something is computed, from columns only it knows

    def _shown(self, serializer: Any) -> set[str]:
        known = list(serializer.fields)
        for parameter, names in (("fields", self.fields), ("omit", self.omitted)):
            _check(parameter, names, known)
        _check("expand", self.expanded, list(self.expandable))
        shown = set(self.fields or known) - set(self.omitted)
        if not shown:
            raise InvalidQuery("omit", _("Nothing is left to be shown."), "nothing_shown")
        return shown


def _names(query: QueryDict, parameter: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(listed(query, parameter)))


def _check(parameter: str, names: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in known]:
        there_is = ", ".join(known) or _("nothing")
        detail = _("There is no '%(name)s'; there is: %(known)s.")
        raise InvalidQuery(parameter, detail % {"name": unknown[0][:64], "known": there_is})


def _lookups(queryset: Any) -> list[str]:
    """What the queryset prefetches, as text."""
    lookups = cast(Sequence[Any], queryset._prefetch_related_lookups)
    return [getattr(lookup, "prefetch_to", lookup) for lookup in lookups]
