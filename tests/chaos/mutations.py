#!/usr/bin/env python
"""Take the engine's safeguards away, one at a time: each must turn its test red.

    python -m tests.chaos.mutations            all of them
    python -m tests.chaos.mutations fence      one
    python -m tests.chaos.mutations rules      those the plain model of tests/model notices

A copy of the package is changed, never the package; the tests are run against the copy, first as
it is, when they must pass, then without the safeguard, when they must fail.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .world import ROOT

PACKAGE = "django_ecommerce_sync"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One safeguard: where it stands, what it says, what is there without it, who notices."""

    name: str
    path: str
    before: str
    after: str
    test: str
    #: A marker expression, for a test that is left out by default.
    chaos: bool = True


def of_the_model(name: str, world: str, path: str, before: str, after: str) -> Mutation:
    """A rule of identity, ownership or merging: the histories of a world must show it."""
    test = f"tests/model/test_model.py::test_a_catalogue_is_what_the_model_says[{world}]"
    return Mutation(name, path, before, after, test, chaos=False)


MUTATIONS = (
    Mutation(
        "fence",
        "sync/lease.py",
        "if job is None or job.fence != self.fence or job.status != RunStatus.RUNNING:",
        "if job is None:",
        "tests/chaos/test_workers.py::test_f05_frozen_between_batches_and_overtaken",
    ),
    Mutation(
        "partition-fence",
        "sync/lease.py",
        "if job is None or job.fence != self.fence or job.status != RunStatus.RUNNING:",
        "if job is None:",
        "tests/chaos/test_partitions.py::test_a_partition_frozen_and_overtaken",
    ),
    Mutation(
        "last-finishes",
        "sync/runner.py",
        """                run.refresh_from_db()
            if partitions.is_waited_for(run):
                return run
""",
        """                return run
""",
        "tests/chaos/test_partitions.py::test_the_last_one_finishes_the_run",
    ),
    Mutation(
        "all-have-ended",
        "sync/partitions/gathering.py",
        "if any(partition.is_active for partition in partitions):",
        "if False:",
        "tests/sync/test_partitions.py::test_the_run_waits_for_all_of_its_partitions",
        chaos=False,
    ),
    Mutation(
        "copies",
        "sync/partitions/disputes.py",
        "self.counts.subtract(counted)",
        "pass",
        "tests/sync/test_partitions.py::test_copies_in_several_partitions_are_one_record",
        chaos=False,
    ),
    Mutation(
        "cursor",
        "sync/execution.py",
        "return run.batch_number != self.run.batch_number",
        "return False",
        "tests/chaos/test_database.py::test_f14_half_of_the_commits_are_not_heard_of",
    ),
    Mutation(
        "nonce",
        "sync/lease.py",
        "job = jobs.filter(pk=pk, owner=owner, status=RunStatus.RUNNING).first()",
        "job = None",
        "tests/sync/test_lease.py::test_who_asks_again_gets_what_it_has_taken",
        chaos=False,
    ),
    Mutation(
        "order",
        "sync/apply.py",
        "changes.update.sort(key=lambda item: self._pk(item))",
        "pass",
        "tests/sync/test_lease.py::test_rows_are_written_in_the_order_of_their_keys",
        chaos=False,
    ),
    Mutation(
        "slot",
        "migrations/0001_initial.py",
        "models.UniqueConstraint(fields=('feed', 'slot'), name='ecs_run_slot')",
        "models.CheckConstraint(condition=models.Q(('id__gte', 0)), name='ecs_run_slot')",
        "tests/chaos/test_requests.py::test_f36_a_hundred_requests_at_once",
    ),
)


