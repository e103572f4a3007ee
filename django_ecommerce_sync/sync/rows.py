"""The rows that the records of a batch lead to: by their links, by their keys, by a merge.

Rows are read and locked here, in one order; what a record changes in its row is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from ..exceptions import RecordError
from ..models import SyncLink
from .changes import ChildRows, Item, Link
from .former_keys import Former, FormerKeys
from .ledger import Imagined, Ledger
from .table import Row
from .target import Target


class Rows:
    """Finds the rows of one stream's records in one run."""

    def __init__(self, target: Target, ledger: Ledger | None, *, feed: str, stream: str) -> None:
        self.target = target
        self.ledger = ledger
        self.stream = stream
        self.place = {"feed": feed, "stream": stream}
        # Who sends rows without a feed means the very rows that have these keys.
        alias = target.connection.alias
        self.former_keys = FormerKeys(target.model, alias) if feed else None
        #: By key, the rows of the batch.
        self._owners: dict[Any, Row] = {}

    def find(self, items: Sequence[Item]) -> None:
        """Read and lock the rows of linked records and the rows that own the records' keys."""
        table, key, pk = self.target.table, self.target.key, self.target.table.pk
        self._owners = {}
        mine = [item for item in items if item.link and item.link.model == self.target.label]
        linked = {self._linked_pk(item.link) for item in mine if item.link}
        keys = {item.values[key] for item in items if item.values.get(key) is not None}
        rows = self._locked({number for number in linked if not isinstance(number, Imagined)})
        # Whose keys are in those rows is known; rows are locked in one order all the same.
        others = sorted(keys.difference(row[key] for row in rows))
        owned = table.find((pk.attname,), key, others, **self.target.scope)
        rows += self._locked({pk.to_python(found) for (found,) in owned} - linked)
        if self.ledger is not None:
            rows = self.ledger.over(self.target.label, pk.attname, rows, linked, keys)
        by_pk = {row[pk.attname]: row for row in rows}
        self._owners = {row[key]: row for row in by_pk.values() if row[key] is not None}
        for item in mine:
            item.row = by_pk.get(self._linked_pk(item.link)) if item.link else None

    # -- rows that took others in -------------------------------------------------------------

    def find_survivors(
        self, items: Sequence[Item], *, at_end: bool
    ) -> tuple[list[Item], dict[int, RecordError]]:
        """Lead records whose key no row has since a merge to the row that took theirs in.

        They are no reason to give that row their key. New records wait until the stream is
        ``at_end``, for it may have the row's own. Returns those that were led, and errors by index.
        """
        key, pk = self.target.key, self.target.table.pk.attname
        keys = {item.values[key] for item in items if item.values.get(key) is not None}
        former = self.former_keys.find(keys - self._owners.keys()) if self.former_keys else {}
        rows = self._rows_of({one.survivor for one in former.values()}) if former else {}
        came = self._came_with(former.values()) if former else {}
        found: list[Item] = []
        errors: dict[int, RecordError] = {}
        for index, item in enumerate(items):
            one = former.get(item.values.get(key))
            row = rows.get(one.survivor) if one else None
            if one is None or row is None:
                continue
            if item.row is None and item.link is None:
                holder = came.setdefault(one.merged_row, item.external_id)
                if holder != item.external_id or not at_end:
                    errors[index] = self._conflict(item, row, None)
                    continue
                item.row, item.merged_row = row, one.merged_row
                found.append(item)
            elif item.row is None or item.row[pk] != row[pk]:
                continue
            if item.link is None or (one.is_key_of(item.link) and not self._stands_in(item)):
                del item.values[key]
        return found, errors

    def second_records(self, items: Sequence[Item], found: Sequence[Item]) -> list[Item]:
        """Of records ``found`` by a former key, those whose row another one writes."""
        key, pk = self.target.key, self.target.table.pk.attname
        rows = {item.row[pk]: item.row for item in found if item.row}
        keys = {item.values.get(key) for item in items}
        written = {item.row[pk] for item in items if item.row and item.merged_row is None}
        written |= {number for number, row in rows.items() if row[key] in keys}
        written |= {
            self.target.table.pk.to_python(row) for row in self._records_of(rows, there=True)
        }
        second = []
        for item in found:
            number = (item.row or {})[pk]
            if number in written:
                second.append(item)
            written.add(number)
        return second

    def _stands_in(self, item: Item) -> bool:
        """Whether a record is its row's source in place of the row's own, which is gone."""
        link = item.link
        if link is None or link.merged_row is None:
            return False
        return bool(self._records_of([link.object_id]))

    def _came_with(self, former: Collection[Former]) -> dict[int, str]:
        """The records of the stream that came with merged rows, by the row."""
        rows = {link: one.merged_row for one in former for link in one.links}
        links = SyncLink.objects.using(self.target.connection.alias).filter(
            Q(pk__in=sorted(rows)) | Q(merged_row__in=sorted({one.merged_row for one in former})),
            **self.place,
            model=self.target.label,
        )
        known = links.values_list("pk", "merged_row", "external_id")
        found = {rows.get(pk, merged or 0): external_id for pk, merged, external_id in known}
        if self.ledger is not None:
            for one in former:
                for stream, link in self.ledger.holders(self.target.label, str(one.survivor)):
                    if stream == self.stream and link.merged_row == one.merged_row:
                        found[one.merged_row] = link.external_id
        return found

    def _rows_of(self, pks: Collection[Any]) -> dict[Any, Row]:
        """Rows by primary key, locked; the very ones the batch has found already."""
        pk = self.target.table.pk.attname
        known = {row[pk]: row for row in self._owners.values() if row[pk] in pks}
        rows = self._locked(set(pks) - known.keys())
        if self.ledger is not None:
            rows = self.ledger.over(self.target.label, pk, rows, set(pks), ())
        return {row[pk]: row for row in rows} | known

    # -- keys that belong to others -----------------------------------------------------------

    def conflicts(self, items: Sequence[Item]) -> dict[int, RecordError]:
        """Errors by index: keys that belong to another record. Unlinked rows are adopted."""
        key, pk = self.target.key, self.target.table.pk.attname
        others = self._records_of_owners(items)
        moving = {
            item.row[pk]: index
            for index, item in enumerate(items)
            if item.row and item.values.get(key, item.row[key]) != item.row[key]
        }
        errors: dict[int, RecordError] = {}
        claimed: dict[Any, int] = {}
        settled = False
        while not settled:  # a record that cannot move away keeps its key from the next one
            settled = True
            claimed.clear()
            for index, item in enumerate(items):
                if index in errors or not (value := item.values.get(key)):
                    continue
                owner = self._owners.get(value)
                free = owner is None or (owner[pk] in moving and moving[owner[pk]] not in errors)
                mine = owner is not None and item.row is not None and owner[pk] == item.row[pk]
                adopted = (
                    owner is not None
                    and item.row is None
                    and others.get(str(owner[pk]), item.external_id) == item.external_id
                )
                if value in claimed or not (free or mine or adopted):
                    rival = items[claimed[value]] if value in claimed else None
                    errors[index] = self._conflict(item, owner, rival)
                    settled = False
                else:
                    claimed[value] = index
        for index, item in enumerate(items):
            if index not in errors and item.row is None:
                owner = self._owners.get(item.values.get(key))
                item.row = owner if owner and owner[pk] not in moving else None
        return errors

    def _records_of_owners(self, items: Sequence[Item]) -> dict[str, str]:
        """Of the rows unlinked records may adopt, those that are another record's already."""
        key, pk = self.target.key, self.target.table.pk.attname
        return self._records_of(
            self._owners[item.values[key]][pk]
            for item in items
            if item.row is None and item.values.get(key) in self._owners
        )

    def _records_of(self, pks: Iterable[Any], *, there: bool = False) -> dict[str, str]:
        """Of these rows, those that are a record of the stream: {primary key: external id}.

        Only of one that the feed still has, if it is to be ``there``.
        """
        wanted = {str(pk) for pk in pks}
        if not wanted:
            return {}
        links = SyncLink.objects.using(self.target.connection.alias).filter(
            **self.place,
            model=self.target.label,
            object_id__in=sorted(wanted),
            merged_row=None,
            **({"missing_since": None} if there else {}),
        )
        found = dict(links.values_list("object_id", "external_id"))
        if self.ledger is not None:
            found |= self.ledger.records(self.stream, self.target.label, wanted)
        return found

    def _conflict(self, item: Item, owner: Row | None, rival: Item | None) -> RecordError:
        """The error that names both sides: rows by primary key, records by position."""
        pk, key = self.target.table.pk.attname, self.target.key
        own = "The record is new"
        if item.row is not None and not isinstance(item.row[pk], Imagined):
            own = f"The record is row {item.row[pk]}"
        whose = "an earlier record of this feed"
        if rival is not None:
            whose = f"record {rival.position} of this feed"
        elif owner is not None and not isinstance(owner[pk], Imagined):
            whose = f"row {owner[pk]}, which is another record of this feed"
        return RecordError(
            "identity_conflict",
            f"{own}, but its key belongs to {whose}.",
            field=key,
            value=item.values[key],
        )

    # -- child rows --------------------------------------------------------------------------

    def find_children(self, items: Sequence[Item]) -> None:
        """Read the stored child rows of the records that have a row, by position."""
        pk = self.target.table.pk.attname
        parents = {item.row[pk]: item for item in items if item.row}
        for name, child in self.target.children.items():
            table = child.table(self.target.connection)
            stored = sorted(parents.keys() - self._imagined_children(name, parents))
            if not stored:
                continue
            rows = table.select(child.parent_attribute, stored)
            for row in sorted(rows, key=lambda row: row[child.position]):
                item = parents[row[child.parent_attribute]]
                item.children.setdefault(name, ChildRows([], [])).stored.append(row)

    def _imagined_children(self, name: str, parents: Mapping[Any, Item]) -> set[Any]:
        """Give rows their child rows as a dry run imagines them; the rows that have such."""
        if self.ledger is None:
            return set()
        known = {pk: self.ledger.row(self.target.label, pk) for pk in parents}
        found = {
            pk: row.children[name] for pk, row in known.items() if row and name in row.children
        }
        for pk, stored in found.items():
            parents[pk].children[name] = ChildRows([], list(stored))
        return found.keys() | {pk for pk in parents if isinstance(pk, Imagined)}

    # -- one by one --------------------------------------------------------------------------

    def _locked(self, pks: Collection[Any]) -> list[Row]:
        table = self.target.table
        return table.select(table.pk.attname, sorted(pks), lock=self.ledger is None)

    def _linked_pk(self, link: Link) -> Any:
        """The primary key a link points to, which may be one a dry run has imagined."""
        number = link.object_id
        return number if isinstance(number, Imagined) else self.target.table.pk.to_python(number)
