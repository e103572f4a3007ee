"""Carry out what match decided. Only writes, inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..models import SyncLink
from .absence import Absence
from .changes import MARKS, STALE, Changes, Item, Link, Load
from .compare import child_rows
from .history import history
from .landing import Landing
from .links import forget_others
from .met import Met
from .report import Report
from .saving import RowSaver
from .table import Row, Table
from .target import Target, defaults_of

#: The columns of a link that change when its record is applied again.
_RENEWED = ("model", "object_id", "hash", "lacks", "last_changed_run", "missing_since")


class Applier(Landing):
    """Applies the changes of one stream's batches."""

    def __init__(self, target: Target, met: Met, *, feed: str, stream: str, run: int) -> None:
        self.target = target
        self.met = met
        self.run = run
        self.saver = RowSaver(target) if target.stream.save_rows else None
        #: What all links of the stream have in common.
        self.place = {"feed": feed, "stream": stream, "model": target.label}
        self.links = Table(SyncLink, target.connection)
        self.history = history(target, feed=feed, stream=stream, run=run)

    def apply(self, changes: Changes) -> Report:
        """Write rows, child rows and links, in the order of their keys; report what was done."""
        changes.update.sort(key=lambda item: self._pk(item))
        changes.create.sort(key=self._key_order)
        vacated = self._vacate_keys(changes.update)
        if self.saver is not None:
            self.saver.save(changes, vacated)
        update, create = changes.update, changes.create
        loaded = self._load(changes.load)
        if self.saver is None:
            self._update(update)
            self._insert(create)
            self._write_children(update + create)
        self._doubt_absent(update)
        self._write_links(create, update, changes)
        self._let_others_speak([*update, *changes.relink])
        if self.history is not None:
            self.history.write(create, update)
            self.history.write_loaded(changes.load, loaded)
        self._mark_met(changes)
        if changes.newest is not None:
            self._mark_stale(changes.seen)
        self._take_marks_away(changes.seen)
        self._mark_repeats([*update, *changes.relink, *changes.seen])
        report = self._report(changes, create, update)
        report.created += loaded
        report.landed += [(record[0], record[2]) for record in changes.load.records]
        return report

    def archive(self, absence: Absence, rows: Mapping[Any, str]) -> Report:
        """Archive rows, given as {primary key: key}."""
        absence.archive(rows)
        return Report(updated=dict.fromkeys(rows, ("archived_at",)))

    def note(self, absence: Absence, links: Collection[int]) -> None:
        """Keep in mind that the records of these links are missing."""
        absence.note(links)

    # -- rows --------------------------------------------------------------------------------

    def _load(self, load: Load) -> list[Any]:
        """Insert rows and links as they come; returns the primary keys of the rows."""
        if load.insert is None or load.links is None or not load.keys:
            return []
        found = self.target.insert(load.insert, load.keys)
        load.links.execute([str(found[key]) for key in load.linked])
        return [found[key] for key in load.keys]

    def _update(self, items: Sequence[Item]) -> None:
        by_columns: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for item in items:
            row = {**(item.row or {}), **item.values}
            columns = (*item.values, *self.target.touch(row))
            by_columns[columns].append(row)
        for names, rows in by_columns.items():
            if names:  # else only child rows changed, and the model keeps no times
                self.target.table.update(rows, names)

    def _vacate_keys(self, items: Sequence[Item]) -> set[Any]:
        """Where records swap keys, put unique stand-ins there first; returns those rows' pks."""
        key = self.target.key
        leaving = {item.row[key]: item for item in items if item.row and key in item.changed}
        arriving = {item.values[key] for item in items if key in item.changed}
        rows = []
        for old in leaving.keys() & arriving:
            item = leaving[old]
            rows.append({**(item.row or {}), key: f"\N{RIGHTWARDS ARROW}{self._pk(item)}"})
        self.target.table.update(rows, [key])
        return {row[self.target.table.pk.attname] for row in rows}

    def _insert(self, items: Sequence[Item]) -> None:
        """Insert new rows and learn their primary keys, by their keys where they have one."""
        table, key = self.target.table, self.target.key
        defaults = {**self.target.defaults(), **self.target.scope}
        pks: dict[Any, Any] = {}
        for names, rows in _by_columns(i.values for i in items if i.values.get(key) is not None):
            insert = self.target.insertion(names).add([tuple(row.values()) for row in rows])
            pks |= self.target.insert(insert, [row[key] for row in rows])
        for item in items:
            value = item.values.get(key)
            pk = pks[value] if value is not None else table.insert_one({**defaults, **item.values})
            item.row = {table.pk.attname: pk}

    def _write_children(self, items: Sequence[Item]) -> None:
        for name, child in self.target.children.items():
            table = child.table(self.target.connection)
            defaults = defaults_of(table)
            insert: list[Row] = []
            rewrite: list[Row] = []
            delete: list[Any] = []
            for item in items:
                if name in item.children:
                    parts = child_rows(item.children[name], child, self._pk(item), defaults)
                    insert += parts[0]
                    rewrite += parts[1]
                    delete += parts[2]
            table.delete(delete)
            table.update(rewrite, [n for n in table.fields if n != table.pk.attname])
            table.insert_rows(insert, {})

    # -- links -------------------------------------------------------------------------------

    def _write_links(
        self, create: Sequence[Item], update: Sequence[Item], changes: Changes
    ) -> None:
        changed = {id(item) for item in (*create, *update)}
        timed = changes.newest is not None
        insert: dict[bool, list[Row]] = {True: [], False: []}
        rewrite = []
        landing = (*create, *update, *changes.relink)
        for item in sorted(landing, key=lambda item: item.external_id):
            if not item.external_id:
                continue
            row = {
                "external_id": item.external_id,
                "object_id": str(self._pk(item)),
                "hash": item.digest,
                "lacks": item.lacks,
                "last_changed_run": self.run if id(item) in changed else 0,
            }
            if timed:
                row["source_updated_at"] = item.source_updated_at
            if item.link is None:
                insert[item.repeated].append({**row, "merged_row": item.merged_row})
            else:
                rewrite.append(self._renewed(item.link, row))
        runs = {"first_run": self.run, "missing_since": None}
        for repeats, rows in insert.items():
            self.links.insert_rows(rows, {**self.place, **runs, "repeats": repeats})
        self.links.update(rewrite, (*_RENEWED, "source_updated_at") if timed else _RENEWED)

    def _renewed(self, link: Link, row: Row) -> Row:
        """A link as it shall be; unchanged rows keep the run that changed them last."""
        changed = row["last_changed_run"] or link.last_changed_run
        kept = {
            "id": link.id,
            "first_run": link.first_run,
            "repeats": bool(link.repeats),
            "merged_row": link.merged_row,
            "source_updated_at": None,  # not written unless the row has it
        }
        renewed = {"last_changed_run": changed, "missing_since": None}
        return {**self.place, **kept, **row, **renewed}

    def _mark_met(self, changes: Changes) -> None:
        self.met.note(changes)
        back = [item.link.id for item in changes.seen if item.link and item.link.missing_since]
        self.links.set_all("missing_since", None, sorted(back))

    def _mark_stale(self, items: Sequence[Item]) -> None:
        """Note which records were met in an older state only."""
        linked = [(item, item.link) for item in items if item.link]
        left_behind = [link.id for item, link in linked if item.is_stale and not item.earlier]
        self.links.set_all("hash", STALE, sorted(left_behind))

    def _take_marks_away(self, items: Sequence[Item]) -> None:
        """What a link says in place of a digest ends with a copy that may be the last."""
        marked = [(item, item.link) for item in items if item.link and item.link.hash in MARKS]
        overtaken = [link.id for item, link in marked if not item.is_stale]
        self.links.set_all("hash", "", sorted(overtaken))

    def _mark_repeats(self, items: Sequence[Item]) -> None:
        """Remember which records come more than once: their next delivery waits for the last."""
        ids = {
            item.link.id
            for item in items
            if item.link and not item.link.repeats and (item.repeated or item.earlier)
        }
        self.links.set_all("repeats", True, sorted(ids))

    def _let_others_speak(self, items: Sequence[Item]) -> None:
        """Where a record no longer carries a field, another feed's may be waiting to."""
        rows = {item.link.object_id for item in items if item.link and item.lacks_more}
        feed, stream = self.place["feed"], self.place["stream"]
        forget_others(self.target.model, rows, feed=feed, stream=stream)

    def _doubt_absent(self, items: Sequence[Item]) -> None:
        """Where a record stood in for a row's own, that one is compared in full when it returns."""
        rows = [item.link.object_id for item in items if item.link and item.link.merged_row]
        if rows:
            links = SyncLink.objects.using(self.target.connection.alias)
            own = links.filter(**self.place, object_id__in=sorted(rows), merged_row=None)
            own.update(hash="")

    # -- report ------------------------------------------------------------------------------

    def _report(self, changes: Changes, create: Sequence[Item], update: Sequence[Item]) -> Report:
        waiting = {id(item) for item in changes.postponed}  # for the last copy to be told
        seen = [item for item in changes.seen if id(item) not in waiting]
        landed = [*create, *update, *changes.relink, *seen]
        if changes.newest is not None:
            landed = [item for item in landed if not item.is_stale]
        return Report(
            counts=changes.counts,
            rejections=changes.rejections,
            created=[self._pk(item) for item in create],
            updated={self._pk(item): item.changed for item in update},
            landed=[
                *((external_id, position) for _, external_id, position in changes.settled),
                *((item.external_id, item.position) for item in landed),
            ],
        )

    def _pk(self, item: Item) -> Any:
        return (item.row or {})[self.target.table.pk.attname]

    def _key_order(self, item: Item) -> tuple[bool, Any]:
        key = item.values.get(self.target.key)
        return (key is None, key if key is not None else item.external_id)


def _by_columns(rows: Iterable[Row]) -> Iterable[tuple[tuple[str, ...], list[Row]]]:
    """The rows in groups that have the same columns."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row)].append(row)
    return groups.items()
