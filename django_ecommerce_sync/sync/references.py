"""Which rows the relations of a batch point to: by the feed's ids, then by keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from ..exceptions import RecordError
from ..feeds import Reference
from ..models import SyncLink
from .arrivals import of_key, of_record
from .changes import Item
from .former_keys import FormerKeys
from .ledger import Ledger
from .reader import one_spelling
from .table import Row
from .target import ChildTarget, Target

Found = dict[Reference, Row]


class References:
    """Resolves the references of one feed's records, a few queries for each batch."""

    def __init__(self, feed: str, targets: Mapping[str, Target], ledger: Ledger | None) -> None:
        """``targets`` are those streams of the feed whose ids are their keys."""
        self.feed = feed
        self.targets = targets
        self.ledger = ledger

    def resolve(self, target: Target, items: Sequence[Item]) -> dict[int, RecordError]:
        """Put primary keys in place of references; returns the errors by index of the item."""
        if not target.relations and not any(c.relations for c in target.children.values()):
            return {}
        found = self._find(target, items)
        errors = {}
        for index, item in enumerate(items):
            try:
                self._place_all(target, item, found)
            except RecordError as error:
                errors[index] = error
        return errors

    def _place_all(self, target: Target, item: Item, found: Mapping[str, Found]) -> None:
        item.copies = self._place(item, item.values, target, found, "")
        for name, child in target.children.items():
            for number, line in enumerate(item.values.get(name, ())):
                try:
                    line[COPIES] = self._place(item, line, child, found, name)
                except RecordError as error:
                    raise error.within(f"{name}[{number}]") from error

    def _place(
        self,
        item: Item,
        values: Row,
        owner: Target | ChildTarget,
        found: Mapping[str, Found],
        child: str,
    ) -> Row:
        """Replace references by the primary key under their attribute; returns what can be copied.

        ``values`` are those of ``item`` or of one of its child rows.
        """
        copies: Row = {}
        for name, attribute in owner.relations.items():
            if name not in values:
                continue
            reference = values.pop(name)
            row = found[f"{child}.{name}" if child else name].get(reference) if reference else None
            if reference and row is None and not reference.optional:
                field: Any = owner.model._meta.get_field(name)
                item.waits_for = self._awaited(field.related_model, reference)
                raise _unresolved(name, reference)
            values[attribute] = row["pk"] if row else None
            if row:
                copies.update(_copies(owner, name, row))
        return copies

    def _awaited(self, model: type[models.Model], ref: Reference) -> tuple[str, ...]:
        """Digests of what would do for the reference, in either of the ways it can be found."""
        awaited = []
        if ref.external_id:
            awaited.append(of_record(self.feed, ref.stream, self._external_id(ref)))
        if ref.key and (key := getattr(model, "sync_key", "")):
            awaited.append(of_key(model._meta.label_lower, self._normalized(model, key, ref.key)))
        return tuple(awaited)

    def _find(self, target: Target, items: Sequence[Item]) -> dict[str, Found]:
        """The rows referred to, by relation (``customer``, ``lines.product``)."""
        wanted: dict[str, set[Reference]] = defaultdict(set)
        for item in items:
            _collect(wanted, "", target.relations, [item.values])
            for name, child in target.children.items():
                _collect(wanted, f"{name}.", child.relations, item.values.get(name, ()))
        found = {}
        for path, references in wanted.items():
            owner: Target | ChildTarget = target
            child_name, _, relation = path.rpartition(".")
            if child_name:
                owner = target.children[child_name]
            field: Any = owner.model._meta.get_field(relation)
            columns = {
                column for copied in owner.snapshots.get(relation, {}).values() for column in copied
            }
            found[path] = self._lookup(target, field.related_model, references, columns)
        return found

    def _lookup(
        self,
        target: Target,
        model: type[models.Model],
        references: set[Reference],
        columns: set[str],
    ) -> Found:
        alias = target.connection.alias
        manager = model._base_manager.using(alias)
        linked = dict(self._links(alias, model, references))
        rows = {
            str(row["pk"]): row
            for row in (
                manager.filter(pk__in=sorted(set(linked.values()))).values("pk", *columns)
                if linked
                else ()
            )
        }
        found = {ref: rows[pk] for ref, pk in linked.items() if pk in rows}
        key = getattr(model, "sync_key", "")
        keys = {
            ref: self._normalized(model, key, ref.key)
            for ref in references
            if ref.key and ref not in found
        }
        if keys and key:
            named = manager.filter(**{f"{key}__in": sorted(set(keys.values()))}).values(
                "pk", key, *columns
            )
            by_key = {row[key]: row for row in named}
            by_key |= self._survivors(manager, {*keys.values()} - by_key.keys(), columns)
            found.update({ref: by_key[text] for ref, text in keys.items() if text in by_key})
        if self.ledger is not None:
            for ref in references:
                row = self._imagined(self.ledger, model, ref, found.get(ref), keys.get(ref))
                if row is not None:
                    found[ref] = {"pk": row[model._meta.pk.attname], **{c: row[c] for c in columns}}
        return found

    def _survivors(
        self, manager: models.QuerySet[Any], keys: Collection[str], columns: set[str]
    ) -> dict[str, Row]:
        """The rows that keys lead to which no row has since a merge, by key."""
        former = FormerKeys(manager.model, manager.db).find(keys) if keys else {}
        pks = {one.survivor for one in former.values()}
        rows = manager.filter(pk__in=sorted(pks)).values("pk", *columns) if pks else ()
        by_pk = {row["pk"]: row for row in rows}
        return {key: by_pk[one.survivor] for key, one in former.items() if one.survivor in by_pk}

    def _imagined(
        self,
        ledger: Ledger,
        model: type[models.Model],
        ref: Reference,
        found: Row | None,
        key: str | None,
    ) -> Row | None:
        """The row a reference would lead to by now, where a dry run knows better than ``found``."""
        label = model._meta.label_lower
        link = ledger.link(ref.stream, self._external_id(ref)) if ref.external_id else None
        if link is not None and link.model == label:
            imagined = ledger.row(label, link.object_id)
        elif found is not None:
            imagined = ledger.row(label, found["pk"])
        else:
            imagined = ledger.owner(label, key) if key else None
        return imagined.row if imagined else None

    def _links(
        self, alias: str, model: type[models.Model], references: Iterable[Reference]
    ) -> Iterator[tuple[Reference, str]]:
        by_stream: dict[str, dict[str, list[Reference]]] = defaultdict(lambda: defaultdict(list))
        for ref in references:
            if ref.external_id:
                by_stream[ref.stream][self._external_id(ref)].append(ref)
        for stream, by_id in by_stream.items():
            links = SyncLink.objects.using(alias).filter(
                feed=self.feed,
                stream=stream,
                model=model._meta.label_lower,
                external_id__in=sorted(by_id),
            )
            for external_id, pk in links.values_list("external_id", "object_id"):
                for ref in by_id[external_id]:
                    yield ref, pk

    def _external_id(self, ref: Reference) -> str:
        """The id as its own stream's links spell it."""
        target = self.targets.get(ref.stream)
        if target is not None:  # its ids are keys
            return target.normalize_key(ref.external_id)
        try:
            return one_spelling(ref.external_id)
        except ValidationError:
            return ref.external_id

    def _normalized(self, model: type[models.Model], key: str, text: str) -> str:
        field: Any = model._meta.get_field(key)
        normalize = getattr(field, "normalize", str.strip)
        try:
            return str(normalize(text))
        except ValueError:
            return text


#: Under this key a line carries what its related rows offer to be copied.
COPIES = "*copies"


def _collect(
    wanted: dict[str, set[Reference]], prefix: str, relations: Iterable[str], rows: Iterable[Row]
) -> None:
    for name in relations:
        for row in rows:
            if isinstance(reference := row.get(name), Reference):
                wanted[prefix + name].add(reference)


def _copies(owner: Target | ChildTarget, relation: str, row: Row) -> Row:
    copies: Row = {}
    for name, columns in owner.snapshots.get(relation, {}).items():
        field: Any = owner.model._meta.get_field(name)
        found = [row[column] for column in columns if row[column] not in (None, "")]
        if isinstance(field, models.CharField):
            # Blank rather than left alone: it may be another person's that stands there.
            copies[name] = " ".join(map(str, found))[: field.max_length]
        elif found:
            copies[name] = found[0]
    return copies


def _unresolved(name: str, reference: Reference) -> RecordError:
    said = reference.external_id or reference.key
    if "@" in said:
        said = said[:1] + "…"
    return RecordError(
        "unresolved_reference",
        f"There is no record '{said}' in {reference.stream} yet.",
        field=name,
        value=None if "@" in (reference.external_id or reference.key) else said,
    )
