"""The engine against the plain model: arbitrary histories of a catalogue with two feeds.

After every step rows, links, open issues, the counts of the run and where each value comes from are
what ``model`` says. CI takes a fixed choice of short histories of each world; ``make model``, or
``HYPOTHESIS_PROFILE=long``, looks at others, as many as ``HYPOTHESIS_EXAMPLES`` says, on the
database that ``DATABASE_URL`` names.
"""

import os
from collections import Counter
from contextlib import nullcontext, suppress
from copy import deepcopy
from datetime import timedelta
from functools import wraps
from typing import ClassVar

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_ecommerce_sync.exceptions import MergeRefused
from django_ecommerce_sync.feeds import Archive, Keep, MemoryFeed, Moment, Since, Stream
from django_ecommerce_sync.models import (
    Merge,
    Product,
    StreamState,
    SyncChange,
    SyncIssue,
    SyncLink,
    SyncRun,
)
from django_ecommerce_sync.sync import apply_plan, execute, request_run, retry
from django_ecommerce_sync.sync.history import edits, provenance
from django_ecommerce_sync.sync.merging import merge, undo

from .model import Catalogue, Rules

SHORT = ("sku", "name", "price", "brand")
FIELDS = (*SHORT, "description", "inventory_count")
#: Two feeds each: one outranks the other; both are equals whose records say when they changed;
#: both archive what is gone, but not much of it unasked. Some write through ``save()``.
WORLDS = {
    "ranks": {
        "a": Rules(fields=SHORT, priority=1, archives=True),
        "b": Rules(fields=FIELDS, policy={"brand": "fill", "description": "create"}),
    },
    "times": {
        "a": Rules(fields=SHORT, timed=True, archives=True),
        "b": Rules(fields=FIELDS, timed=True, saves=True, policy={"description": "never"}),
    },
    "doubts": {
        "a": Rules(fields=SHORT, archives=True, max_ratio=0.4, may_be_empty=True, saves=True),
        "b": Rules(fields=FIELDS, archives=True, max_ratio=0.5, may_be_empty=True),
    },
}
#: What a record may do without.
OPTIONAL = ("name", "brand", "description", "inventory_count", "at")
BATCH_SIZES = (1, 2, 1000)
#: The counts that a plan and the run that applies it have in common; a record that was to be left
#: aside may be another one by now.
WRITING = ("created", "updated", "archived", "rejected")


class Whole(MemoryFeed):
    """It says when its records changed, and has all of them all the same."""

    def asks_for_changes(self, stream):
        return False


class Killed(BaseException):
    """The worker dies."""


def kill(run, statements):
    """Carry a run out up to a number of SQL statements; then its lease expires."""
    left = [statements]

    def die(execute, sql, *more):
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return execute(sql, *more)

    with suppress(Killed), connection.execute_wrapper(die):
        execute(run.pk)
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(hours=1))


def snapshot(run):
    """All that a dry run must leave alone."""
    tables = [Product.objects, SyncLink.objects, StreamState.objects, SyncChange.objects]
    issues = SyncIssue.objects.exclude(run=run)
    return [list(table.order_by("pk").values()) for table in (*tables, issues)]


def stream(rules):
    return Stream(
        "products",
        external_id="id",
        currency="EUR",
        fields={name: name for name in rules.fields},
        policy=rules.policy,
        since=Since(Moment("at", unit="s")) if rules.timed else None,
        missing=Archive(max_ratio=rules.max_ratio) if rules.archives else Keep(),
        allow_empty=rules.may_be_empty,
        save_rows=rules.saves,
    )


def configuration(world, lists):
    return {
        name: {
            "BACKEND": Whole,
            "OPTIONS": {"streams": [stream(world[name])], "rows": rows, "page_size": 3},
            "PRIORITY": world[name].priority,
        }
        for name, rows in lists.items()
    }