RULES = (
    of_the_model(
        "link-before-key",
        "ranks",
        "sync/match.py",
        "item.row = by_pk.get(self._linked_pk(item.link)) if item.link else None",
        "item.row = self._owners.get(item.values.get(key)) or "
        "(by_pk.get(self._linked_pk(item.link)) if item.link else None)",
    ),
    of_the_model(
        "conflict",
        "ranks",
        "sync/match.py",
        "and others.get(str(owner[pk]), item.external_id) == item.external_id",
        "",
    ),
    of_the_model(
        "stale", "times", "sync/match.py", "if timed and item.is_stale:", "if timed and False:"
    ),
    of_the_model(
        "newer-of-equals",
        "times",
        "sync/ownership.py",
        'return OLDER if mine is not None and moment is not None and mine < moment else ""',
        'return ""',
    ),
    of_the_model("pin", "ranks", "sync/ownership.py", "**self._by_pins(item.row or {}),", ""),
    of_the_model(
        "priority",
        "ranks",
        "sync/ownership.py",
        "if fellow.priority > self.priority:",
        "if False:",
    ),
    of_the_model(
        "policy",
        "ranks",
        "sync/ownership.py",
        "if policy != Policy.SOURCE\n",
        "if policy not in (Policy.SOURCE, Policy.CREATE)\n",
    ),
    of_the_model(
        "others-speak",
        "ranks",
        "sync/apply.py",
        "self._let_others_speak([*update, *changes.relink])",
        "",
    ),
    of_the_model(
        "last-copy",
        "ranks",
        "sync/match.py",
        "for item in reversed(newest_last(items) if timed else items):",
        "for item in newest_last(items) if timed else items:",
    ),
    of_the_model(
        "complete",
        "ranks",
        "sync/continuity.py",
        "return read_all and not rejected and not seen.gaps(read)",
        "return read_all and not seen.gaps(read)",
    ),
    of_the_model(
        "ratio",
        "doubts",
        "sync/execution.py",
        "(absent.ratio > max_ratio or is_empty)",
        "is_empty",
    ),
    of_the_model(
        "empty",
        "doubts",
        "sync/execution.py",
        "(absent.ratio > max_ratio or is_empty)",
        "absent.ratio > max_ratio",
    ),
    of_the_model(
        "cursor-with-batch",
        "ranks",
        "sync/execution.py",
        """            "warnings",
            "cursor",
            "batch_number",
""",
        """            "warnings",
            "batch_number",
""",
    ),
    of_the_model(
        "met",
        "ranks",
        "sync/met.py",
        "return bool(self._bits.get(page, 0) >> bit & 1)",
        "return False",
    ),
    of_the_model(
        "undo-values",
        "ranks",
        "sync/merging/undoing.py",
        "if _is_from_merge(model, record, name, now[name])",
        'if name != "brand" and _is_from_merge(model, record, name, now[name])',
    ),
    of_the_model(
        "undo-links",
        "ranks",
        "sync/merging/links.py",
        "mine.update(object_id=str(destination.pk))",
        "",
    ),
    of_the_model(
        "set-aside",
        "ranks",
        "sync/writers.py",
        "return Writers(frozenset(ids - writing), frozenset(ids & writing))",
        "return Writers()",
    ),
    of_the_model(
        "provenance",
        "ranks",
        "sync/history.py",
        "self._insert(ChangeAction.UPDATED, [(i, self._changed(i)) for i in update])",
        "",
    ),
    of_the_model(
        "exactly-the-plan",
        "ranks",
        "sync/plans/comparing.py",
        "if decision.digest not in digests[decision.identity]:",
        "if False:",
    ),
)


def passes(test: str, copy: Path, *, chaos: bool) -> bool:
    """Whether the test passes with the package that lies in ``copy``."""
    environment = {
        **os.environ,
        "CHAOS_PACKAGE": str(copy),
        "PYTHONPATH": os.pathsep.join([str(copy), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "mutations",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    markers = ["-m", "chaos"] if chaos else []
    paths = ["-o", f"pythonpath={copy} {ROOT}", "--rootdir", str(ROOT)]
    done = subprocess.run(
        [*command, *markers, *paths, str(ROOT / test)],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        print(done.stdout, done.stderr)
        raise SystemExit(f"{test} could not be run")
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Break the engine's safeguards, see who notices.")
    names = [mutation.name for mutation in (*MUTATIONS, *RULES)]
    known = [*names, "rules"]
    parser.add_argument("names", nargs="*", choices=[*known, []], metavar=f"{{{','.join(known)}}}")
    chosen = parser.parse_args().names or names
    if "rules" in chosen:
        chosen += [mutation.name for mutation in RULES]
    unnoticed = []
    passing: set[str] = set()
    for mutation in (*MUTATIONS, *RULES):
        if mutation.name not in chosen:
            continue
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            copy = Path(folder)
            shutil.copytree(ROOT / PACKAGE, copy / PACKAGE)
            shutil.copytree(ROOT / "tests", copy / "tests")
            shutil.copy(ROOT / "pyproject.toml", copy)
            if mutation.test not in passing and not passes(
                mutation.test, copy, chaos=mutation.chaos
            ):
                raise SystemExit(f"{mutation.test} fails though nothing was changed")
            passing.add(mutation.test)
            path = copy / PACKAGE / mutation.path
            source = path.read_text()
            if source.count(mutation.before) != 1:
                raise SystemExit(f"{mutation.path} does not say once: {mutation.before}")
            path.write_text(source.replace(mutation.before, mutation.after))
            noticed = not passes(mutation.test, copy, chaos=mutation.chaos)
        print(f"{mutation.name:<17} {'noticed' if noticed else 'NOT NOTICED'}", flush=True)
        unnoticed += [] if noticed else [mutation.name]
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
