"""A batch's changes as decisions that can be stored, shown, and made again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...models import PlannedAction
from ..changes import Changes, ChildRows, Item
from ..issues import PERSONAL
from ..ledger import Imagined
from ..table import Row
from ..target import ChildTarget, Target
from .seal import Seal, canonical

#: Longer texts are shortened; the digest speaks of all of it.
_SHOWN = 500
#: Stands for the primary key of a row that the run itself creates, whatever it will be.
NEW = "new"
#: Rows that the run at hand has created: pairs of model and primary key, both as text.
Created = Collection[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of one record; the names are those of ``PlannedChange``."""

    action: str
    identity: str
    digest: str
    position: int | None = None
    external_id: str = ""
    key: str = ""
    object_id: str = ""
    reason: str = ""
    changes: dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> Row:
        """The columns in which the planned changes of one stream differ."""
        return {name: getattr(self, name) for name in self.__slots__}


class Decisions:
    """Describes the changes of one stream."""

    def __init__(self, target: Target, stream: str, seal: Seal, *, key_is_personal: bool) -> None:
        self.target = target
        self.stream = stream
        self.seal = seal
        self.key_is_personal = key_is_personal
        #: Attribute that holds a related primary key → the related model's label.
        self.relations = _labels(target)
        self.child_relations = {name: _labels(child) for name, child in target.children.items()}
        self.names = {name: str(field.name) for name, field in target.table.fields.items()}
        self.personal = {name for name in self.names if is_personal(target, self.names[name])}

    def of(self, changes: Changes, created: Created = ()) -> Iterator[Decision]:
        """What is written, in the feed's order; ``created`` are rows this run has made."""
        found = [self._create(item, created) for item in changes.create]
        found += [self._update(item, created) for item in changes.update]
        yield from sorted(found, key=lambda decision: decision.position or 0)

    def skipped(self, changes: Changes) -> Iterator[Decision]:
        """Records whose news are left aside, each with the reason.

        A copy of a record that counts already is none of them.
        """
        for item in (*changes.relink, *changes.seen):
            is_copy = item.earlier == "changed" or (item.is_stale and item.earlier)
            if item.skipped and not is_copy:
                yield self._decision(item, PlannedAction.SKIP, "", {}, reason=item.skipped)

    def archived(self, rows: Mapping[Any, str]) -> Iterator[Decision]:
        """Rows the feed no longer has, as they are: nobody archives what was changed since."""
        versions = self._versions(rows)
        for pk, key in rows.items():
            number = str(pk)
            yield Decision(
                action=PlannedAction.ARCHIVE.value,
                identity=self.seal(self.stream, PlannedAction.ARCHIVE, number),
                digest=self.seal(number, versions.get(pk)),
                key="" if self.key_is_personal else key[:191],
                object_id=number,
            )

    def _versions(self, pks: Collection[Any]) -> dict[Any, int]:
        if "version" not in self.target.table.fields:
            return {}
        rows = self.target.model._base_manager.using(self.target.connection.alias)
        return dict(rows.filter(pk__in=pks).values_list("pk", "version"))

    def related(self, item: Item) -> Iterator[tuple[str, Any]]:
        """The rows a record is about or points to, by model and primary key."""
        row = item.row or {}
        if row:
            yield self.target.label, row[self.target.table.pk.attname]
        for side in (row, item.values):
            yield from _pointers(self.relations, side)
        for name, rows in item.children.items():
            for line in (*rows.stored, *rows.wanted):
                yield from _pointers(self.child_relations[name], line)

    def identity(self, external_id: str, position: int | None) -> str:
        """Which record it is: by its id or, where it has none, by its place."""
        return self.seal(self.stream, external_id or position)

    def shown_id(self, external_id: str) -> str:
        """A record's id, unless it is somebody's e-mail address."""
        is_key = self.target.stream.external_id is None
        return "" if (is_key and self.key_is_personal) or "@" in external_id else external_id

    # -- rows --------------------------------------------------------------------------------

    def _create(self, item: Item, created: Created) -> Decision:
        own = self.target.own_defaults.keys() - self.target.stream.fields.keys()
        values = {name: value for name, value in item.values.items() if name not in own}
        children = {name: rows for name, rows in item.children.items() if rows.wanted}
        filled = {name: value for name, value in values.items() if value not in (None, "", {}, [])}
        shown = {self.names[name]: self._pair(name, None, value) for name, value in filled.items()}
        shown |= {name: [None, _summary(rows)] for name, rows in children.items()}
        true = [self._true({}, values, values, created), self._lines(children, created)]
        return self._decision(item, PlannedAction.CREATE, "", shown, true=true)

    def _update(self, item: Item, created: Created) -> Decision:
        row = item.row or {}
        children = {name: rows for name, rows in item.children.items() if name in item.changed}
        names = [name for name in item.changed if name not in children]
        shown = {self.names[name]: self._pair(name, row[name], item.values[name]) for name in names}
        shown |= {
            name: [{"rows": len(rows.stored)}, _summary(rows)] for name, rows in children.items()
        }
        number = row[self.target.table.pk.attname]
        is_new = isinstance(number, Imagined) or (self.target.label, str(number)) in created
        object_id = "" if is_new else str(number)
        true = [self._true(row, item.values, names, created), self._lines(children, created)]
        return self._decision(item, PlannedAction.UPDATE, object_id, shown, true=true)

    def _decision(
        self,
        item: Item,
        action: PlannedAction,
        object_id: str,
        changes: dict[str, Any],
        *,
        true: Any = (),
        reason: str = "",
    ) -> Decision:
        return Decision(
            action=action.value,
            identity=self.identity(item.external_id, item.position),
            digest=self.seal(action.value, object_id, true),
            position=item.position,
            external_id=self.shown_id(item.external_id),
            key=self._key(item),
            object_id=object_id,
            reason=reason,
            changes=changes,
        )

    def _key(self, item: Item) -> str:
        if self.key_is_personal:
            return ""
        key = (item.row or {}).get(self.target.key) or item.values.get(self.target.key)
        return "" if key is None else str(key)[:191]

    # -- values ------------------------------------------------------------------------------

    def _pair(self, attribute: str, old: Any, new: Any) -> list[Any]:
        if attribute in self.personal:
            return [None, None]
        return [_shown(old), _shown(new)]

    def _true(
        self, row: Row, values: Row, names: Collection[str], created: Created
    ) -> dict[str, Any]:
        """Old and new values of these columns, but for those that are at random."""
        return {
            name: [self._canonical(name, side.get(name), created) for side in (row, values)]
            for name in names
            if name not in self.target.own_defaults
        }

    def _canonical(self, attribute: str, value: Any, created: Created) -> Any:
        if attribute == "archived_at":
            return value is not None
        return _settled(self.relations.get(attribute), value, created)

    def _lines(self, children: Mapping[str, ChildRows], created: Created) -> dict[str, Any]:
        return {
            name: [
                [self._line(name, line, created) for line in side]
                for side in (rows.stored, rows.wanted)
            ]
            for name, rows in children.items()
        }

    def _line(self, child: str, line: Row, created: Created) -> Row:
        target, labels = self.target.children[child], self.child_relations[child]
        place = ("id", target.parent_attribute, target.position)
        return {
            name: _settled(labels.get(name), value, created)
            for name, value in line.items()
            if name not in place
        }