feeds = st.sampled_from("ab")
ids = st.sampled_from("123")
SKUS = ("S1", "S2", "S3", "S4")
skus = st.sampled_from(SKUS)
values = {
    "name": st.sampled_from(["Lamp", "Desk", "Chair"]),
    "price": st.sampled_from("123"),
    "brand": st.sampled_from(["Acme", "Ecma"]),
    "description": st.sampled_from(["short", "long"]),
    "inventory_count": st.integers(1, 3),
}
#: When the source changed a record, in seconds since 1970.
times = st.integers(1, 5)
maybe_times = st.none() | times
#: Mostly a record has a key like its id, so the two feeds mostly speak of the same things.
records = st.fixed_dictionaries(
    {"id": ids, "sku": st.sampled_from([*[None] * 8, *SKUS]), "price": values["price"]},
    optional={name: {**values, "at": times}[name] for name in OPTIONAL},
).map(lambda record: {**record, "sku": record["sku"] or f"S{record['id']}"})
some_records = st.lists(records, min_size=1, max_size=2)
catalogues = st.lists(records, min_size=2, max_size=4)
#: Which feeds are read after something happened.
in_turn = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a"), ()])
edits_of_fields = st.one_of(
    [st.tuples(st.just(name), value) for name, value in sorted(values.items())]
)
sizes = st.sampled_from(BATCH_SIZES)
indexes = st.integers(0, 7)
#: SQL statements after which a worker dies, and perhaps the next one, too.
crashes = st.lists(st.integers(1, 120), min_size=1, max_size=2)


def step(**strategies):
    """A rule after which some feeds are read: hardly anything shows before."""

    def decorate(function):
        @wraps(function)
        def happens(self, then, size, **drawn):
            function(self, **drawn)
            for feed in then:
                self.all_is_the_same()
                self._run(feed, size)

        return rule(then=in_turn, size=sizes, **strategies)(happens)

    return decorate


