"""What syncs, people and merges make of a catalogue, in plain Python.

This is docs/explanation/ once more, as a program: it takes a feed as a whole and knows neither
batches nor databases nor anything of the package. ``test_model`` does the same with the engine.
"""

from collections import Counter
from dataclasses import dataclass, field

#: What a new row holds where no record says anything.
NOTHING = {"name": "", "brand": "", "description": "", "inventory_count": 0}
#: In place of the record that was applied last: the row does without some of its news, or the
#: record came again in an older state.
HELD, STALE = "held", "stale"


@dataclass(frozen=True)
class Rules:
    """How a feed's records are treated; ``policy`` names the fields they may not always write."""

    fields: tuple
    priority: int = 0
    policy: dict = field(default_factory=dict)
    archives: bool = False
    #: The part of its rows that may be archived unasked.
    max_ratio: float = 1.0
    #: Whether no records are records, too.
    may_be_empty: bool = False
    #: Whether its records say when they changed, as ``at``.
    timed: bool = False
    #: Whether it writes row by row, which makes no difference.
    saves: bool = False


@dataclass(eq=False)
class Row:
    values: dict
    pinned: set = field(default_factory=set)
    archived: bool = False
    #: Pairs of field and where its value came from, the latest last.
    log: list = field(default_factory=list)
    writes: int = 1

    def write(self, values, origin):
        """Take new values; ``archived`` is one of them."""
        for name, value in values.items():
            if name in ("archived", "pinned"):
                setattr(self, name, value)
            else:
                self.values[name] = value
        self.writes += 1
        self.log += [(name, origin) for name in values if origin and name != "pinned"]

    def state(self):
        return {"archived": self.archived, "pinned": self.pinned, **self.values}


@dataclass(eq=False)
class Link:
    """That a record is a row; ``said`` is the record as it was applied last, None if in doubt."""

    row: Row
    said: object = None
    lacks: frozenset = frozenset()
    #: The newest time among the record's states, 0 if it never told one.
    time: int = 0
    first: int = 0
    seen: int = 0
    repeats: bool = False
    #: The row it came with, if that was merged into one the feed has a record of already.
    came_with: Row | None = None


@dataclass(eq=False)
class Merge:
    survivor: Row
    other: Row
    #: {field: (before, after)} of the survivor
    changes: dict
    writes: int
    #: What the survivor's links had said.
    said: dict
    #: The other row's links, with what they had said and come with.
    links: list
    #: What had been merged into the other row.
    merges: list

    @property
    def moved(self):
        """The links that came with the other row."""
        return [link for link, *_ in self.links]

    @property
    def former_key(self):
        """The key no row has since: it leads to the survivor."""
        before, _ = self.changes["sku"]
        return before if self.gave_key_away else self.other.values["sku"]

    @property
    def gave_key_away(self):
        before, after = self.changes["sku"]
        return before != after

    def is_key_of(self, link):
        """Whether the key was that of the row a record, or none yet, came from."""
        if link is None or (link.came_with and link not in self.moved):
            return True
        return (link in self.moved) is not self.gave_key_away


