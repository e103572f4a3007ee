"""Whose word counts for a field of a row: this feed's, another feed's, or a person's.

A value is held back where the stream's policy, a person's pin, or a record of another feed that
ranks higher speaks for the field. What another feed's record carries is known from its link: all
that its stream maps, but for what the link says it ``lacks``.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Field

from ..conf import settings
from ..exceptions import ConfigurationError
from ..feeds import Policy, Stream, get_feed
from ..feeds.source import did_you_mean
from ..models import MoneyField, SyncLink
from .changes import OLDER, PINNED, POLICY, PRIORITY, Item, Link
from .ledger import Ledger
from .table import Row
from .target import Target

logger = logging.getLogger(__name__)

_POLICIES = tuple(map(str, Policy))
_BLANK: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Fellow:
    """Another stream that writes rows of the same model."""

    feed: str
    stream: str
    priority: int
    #: The columns it speaks for.
    columns: frozenset[str]
    #: The columns it fills where nobody says anything.
    fills: frozenset[str]
    #: Whether its records say when they changed.
    is_timed: bool


class Ownership:
    """Holds back what one stream's records may not write."""

    def __init__(
        self, stream: Stream, target: Target, feed: str, ledger: Ledger | None = None
    ) -> None:
        """``ledger`` is that of a dry run."""
        self.stream = stream
        self.ledger = ledger
        self.target = target
        self.feed = feed
        fields: Sequence[Field[Any, Any]] = target.model._meta.concrete_fields
        self._columns = {field.name: field.attname for field in fields}
        self._amounts = {field.attname for field in fields if isinstance(field, MoneyField)}
        self._mapped = sorted(map(self._column, stream.fields))
        self.priority = priority_of(feed)
        self.policies = {self._column(n): p for n, p in policies_of(feed, stream).items()}
        self.fellows = sorted(self._fellows(), key=lambda one: (one.feed, one.stream))
        self._rivals = {(one.feed, one.stream): one for one in self.fellows if self._may_rank(one)}
        self._contested = frozenset().union(*(one.columns for one in self._rivals.values()))
        self._fillers = {(one.feed, one.stream): one for one in self.fellows if one.fills}
        #: Columns that other feeds fill where nobody says anything.
        self.fillable: frozenset[str] = frozenset().union(*(one.fills for one in self.fellows))

    @property
    def description(self) -> list[Any]:
        """All that decides between feeds; whenever it changes, records are compared anew."""
        policies = {name: str(policy) for name, policy in self.policies.items()}
        return [policies, self.priority, *map(_ordered, self.fellows)]

    def lacks(self, values: Row) -> str:
        """The fields the stream maps and a record does not carry.

        To those that another feed fills a blank says nothing, either.
        """
        return " ".join([name for name in self._mapped if self._is_silent(name, values)])

    def _is_silent(self, name: str, values: Row) -> bool:
        return name not in values or (name in self.fillable and values[name] in _BLANK)

    def strip_new(self, item: Item) -> None:
        """Take away what even a new row does not get from this feed."""
        for name, policy in self.policies.items():
            if policy == Policy.NEVER:
                item.values.pop(name, None)
                item.children.pop(name, None)

    def hold(self, items: Sequence[Item]) -> None:
        """Take from the items, which have rows, the values that others speak for.

        What differs from the row is noted in ``item.held``. Child rows stay, for they are still
        to be compared: ``compare_row`` leaves the guarded ones alone.
        """
        outranked = self._outranked(items) if self._rivals else {}
        filled = self._filled(items) if self._fillers else {}
        for item in items:
            item.guarded = {
                **self._by_policy(item),
                **filled.get(id(item), {}),
                **outranked.get(id(item), {}),
                **self._by_pins(item.row or {}),
            }
            if item.guarded:
                self._keep_money_whole(item)
                _hold_values(item)

    # -- reasons -----------------------------------------------------------------------------

    def _by_policy(self, item: Item) -> dict[str, str]:
        stored = {**(item.row or {}), **{n: rows.stored for n, rows in item.children.items()}}
        return {
            name: POLICY
            for name, policy in self.policies.items()
            if policy != Policy.SOURCE
            and not (policy == Policy.FILL and stored.get(name) in _BLANK)
        }

    def _by_pins(self, stored: Row) -> dict[str, str]:
        return {self._column(name): PINNED for name in stored.get("pinned") or ()}

    def _filled(self, items: Sequence[Item]) -> dict[int, dict[str, str]]:
        """By ``id`` of the item, the columns it leaves blank that another feed has filled.

        A record that had a value there before takes that one away itself.
        """
        rows = {self._pk(item): item for item in items if self._blanks(item)}
        found: dict[int, dict[str, str]] = defaultdict(dict)
        for pk, fellow, lacks, _ in self._claims(rows, self._fillers):
            blanks = self._blanks(rows[pk]) & (fellow.fills - lacks)
            found[id(rows[pk])].update(dict.fromkeys(blanks, POLICY))
        return found

    def _blanks(self, item: Item) -> frozenset[str]:
        values, said = item.values, item.link.lacks.split() if item.link else None
        return frozenset(
            name
            for name in self.fillable & values.keys()
            if values[name] in _BLANK and (said is None or name in said)
        )

    def _outranked(self, items: Sequence[Item]) -> dict[int, dict[str, str]]:
        """By ``id`` of the item, the columns that records of other feeds speak for."""
        rows = {self._pk(item): item for item in items if self._is_contested(item)}
        found: dict[int, dict[str, str]] = defaultdict(dict)
        for pk, fellow, lacks, moment in self._claims(rows, self._rivals):
            item = rows[pk]
            reason = self._rank(fellow, moment, item)
            for name in fellow.columns - lacks if reason else ():
                if found[id(item)].get(name) != PRIORITY:
                    found[id(item)][name] = reason
        return found

    def _is_contested(self, item: Item) -> bool:
        stored = item.row or {}
        return any(
            name in self._contested and (name not in stored or stored[name] != value)
            for name, value in item.values.items()
        )

    def _claims(
        self, pks: Collection[str], fellows: Mapping[tuple[str, str], Fellow]
    ) -> Iterator[tuple[str, Fellow, frozenset[str], datetime | None]]:
        """The records of these fellows that write the rows, but for those their feed has lost."""
        known = [(link, feed, stream) for (feed, stream, _), link in self._links(pks).items()]
        writing = set()
        for link, feed, stream in sorted(known, key=_order_of_writing):
            fellow = fellows.get((feed, stream))
            place = (link.object_id, feed, stream)
            # Of two records of a stream one writes the row: see ``writers``.
            if fellow and link.missing_since is None and place not in writing:
                writing.add(place)
                lacks = frozenset(link.lacks.split())
                yield link.object_id, fellow, lacks, link.source_updated_at

    def _links(self, pks: Collection[str]) -> dict[tuple[str, str, str], Link]:
        """The links to these rows by feed, stream and external id."""
        if not pks:
            return {}
        stored = SyncLink.objects.using(self.target.connection.alias).filter(
            model=self.target.label, object_id__in=sorted(pks)
        )
        found = stored.values_list("feed", "stream", *Link._fields)
        links = {(feed, stream, link[1]): Link(*link) for feed, stream, *link in found}
        return links if self.ledger is None else self._imagined(self.ledger, links, pks)

    def _imagined(
        self, ledger: Ledger, links: dict[tuple[str, str, str], Link], pks: Collection[str]
    ) -> dict[tuple[str, str, str], Link]:
        """Links as a dry run of this feed would have left them by now."""
        known = dict(links)
        for place, link in links.items():
            if ledger.is_missing(link.id):
                known[place] = link._replace(missing_since=link.first_run)
        for pk in pks:
            for stream, link in ledger.holders(self.target.label, pk):
                place = (self.feed, stream, link.external_id)
                if ledger.has_met(stream, link.external_id):
                    known[place] = link
        return known

    def _rank(self, fellow: Fellow, moment: datetime | None, item: Item) -> str:
        """Why a fellow's record goes before the item; "" if it does not."""
        if fellow.priority > self.priority:
            return PRIORITY
        mine = item.source_updated_at
        return OLDER if mine is not None and moment is not None and mine < moment else ""

    def _keep_money_whole(self, item: Item) -> None:
        """An amount and its currency are one value: none is written without the other."""
        if "currency" not in self._columns:
            return
        amounts = self._amounts | item.values.keys() & self.target.children.keys()
        stored = (item.row or {})["currency"]
        if item.values.get("currency", stored) == stored:
            return
        for one in sorted(amounts):
            if one in item.guarded:
                item.guarded = {"currency": item.guarded[one], **item.guarded}
        if reason := item.guarded.get("currency"):
            item.guarded = {**dict.fromkeys(amounts, reason), **item.guarded}

    # -- streams -----------------------------------------------------------------------------

    def _fellows(self) -> Iterator[Fellow]:
        for alias in settings.FEEDS:
            for stream in streams_of(alias):
                if (alias, stream.name) == (self.feed, self.stream.name):
                    continue
                if stream.model_label.lower() == self.target.label:
                    yield self._fellow(alias, stream)

    def _fellow(self, feed: str, stream: Stream) -> Fellow:
        policies = policies_of(feed, stream)
        by_policy = defaultdict(set)
        for name in stream.fields:
            by_policy[policies.get(name, Policy.SOURCE)].add(self._column(name))
        columns = frozenset(by_policy[Policy.SOURCE])
        if self._amounts & columns and "currency" in self._columns:
            columns |= {"currency"}
        return Fellow(
            feed,
            stream.name,
            priority_of(feed),
            columns,
            frozenset(by_policy[Policy.FILL]),
            stream.since is not None,
        )

    def _may_rank(self, fellow: Fellow) -> bool:
        """Whether any of its records can go before one of ours."""
        is_equal = fellow.priority == self.priority
        both_timed = fellow.is_timed and self.stream.since is not None
        return fellow.priority > self.priority or (is_equal and both_timed)

    def _column(self, name: str) -> str:
        return self._columns.get(name, name)

    def _pk(self, item: Item) -> str:
        return str((item.row or {})[self.target.table.pk.attname])