class Histories(RuleBasedStateMachine):
    """What feeds, workers and people may do in a world, one thing after the other."""

    world: ClassVar[dict[str, Rules]]

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.model = Catalogue(self.world)
        self.lists = {name: {"products": []} for name in self.world}
        django_settings.ECOMMERCE_SYNC = {
            **django_settings.ECOMMERCE_SYNC,
            "FEEDS": configuration(self.world, self.lists),
            "CHANGE_LOG": True,
        }

    def teardown(self):
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # -- what the feeds say ------------------------------------------------------------------

    @initialize(a=catalogues, b=catalogues, size=sizes)
    def begin(self, a, b, size):
        for feed, new in (("a", a), ("b", b)):
            self._deliver(feed, new)
            self._run(feed, size)

    @step(feed=feeds, new=some_records)
    def deliver(self, feed, new):
        """Records are new, or say something else, are in order again, and come once."""
        self._deliver(feed, new)

    def _deliver(self, feed, new):
        rows = self._listed(feed)
        for record in new:
            record = self._as_told(feed, record)
            ids = [one["id"] for one in rows]
            place = ids.index(record["id"]) if record["id"] in ids else len(ids)
            others = [one for one in rows if one["id"] != record["id"]]
            rows[:] = [*others[:place], record, *others[place:]]

    def _as_told(self, feed, record, **news):
        """A record as the feed has it, with or without a new time."""
        told = {"id", *self.world[feed].fields, *(["at"] if self.world[feed].timed else [])}
        news = {name: value for name, value in news.items() if value is not None}
        return {name: value for name, value in {**record, **news}.items() if name in told}

    @step(feed=feeds, index=indexes, sku=skus, at=maybe_times)
    def rename(self, feed, index, sku, at):
        rows = self._listed(feed)
        for one in self._copies(feed, index):
            rows[rows.index(one)] = self._as_told(feed, one, sku=sku, at=at)

    @step(feed=feeds, index=indexes)
    def drop(self, feed, index):
        for one in self._copies(feed, index):
            self._listed(feed).remove(one)

    @step(feed=feeds, number=st.integers(0, 1))
    def cut(self, feed, number):
        """Hardly anything is left."""
        del self._listed(feed)[number:]

    @step(feed=feeds, index=indexes, price=values["price"], at=maybe_times)
    def copy(self, feed, index, price, at):
        """The record comes once more, at the end. Copies differ in a field that is always written:
        while it is not known that a record has copies, they are applied one after the other if they
        are in different batches, so what an earlier one fills or supplies remains."""
        copies = self._copies(feed, index)
        if copies and copies[-1]["price"] not in ("x", price):
            self._listed(feed).append(self._as_told(feed, copies[-1], price=price, at=at))

    @step(feed=feeds, index=indexes, price=values["price"], at=maybe_times)
    def reprice(self, feed, index, price, at):
        """The last copy says something else."""
        copies, rows = self._copies(feed, index), self._listed(feed)
        if copies:
            last = max(place for place, one in enumerate(rows) if one == copies[-1])
            rows[last] = self._as_told(feed, copies[-1], price=price, at=at)

    @step(feed=feeds, index=indexes)
    def spoil(self, feed, index):
        """The record cannot be used. A bad copy among good ones counts as rejected or as duplicate,
        depending on what is in its batch, so it has none."""
        copies = self._copies(feed, index)
        if len(copies) == 1:
            rows = self._listed(feed)
            rows[rows.index(copies[0])] = {**copies[0], "price": "x"}

    def _listed(self, feed):
        return self.lists[feed]["products"]

    def _copies(self, feed, index):
        """All copies of a record."""
        rows = self._listed(feed)
        return [one for one in rows if one["id"] == rows[index % len(rows)]["id"]]

    # -- runs --------------------------------------------------------------------------------

    @rule(feed=feeds, size=sizes, full=st.booleans(), allow_shrink=st.booleans())
    def sync(self, feed, size, full, allow_shrink):
        self._run(feed, size, full=full, allow_shrink=allow_shrink)

    @rule(feed=feeds, size=sizes, full=st.booleans(), crashes=crashes)
    def sync_with_crashes(self, feed, size, full, crashes):
        """The worker dies at some SQL statement, another one goes on, and may die, too."""
        self._run(feed, size, full=full, crashes=crashes)

    @rule(feed=feeds, size=sizes, full=st.booleans())
    def dry_run(self, feed, size, full):
        """It counts as a run would, and changes nothing."""
        self._run(feed, size, full=full, dry_run=True)

    @rule(feed=feeds, size=sizes, full=st.booleans(), meanwhile=st.none() | some_records)
    def plan(self, feed, size, full, meanwhile):
        """A plan is made and applied: exactly that is done, or nothing."""
        if not self._is_settled(feed):
            return
        plan, _ = request_run(feed, full=full, plan=True)
        planned = self._carry_out(plan, feed, size, full=full)
        if planned is None:
            return
        if meanwhile:
            self._deliver(feed, meanwhile)
        if self._is_settled(feed):
            plan.refresh_from_db()
            run, _ = apply_plan(plan)
            self._carry_out(run, feed, size, full=full, planned=planned)

    @rule(feed=feeds, size=sizes)
    def retry(self, feed, size):
        """The latest run that left something behind is tried again."""
        rejected = [issue for issue in self.model.issues if issue[0] == feed and issue[1]]
        run = max((issue[3] for issue in rejected), default=None)
        if run is not None and self._is_settled(feed):
            only = {issue[1] for issue in rejected if issue[3] == run}
            again, _ = retry(SyncRun.objects.get(pk=run))
            self._carry_out(again, feed, size, only=only)

    def _run(self, feed, size, *, full=False, allow_shrink=False, dry_run=False, crashes=()):
        if self._is_settled(feed):
            asked = {"full": full, "allow_shrink": allow_shrink}
            run, _ = request_run(feed, dry_run=dry_run, **asked)
            self._carry_out(run, feed, size, crashes=crashes, **asked)

    def _carry_out(self, run, feed, size, *, crashes=(), planned=None, **options):
        """Do the same to the engine and to the model; returns what the run came to."""
        records, keeps = self._listed(feed), run.dry_run or planned is not None
        model = deepcopy(self.model) if keeps else self.model
        if self._is_one_batch(feed, full=options.get("full", False)):
            size = 1000
        before = snapshot(run) if keeps else None
        is_any = records or self.world[feed].may_be_empty
        expected = model.sync(feed, records, run.pk, **options) if is_any else None
        django_settings.ECOMMERCE_SYNC["BATCH_SIZE"] = size
        for statements in crashes:
            kill(run, statements)
        run = execute(run.pk)
        if planned is not None and run.error_code == "plan_outdated":
            assert snapshot(run) == before
            return None
        if run.dry_run:
            assert snapshot(run) == before
            self.model.issues |= {issue for issue in model.issues if issue[3] == run.pk}
        if expected is None:
            assert (run.status, run.error_code) == ("failed", "feed_empty")
            return None
        self.model = self.model if run.dry_run else model
        left = any(issue[3] == run.pk for issue in self.model.issues)
        assert run.status == ("partial" if left else "succeeded"), run.error
        found = {name: n for name, n in run.counts_of("products").items() if n}
        assert found == {name: n for name, n in expected.items() if n}
        if planned is not None:
            assert {name: found.get(name) for name in WRITING} == planned
        return {name: found.get(name) for name in WRITING}

    # -- where batches make a difference -----------------------------------------------------

    def _waits(self, feed):
        """Records whose key another record has, and the records that have them, by id."""
        found = set()
        for record in self._listed(feed):
            row = self.model.by_sku(record["sku"])
            link = self.model.links.get((feed, record["id"]))
            owners = self.model.links_of(row, feed) if row else []
            if row and (not link or link.row is not row) and (link or owners):
                found |= {record["id"], *(id for (_, id), _ in owners)}
        return found

    def _is_settled(self, feed):
        """Whether no record with copies is after a key another one wants or has.

        Such a record is applied last, and each of its copies can be rejected for itself.
        """
        rows = self._listed(feed)
        skus = Counter({one["id"]: one["sku"] for one in rows}.values())
        contested = {one["id"] for one in rows if skus[one["sku"]] > 1} | self._waits(feed)
        return not any(self._may_have_copies(feed, id) for id in contested)

    def _may_have_copies(self, feed, id):
        link = self.model.links.get((feed, id))
        copies = [one for one in self._listed(feed) if one["id"] == id]
        return len(copies) > 1 or bool(link and link.repeats)

    def _is_one_batch(self, feed, *, full):
        """Whether the outcome depends on what comes in one batch.

        Who comes first gets a key that becomes free in between. Copies of a record that had none so
        far are applied one by one, or the last only. A copy older than what was applied leaves the
        record in doubt, so that the next one is compared with its row. Of two records that are one
        row, the row's own one writes it as soon as it is seen.
        """
        rows = self._listed(feed)
        skus = {one["id"]: one["sku"] for one in rows}
        contested = self._waits(feed) and len(set(skus.values())) < len(skus)
        merged = any(link.came_with for _, link in self.model.links_of_feed(feed))
        copied = any(
            self._has_new_copies(feed, id, full=full) or self._has_old_copies(feed, id)
            for id in skus
        )
        return contested or merged or copied

    def _has_old_copies(self, feed, id):
        copies = [one for one in self._listed(feed) if one["id"] == id]
        link = self.model.links.get((feed, id))
        return len(copies) > 1 and link and any(one.get("at", 5) < link.time for one in copies)

    def _has_new_copies(self, feed, id, *, full):
        copies = [one for one in self._listed(feed) if one["id"] == id]
        link = self.model.links.get((feed, id))
        row = link.row if link else self.model.by_sku(copies[0]["sku"])
        known = link and all(one == link.said for one in copies[:-1]) and not full
        return len(copies) > 1 and row and not (link and link.repeats) and not known

    # -- people ------------------------------------------------------------------------------

    has_rows = precondition(lambda self: self.model.rows)

    @has_rows
    @step(index=indexes, change=edits_of_fields, logged=st.booleans())
    def edit(self, index, change, logged):
        """A person changes a value, by the admin or the API, or by code of the project."""
        self._save(index, dict([change]), logged=logged)

    @has_rows
    @step(index=indexes, sku=skus)
    def edit_key(self, index, sku):
        if not self.model.by_sku(sku):
            self._save(index, {"sku": sku}, logged=True)

    @has_rows
    @step(index=indexes, name=st.sampled_from(["sku", "name", "price", "brand"]))
    def pin_or_unpin(self, index, name):
        self._save(index, {"pinned": self._row(index)[0].pinned ^ {name}}, logged=True)

    @has_rows
    @step(index=indexes)
    def delete(self, index):
        row, stored = self._row(index)
        stored.delete()
        self.model.delete(row)

    def _row(self, index):
        rows = sorted(self.model.rows, key=lambda row: row.values["sku"])
        row = rows[index % len(rows)]
        return row, Product.objects.get(sku=row.values["sku"])

    def _save(self, index, changes, *, logged):
        row, stored = self._row(index)
        with edits(stored, None) if logged else nullcontext():
            for name, value in changes.items():
                setattr(stored, name, sorted(value) if name == "pinned" else value)
            stored.save()
            stored.refresh_from_db()
        self.model.edit(row, changes, logged=logged)

    # -- merges ------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.rows) > 1)
    @step(index=indexes, distance=indexes)
    def merge(self, index, distance):
        """Two rows become one, of two records of one feed at most: of two that came along the older
        one stands in, and the model does not know ages."""
        survivor, kept = self._row(index)
        other, gone = self._row(index + 1 + distance % (len(self.model.rows) - 1))
        links = [*self.model.links_of(survivor), *self.model.links_of(other)]
        if max(Counter(feed for (feed, _), _ in links).values(), default=0) <= 2:
            merge(kept, gone)
            self.model.merge(survivor, other)

    @precondition(lambda self: self.model.merges)
    @step()
    def undo(self):
        done = Merge.objects.filter(undone_at=None).latest("pk")
        if self.model.undo(self.model.merges[-1]):
            undo(done)
        else:
            with pytest.raises(MergeRefused):
                undo(done)

    # -- the comparison ----------------------------------------------------------------------

    @invariant()
    def all_is_the_same(self):
        self.rows_are_the_same()
        self.links_are_the_same()
        self.open_issues_are_the_same()
        self.values_come_from_the_same_feeds_and_runs()

    def rows_are_the_same(self):
        found = {
            row.sku: {
                **{name: getattr(row, name) for name in FIELDS},
                "price": f"{row.price:.0f}",
                "pinned": set(row.pinned),
                "archived": row.archived_at is not None,
            }
            for row in Product.objects.all()
        }
        assert found == {row.values["sku"]: row.state() for row in self.model.rows}

    def links_are_the_same(self):
        skus = {str(pk): sku for pk, sku in Product.objects.values_list("pk", "sku")}
        found = {
            (link.feed, link.external_id): (
                skus.get(link.object_id),
                set(link.lacks.split()),
                link.repeats,
                link.merged_row is not None,
            )
            for link in SyncLink.objects.all()
        }
        assert found == {
            key: (link.row.values["sku"], link.lacks, link.repeats, link.came_with is not None)
            for key, link in self.model.links.items()
        }

    def open_issues_are_the_same(self):
        found = SyncIssue.objects.filter(state="open")
        assert sorted(self.model.issues) == sorted(
            found.values_list("feed", "external_id", "code", "run")
        )

    def values_come_from_the_same_feeds_and_runs(self):
        for row in self.model.rows:
            stored = Product.objects.get(sku=row.values["sku"])
            said = dict(row.log)
            said = {n: said[n] if isinstance(said[n], tuple) else ("merged", None) for n in said}
            names = {"archived_at": "archived"} | {name: name for name in FIELDS}
            found = {
                names[name]: (one.feed or one.action, one.run)
                for name, one in provenance(stored).items()
                if name in names and one.action != "linked"
            }
            assert found == said, row.values["sku"]


settings.register_profile(
    "histories", deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
BASE = settings.get_profile("histories")
PROFILES = {
    "ci": settings(BASE, derandomize=True, max_examples=5, stateful_step_count=20),
    # Whether they fail is all that tests/chaos/mutations.py asks.
    "mutations": settings(
        BASE,
        derandomize=True,
        phases=[Phase.generate],
        max_examples=15,
        stateful_step_count=25,
    ),
    "long": settings(
        BASE, max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", 2000)), stateful_step_count=50
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", WORLDS)
def test_a_catalogue_is_what_the_model_says(settings, name):
    settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC}
    profile = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
    world = type(name.capitalize(), (Histories,), {"world": WORLDS[name]})
    run_state_machine_as_test(world, settings=profile)