class Catalogue:
    """Rows, links and open issues, and what happens to them."""

    def __init__(self, feeds):
        self.feeds = feeds
        self.rows = []
        self.links = {}
        #: (feed, id, code, run) of records that were rejected and have not landed since
        self.issues = set()
        #: The rows that were gone, by the feed and the run that asked about them.
        self.questions = {}
        self.complete = Counter()
        self.merges = []

    def by_sku(self, sku):
        return next((row for row in self.rows if row.values["sku"] == sku), None)

    def by_former_key(self, sku):
        """The latest merge that left this key without a row, if none has it again."""
        merges = [one for one in self.merges if one.former_key == sku]
        return merges[-1] if merges and not self.by_sku(sku) else None

    def links_of(self, row, feed=None):
        found = [(key, link) for key, link in self.links.items() if link.row is row]
        return [(key, link) for key, link in found if feed in (None, key[0])]

    # -- a run -------------------------------------------------------------------------------

    def sync(self, feed, records, run, *, full=False, only=None, allow_shrink=False):
        """Apply a feed's records, or only those with the ids ``only``; returns the counts."""
        records = [one for one in records if only is None or one["id"] in only]
        copies = Counter(one["id"] for one in records)
        last = {id: self._last(feed, id, records) for id in copies}
        counts = Counter(read=len(records), duplicate=len(records) - len(last))
        wishes = {}
        for id, (record, time) in last.items():
            link = self.links.get((feed, id))
            if link and time < link.time and not self._is_back(feed, link):
                counts["skipped"] += 1
                link.said, link.seen = STALE, run  # its issues stay: the record has not landed
            elif link and (outcome := self._settled(feed, link, record, time, copies, full)):
                counts[outcome] += 1
                self._landed(feed, id, run)
            elif not record["price"].isdigit():
                self._reject(feed, id, "invalid_decimal", run, counts)
            else:
                wishes[id] = self._wish(feed, link and link.row, record, time, link)
        for id in self._conflicts(feed, wishes):
            del wishes[id]
            self._reject(feed, id, "identity_conflict", run, counts)
        wishes = {id: self._adopting(feed, *last[id], wishes, id) for id in wishes}
        late = {id for id in wishes if self._comes_late(feed, id, last[id][0])}
        for id, wish in sorted(wishes.items(), key=lambda one: one[0] in late):
            counts[self._land(feed, id, *last[id], wish, run)] += 1
            self._landed(feed, id, run)
        for (name, id), link in self.links.items():
            link.repeats |= name == feed and copies[id] > 1
        if only is None and not counts["rejected"]:
            counts["archived"] = self._end(feed, run, counts["read"], allow_shrink)
        return counts

    def _last(self, feed, id, records):
        """Of a record's copies the last of the newest ones, and its time; without one it is new."""
        link = self.links.get((feed, id))
        newest, found = link.time if link else 0, (None, -1)
        for one in records:
            if one["id"] == id:
                time = one.get("at") or newest
                newest = max(newest, time)
                found = (one, time) if time >= found[1] else found
        return found

    def _settled(self, feed, link, record, time, here, full):
        """The outcome of a record that need not be compared with its row, or None."""
        if self._writer(feed, link.row, here) is not link:
            outcome = "skipped" if link.said not in (None, record) else "unchanged"
            link.said, link.time = record, time
            return outcome
        in_doubt = full or self._is_back(feed, link) or link.came_with is not None
        return "unchanged" if link.said == record and not in_doubt else None

    def _is_back(self, feed, link):
        """Whether a record was gone by the last complete run of its feed."""
        return link.seen < self.complete[feed]

    def _wish(self, feed, row, record, time, link=None):
        """A record's row, what it would write there, and which of its news must wait: a person has
        pinned the field, or a newer record speaks for it."""
        values = {name: value for name, value in record.items() if name not in ("id", "at")}
        policy = self.feeds[feed].policy
        merge = self.by_former_key(values["sku"])
        own = [one for _, one in self.links_of(row, feed) if not one.came_with] if row else []
        stands_in = link and link.came_with and own
        if row and merge and merge.survivor is row and merge.is_key_of(link) and not stands_in:
            del values["sku"]
        if row is None:
            return None, {n: v for n, v in values.items() if policy.get(n) != "never"}, set()
        closed = {n for n in policy if policy[n] != "fill" or row.values[n] != NOTHING[n]}
        outranked, older = self._claims(feed, row, time)
        closed |= outranked | older | row.pinned
        news = {name for name in values if values[name] != row.values[name]}
        held = news & (row.pinned | (older - outranked))
        return row, {n: values[n] for n in values if n not in closed}, held

    def _conflicts(self, feed, wishes):
        """The records whose key belongs to another record; who cannot leave keeps its own."""
        refused, before = set(), None
        while before != len(refused):
            before, taken = len(refused), set()
            for id, (row, values, _) in wishes.items():
                if id in refused or "sku" not in values:
                    continue
                owner = self.by_sku(values["sku"])
                free = owner is None or owner is row or self._leaves(owner, wishes, refused)
                if row is None and self.by_former_key(values["sku"]):
                    continue  # it comes after all others
                owns = [link for _, link in self.links_of(owner, feed) if not link.came_with]
                adopts = row is None and not owns
                if values["sku"] in taken or not (free or adopts):
                    refused.add(id)
                else:
                    taken.add(values["sku"])
        for id, (row, values, _) in wishes.items():
            merge = self.by_former_key(values["sku"]) if row is None else None
            if merge and (values["sku"] in taken or self._has_come(feed, merge)):
                refused.add(id)
            elif merge:
                taken.add(values["sku"])
        return refused

    def _comes_late(self, feed, id, record):
        """Whether a record is new and known only by the key of a row that was merged."""
        return (feed, id) not in self.links and bool(self.by_former_key(record["sku"]))

    def _has_come(self, feed, merge):
        """Whether a record of the feed is known to have come with the merged row."""
        links = self.links_of_feed(feed)
        return any(link.came_with is merge.other or link in merge.moved for _, link in links)

    def _leaves(self, owner, wishes, refused=()):
        """Whether a record takes another key to the row that owns one now."""
        return any(
            row is owner and values.get("sku", row.values["sku"]) != row.values["sku"]
            for id, (row, values, _) in wishes.items()
            if id not in refused
        )

    def _adopting(self, feed, record, time, wishes, id):
        """The wish of a record; one without a row takes the row that has its key, if any."""
        owner = self.by_sku(record["sku"])
        merge = self.by_former_key(record["sku"])
        if wishes[id][0] is None and merge:
            return self._wish(feed, merge.survivor, record, time)
        if wishes[id][0] is None and owner and not self._leaves(owner, wishes):
            return self._wish(feed, owner, record, time)
        return wishes[id]

    def _land(self, feed, id, record, time, wish, run):
        """Write a record into its row; returns what became of it."""
        row, values, held = wish
        lacks = frozenset(self.feeds[feed].fields) - record.keys()
        if row is None:
            row = Row(NOTHING | values, log=[(name, (feed, run)) for name in values])
            self.rows.append(row)
            self.links[feed, id] = Link(row, record, lacks, time, run)
            return "created"
        changes = {name: value for name, value in values.items() if value != row.values[name]}
        if row.archived:
            changes["archived"] = False
        merge = self.by_former_key(record["sku"])
        if merge and (feed, id) not in self.links:
            link = Link(row, record, lacks, time, run, came_with=merge.other)
            has_own = self._writer(feed, row)
            self.links[feed, id] = link
            if has_own:
                return "unchanged"
        link = self.links.setdefault((feed, id), Link(row, lacks=lacks, first=run))
        if lacks - link.lacks:  # another feed may say it now
            self._doubt_others(row, feed)
        if changes:
            row.write(changes, (feed, run))
            if link.came_with:
                self._doubt(row, feed)
        link.said, link.lacks, link.time = HELD if held else record, lacks, time
        return "updated" if changes else "skipped" if held else "unchanged"

    def _end(self, feed, run, read, allow_shrink):
        """Archive what a complete run no longer has; returns how many rows."""
        rules, known = self.feeds[feed], self.complete[feed]
        links = [link for _, link in self.links_of_feed(feed)]
        self.complete[feed] = run
        gone = {link.row for link in links if link.seen < run}
        gone = {row for row in gone if not (row.archived or self._present(row))}
        asked = self._asked(feed)
        since = min(asked, default=run)
        there = sum(one.first < since and one.seen == run and not one.came_with for one in links)
        allowed = allow_shrink and (not asked or gone in asked.values())
        too_many = gone and (not read or len(gone) > rules.max_ratio * (len(gone) + there))
        if rules.archives and too_many and not allowed:
            self.complete[feed] = known  # nothing is proven
            self.questions[feed, run] = gone
            self.issues.add((feed, "", "needs_attention", run))
            return 0
        if rules.archives:
            asked = (feed, "", "needs_attention")
            self.issues = {issue for issue in self.issues if issue[:3] != asked}
        for link in links:
            if known <= link.seen < run:  # gone just now: others may say it all
                self._doubt_others(link.row, feed)
        for row in gone if rules.archives else ():
            row.write({"archived": True}, (feed, run))
            self._doubt(row)
        return len(gone) if rules.archives else 0

    def _asked(self, feed):
        """The rows that open questions of a feed are about, by the run that asked."""
        return {
            run: rows
            for (name, run), rows in self.questions.items()
            if name == feed and (feed, "", "needs_attention", run) in self.issues
        }

    def links_of_feed(self, feed):
        return [(key, link) for key, link in self.links.items() if key[0] == feed]

    def _landed(self, feed, id, run):
        self.links[feed, id].seen = run
        self.issues = {issue for issue in self.issues if issue[:2] != (feed, id)}

    def _reject(self, feed, id, code, run, counts):
        self.issues.add((feed, id, code, run))
        counts["rejected"] += 1

    # -- whose word counts -------------------------------------------------------------------

    def _present(self, row, feed=None):
        """The records of a row that their feeds still have, by the last complete run of each."""
        links = self.links_of(row, feed)
        return [(key, link) for key, link in links if link.seen >= self.complete[key[0]]]

    def _writer(self, feed, row, here=()):
        """The record of a feed that writes a row: the row's own before one that came with another.

        ``here`` are the ids in the feed's hands.
        """
        known = self._present(row, feed)
        known += [(key, link) for key, link in self.links_of(row, feed) if key[1] in here]
        return min((link for _, link in known), key=lambda link: bool(link.came_with), default=None)

    def _claims(self, feed, row, time):
        """The fields of a row that feeds of a higher rank speak for, and those that newer records
        of equal feeds do."""
        outranked, older = set(), set()
        mine = self.feeds[feed]
        for name, rules in self.feeds.items():
            if name != feed and rules.priority >= mine.priority:
                writer = self._writer(name, row)
                claims = {*rules.fields} - {*rules.policy} - writer.lacks if writer else set()
                if rules.priority > mine.priority:
                    outranked |= claims
                elif mine.timed and rules.timed and writer and 0 < time < writer.time:
                    older |= claims
        return outranked, older

    def _doubt(self, row, feed=None):
        """Let the next run compare a row with its records."""
        for _, link in self.links_of(row, feed):
            link.said = None

    def _doubt_others(self, row, feed):
        for (name, _), link in self.links_of(row):
            link.said = link.said if name == feed else None

    # -- people ------------------------------------------------------------------------------

    def edit(self, row, changes, *, logged):
        """A person saves a row; only what is ``logged`` is known to be the person's."""
        changes = {n: v for n, v in changes.items() if n == "pinned" or v != row.values[n]}
        row.write(changes, ("edited", None) if logged else None)
        self._doubt(row)

    def delete(self, row):
        self.rows.remove(row)
        self.links = {key: link for key, link in self.links.items() if link.row is not row}
        self.merges = [merge for merge in self.merges if merge.survivor is not row]

    # -- merges ------------------------------------------------------------------------------

    def merge(self, survivor, other):
        """Make one row of two: the survivor's values, where it has none the other's, and what a
        person has fixed there only."""
        theirs = {n for n, v in other.values.items() if survivor.values[n] == "" != v}
        theirs |= other.pinned - survivor.pinned
        values = {n: v for n, v in other.values.items() if n in theirs and v != survivor.values[n]}
        if survivor.archived and not other.archived:
            values["archived"] = False
        if not survivor.pinned >= other.pinned:
            values["pinned"] = survivor.pinned | other.pinned
        before = survivor.state()
        links = [(link, link.said, link.came_with) for _, link in self.links_of(other)]
        into = [merge for merge in self.merges if merge.survivor is other]
        changes = {name: (before[name], value) for name, value in values.items()}
        said = {link: link.said for _, link in self.links_of(survivor)}
        merge = Merge(survivor, other, changes, survivor.writes + 1, said, links, into)
        known = {feed for (feed, _), _ in self.links_of(survivor)}
        for (feed, _), link in self.links_of(other):
            if feed in known and link.came_with is None:
                link.came_with = other
            link.row = survivor
        for one in into:
            one.survivor = survivor
        merge.changes["sku"] = (before["sku"], values.get("sku", before["sku"]))
        survivor.write(values, merge)
        self.rows.remove(other)
        self.merges.append(merge)

    def undo(self, merge):
        """Part the rows of the latest merge; False, and nothing done, if a key is taken by now."""
        survivor, other, now = merge.survivor, merge.other, merge.survivor.state()
        keys = {other.values["sku"], merge.changes["sku"][0]}
        if any(self.by_sku(sku) not in (None, survivor) for sku in keys):
            return False
        touched = survivor.writes != merge.writes
        back = {name: old for name, (old, new) in merge.changes.items() if now[name] == new}
        if now["sku"] == other.values["sku"]:
            back["sku"] = merge.changes["sku"][0]
        survivor.write(back, None)
        survivor.writes = survivor.writes if touched else merge.writes - 1
        survivor.log = [entry for entry in survivor.log if entry[1] is not merge]
        self.rows.append(other)
        self.merges.remove(merge)
        for one in merge.merges:
            one.survivor = other
        before = [*merge.said, *merge.moved]
        for _, link in self.links_of(survivor):
            if link not in before:
                link.said = None
            if link not in before and link.came_with is other:
                link.row, link.came_with = other, None
        for link, said, came_with in merge.links:
            link.row, link.came_with = other, came_with
            link.said = said if link.said == said else None
        for _, link in self.links_of(survivor):
            if touched or link.said != merge.said.get(link):
                link.said = None
        return True
