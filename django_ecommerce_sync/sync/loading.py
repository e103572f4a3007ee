"""The short way of a first load: records of a stream that has no links yet, and no rows.

Nothing is there to be matched, so the unique keys of the tables tell as much as a look at them;
whoever catches their error takes the long way, which also takes whatever is not plain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ..conf import settings
from ..exceptions import RecordError
from ..feeds import BadRow, Payload, Policy, Stream
from ..models import SyncLink
from .changes import Load
from .clean import UNSAID
from .columns import ColumnsCleaner
from .infile import FileInsert, may_send_files
from .insert import LATER
from .ownership import Ownership
from .reader import FeedRow, Known, NumberedRow, decoded
from .table import Row, Table
from .target import Target

#: A new row as a record has it: what the record lacks, and the values by column.
Fresh = tuple[str, tuple[Any, ...]]

#: Bits of the filter that tells ids apart: at five million one in fifty is looked up in vain.
_BITS = 1 << 26
#: Rows that are written out in one go.
_SLICE = 100
#: How often the tables may refuse a batch before nobody tries the short way any more.
_PATIENCE = 3
#: The columns of a link in which those of one load differ.
_LINK = ("external_id", "object_id", "hash", "lacks")
_ID_LENGTH: int = SyncLink._meta.get_field("external_id").max_length  # type: ignore[assignment]


class Loader:
    """Makes new rows of the records of one stream."""

    def __init__(
        self, stream: Stream, target: Target, ownership: Ownership, *, feed: str, run: int
    ) -> None:
        self.stream = stream
        self.target = target
        self.links = Table(SyncLink, target.connection)
        #: What all links of the stream have in common.
        self.place: Row = {"feed": feed, "stream": stream.name, "model": target.label}
        self.place |= {"first_run": run, "last_changed_run": run}
        self.place |= {"missing_since": None, "repeats": False}
        self.cleaner = ColumnsCleaner(
            target.model, target.cleaner, decimal=stream.decimal, casefold=stream.casefold
        )
        plain = stream.sources.plain_names
        # Where every value is found under a name, records are not mapped one by one.
        self._is_mapped = not {*self.cleaner.names} <= {*plain}
        self._sources = [name if self._is_mapped else plain[name] for name in self.cleaner.names]
        never = {name for name, policy in ownership.policies.items() if policy == Policy.NEVER}
        names = self.cleaner.names
        self._kept = [index for index, name in enumerate(names) if name not in never]
        self.names = tuple(names[index] for index in self._kept)
        self._key = self.names.index(target.key)
        self._defaults = [target.defaults()[name] for name in names]
        self._required = {names.index(name) for name in target.required}
        self._currency = names.index("currency") if "currency" in names else None
        #: Whether the model wants to see the values once they are written out.
        self._are_looked_at = hasattr(target.model, "sync_warnings")
        connection, model = target.connection, target.model
        self.sends_files = may_send_files(connection) and FileInsert.suits(model, self.names)
        self._seen = _Filter()
        self._fresh: list[Fresh | None] = []
        self.refusals = 0

    @staticmethod
    def suits(stream: Stream, target: Target, ownership: Ownership) -> bool:
        """Whether a stream's records may go the short way."""
        mapped = {*target.cleaner.cleaners}
        related = target.children or target.relations or target.complete
        own_times = stream.since is not None  # unique keys cannot tell which copy is newer
        own_values = stream.save_rows or {*target.own_defaults} - mapped
        if related or own_times or own_values or not target.key_is_unique:
            return False
        if ownership.fillable & mapped:  # a blank may be for another feed to fill
            return False
        if target.table.pk.attname in mapped:
            return False
        return {target.key, *target.required} <= mapped - {*ownership.policies}

    @property
    def is_on(self) -> bool:
        """Whether the short way is still worth a try."""
        return self.refusals < _PATIENCE

    def look_at(self, rows: Sequence[FeedRow]) -> None:
        """Find out what new rows some records of the next batch would be."""
        if not self.is_on:
            return
        found: list[Fresh | None] = [None] * len(rows)
        mapped = [(at, self._mapped(payload)) for at, _, payload in decoded(list(enumerate(rows)))]
        usable = [(at, values) for at, values in mapped if values is not None]
        if usable:
            cleaned = self._cleaned([values for _, values in usable])
            for (at, _), new in zip(usable, cleaned, strict=True):
                found[at] = new
        self._fresh += found

    def prepare(self, rows: Sequence[NumberedRow], known: Sequence[Known]) -> Iterator[Load]:
        """What the batch comes to whose records were looked at, bit by bit: the last is complete.

        Nothing where the short way is not worth a try any more.
        """
        fresh, self._fresh = self._fresh, []
        if len(fresh) < len(rows):
            return
        load = self._sorted(rows, known, fresh)
        insert = load.insert = self.target.insertion(self.names, as_file=self.sends_files)
        yield load
        for begun in range(0, len(load.values), _SLICE):
            insert.add(load.values[begun : begun + _SLICE])
            yield load
        if not self._are_looked_at:
            load.values = []
        self._prepare_links(load)
        yield load

    def _prepare_links(self, load: Load) -> None:
        """Write the links out, but for the primary keys of the rows they lead to."""
        links = sorted(
            (external_id, digest, lacks, key)
            for (external_id, digest, _, lacks), key in zip(load.records, load.keys, strict=True)
        )
        load.linked = [key for _, _, _, key in links]
        rows = [(external_id, LATER, digest, lacks) for external_id, digest, lacks, _ in links]
        load.links = self.links.insertion(_LINK, self.place, as_file=self.sends_files).add(rows)

    def _sorted(
        self, rows: Sequence[NumberedRow], known: Sequence[Known], fresh: Sequence[Fresh | None]
    ) -> Load:
        ids = list(map(itemgetter(0), known))
        times, are_plain = Counter(ids), _is_plain(ids)
        note, key = self._seen.note, self._key
        nothing: Fresh = ("", (None,) * len(self.names))
        loaded, rest = [], []
        for row, (external_id, digest), new in zip(rows, known, fresh, strict=True):
            is_odd = note(external_id) or times[external_id] > 1 or not digest
            lacks, values = new or nothing
            if is_odd or values[key] is None or not (are_plain or _is_plain([external_id])):
                rest.append(row)
            else:
                loaded.append((values[key], values, (external_id, digest, row[0], lacks)))
        loaded.sort(key=itemgetter(0))
        return Load(
            self.names,
            values=[values for _, values, _ in loaded],
            keys=[key for key, _, _ in loaded],
            records=[record for _, _, record in loaded],
            rest=rest,
        )

    def _mapped(self, payload: Payload | BadRow) -> Mapping[str, Any] | None:
        """The record's values, under the names in ``_sources``."""
        if isinstance(payload, BadRow):
            return None
        try:
            return self.stream.map(payload) if self._is_mapped else payload
        except RecordError:
            return None

    def _cleaned(self, mapped: list[Mapping[str, Any]]) -> list[Fresh | None]:
        rows, gaps = self.cleaner.clean(mapped, self._sources)
        whole = not gaps and len(self.names) == len(self.cleaner.names)
        return [
            row if row is None else ("", row) if whole else self._completed(list(row), gaps)
            for row in rows
        ]

    def _completed(self, row: list[Any], gaps: Sequence[int]) -> Fresh | None:
        """The row with defaults for what its record does not say in some columns."""
        unsaid = [index for index in gaps if row[index] is UNSAID]
        lacking = []
        for index in unsaid:
            name = self.cleaner.names[index]
            row[index] = self.target.currency if name == "currency" else self._defaults[index]
            if name != "currency" or not self.target.currency:
                lacking.append(name)
        if self._required.intersection(unsaid):
            return None
        if self._currency is not None:
            row[self._currency] = row[self._currency] or settings.DEFAULT_CURRENCY
        lacks = " ".join(name for name in sorted(lacking) if name in self.stream.fields)
        return lacks, tuple([row[index] for index in self._kept])


class _Filter:
    """Tells whether a text may have been noted before; a few are taken for such that were not."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)

    def note(self, text: str) -> bool:
        """Note a text; whether it may have been noted before."""
        bits, number = self._bits, hash(text)
        first, second = number & (_BITS - 1), (number >> 32) & (_BITS - 1)
        one, other = 1 << (first & 7), 1 << (second & 7)
        known = bits[first >> 3] & one and bits[second >> 3] & other
        bits[first >> 3] |= one
        bits[second >> 3] |= other
        return bool(known)


def _is_plain(external_ids: Sequence[str]) -> bool:
    """Whether a link's column keeps the ids as they are."""
    whole = "".join(external_ids)
    return (
        all(external_ids)
        and max(map(len, external_ids)) <= _ID_LENGTH
        and whole.isascii()
        and whole.isprintable()
        and "+" not in whole
    )