def is_personal(target: Target, name: str) -> bool:
    """Whether the field's values are not to be kept."""
    if name in getattr(target.model, "sync_personal", ()):
        return True
    return name != "name" and any(word in name for word in PERSONAL)


def _labels(owner: Target | ChildTarget) -> dict[str, str]:
    fields = owner.model._meta
    return {
        attribute: fields.get_field(name).related_model._meta.label_lower  # type: ignore[union-attr]
        for name, attribute in owner.relations.items()
    }


def _pointers(labels: Mapping[str, str], row: Row) -> Iterator[tuple[str, Any]]:
    for attribute, label in labels.items():
        if row.get(attribute) is not None:
            yield label, row[attribute]


def _settled(label: str | None, value: Any, created: Created) -> Any:
    """A value that is the same before and after the rows it points to are there."""
    if label is None:
        return canonical(value)
    return NEW if isinstance(value, Imagined) or (label, str(value)) in created else value


def _summary(rows: ChildRows) -> dict[str, int]:
    """How many child rows there will be, and in how many that differs from what is."""
    both = min(len(rows.wanted), len(rows.stored))
    pairs = zip(rows.wanted, rows.stored, strict=False)
    changed = sum(
        any(stored[name] != value for name, value in wanted.items()) for wanted, stored in pairs
    )
    counts = {
        "added": len(rows.wanted) - both,
        "changed": changed,
        "removed": len(rows.stored) - both,
    }
    return {"rows": len(rows.wanted), **{name: count for name, count in counts.items() if count}}


def _shown(value: Any) -> Any:
    """A value as JSON has it, not longer than anybody would read."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Imagined):
        return NEW
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
        return json.loads(text) if len(text) <= _SHOWN else _shortened(text)
    return _shortened(str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