def policies_of(feed: str, stream: Stream) -> dict[str, Policy]:
    """The policy of each field that has one: the feed's own, overruled by the settings.

    Raises ``ConfigurationError`` for a field or a policy that does not exist.
    """
    configured = settings.FEEDS.get(feed, {}).get("POLICY", {})
    policies = {**stream.policy, **configured.get(stream.name, {})}
    for name, policy in policies.items():
        if name not in stream.fields:
            guess = did_you_mean(name, stream.fields)
            raise ConfigurationError(
                f"Stream '{stream.name}' has a policy for '{name}', which it does not map{guess}"
            )
        if policy not in _POLICIES:
            guess = did_you_mean(policy, _POLICIES)
            raise ConfigurationError(
                f"Stream '{stream.name}' has the policy '{policy}' for '{name}'{guess}"
            )
    return {name: Policy(policy) for name, policy in policies.items()}


def priority_of(feed: str) -> int:
    """The rank of a feed among those that write the same rows; higher goes first."""
    return int(settings.FEEDS.get(feed, {}).get("PRIORITY", 0))


def _hold_values(item: Item) -> None:
    stored = item.row or {}
    for name, reason in item.guarded.items():
        if name in item.values and name in stored:
            if item.values[name] != stored[name]:
                item.held[name] = reason
            del item.values[name]


def streams_of(alias: str) -> Sequence[Stream]:
    """The streams of a configured feed; none if it cannot be built."""
    try:
        with get_feed(alias) as source:
            return source.streams
    except Exception as error:  # another feed's own code: its runs will tell
        logger.warning("Feed '%s' cannot be built: %s", alias, type(error).__name__)
        return ()


def _order_of_writing(known: tuple[Link, str, str]) -> tuple[bool, int]:
    return known[0].merged_row is not None, known[0].id


def _ordered(fellow: Fellow) -> tuple[Any, ...]:
    columns = sorted(fellow.columns), sorted(fellow.fills)
    return (fellow.feed, fellow.stream, fellow.priority, *columns, fellow.is_timed)
