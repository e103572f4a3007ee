"""Plans on the command line: made, looked at, exported, applied, pruned."""

import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError
from django.utils import timezone

from django_ecommerce_sync.models import PlannedChange, Product, SyncRun

from .test_command import BAD, GOOD, command, document, feeds, usage

__all__ = ["feeds"]

pytestmark = pytest.mark.django_db(transaction=True)

CHANGED = [
    {"sku": "A", "name": "Lamp", "price": "1.75"},
    {"sku": "C", "name": "=Chair", "price": "3"},
]


@pytest.fixture
def run(feeds):
    """A run with a plan: one row updated, one created, one rejected."""
    feeds(shop=GOOD)
    command("run")
    feeds(shop=[*CHANGED, BAD[1]])
    code, (made,) = document("run", "shop", "--plan")
    assert (code, made["dry_run"], made["streams"]["products"]["updated"]) == (3, True, 1)
    return SyncRun.objects.get(pk=made["run"])


def test_a_plan_is_announced(feeds):
    feeds(shop=GOOD)
    _, out, _ = command("run", "--plan")
    assert f"show {SyncRun.objects.get().pk} --plan" in out
    assert not Product.objects.exists()


def test_it_is_listed_with_its_counts(run):
    code, out, _ = command("show", str(run.pk), "--plan")
    pk = Product.objects.get(sku="A").pk
    assert code == 0
    assert out.splitlines() == [
        f"update  products  A (row {pk})  price 1.5000 → 1.7500",
        "create  products  C  sku C, name =Chair, price 3.0000, currency USD",
        "reject  products  D  invalid_decimal",
        "stream    create  update  archive  conflict  reject  skip",
        "products       1       1        0         0       1     0",
    ]


def test_a_plan_that_is_being_made_says_so(run):
    SyncRun.objects.update(status="running")
    assert (
        f"Run {run.pk} is running: there may be more" in command("show", str(run.pk), "--plan")[1]
    )


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (["--action", "update"], 1),
        (["--action", "archive"], 0),
        (["--stream", "products"], 3),
        (["--stream", "orders"], 0),
        (["--stream", "products", "--action", "create"], 1),
    ],
)
def test_parts_of_it(run, options, number):
    code, plan = document("show", str(run.pk), "--plan", *options)
    assert (code, len(plan["changes"])) == (0, number)


def test_json(run):
    _, plan = document("show", str(run.pk), "--plan")
    counts = {"products": {"create": 1, "update": 1, "reject": 1}}
    assert {name: plan[name] for name in ("run", "feed", "status", "counts")} == {
        "run": run.pk,
        "feed": "shop",
        "status": "partial",
        "counts": counts,
    }
    assert plan["changes"][0] == {
        "stream": "products",
        "position": 1,
        "action": "update",
        "key": "A",
        "external_id": "A",
        "model": "ecommerce_sync.product",
        "object_id": str(Product.objects.get(sku="A").pk),
        "reason": "",
        "changes": {"price": ["1.5000", "1.7500"]},
    }
    shown = document("show", str(run.pk))[1]
    assert (shown["planned"], shown["plan"], shown["plan_counts"]) == (True, None, counts)


def test_csv_is_safe_in_a_spreadsheet(run):
    _, out, _ = command("show", str(run.pk), "--plan", "--format", "csv")
    rows = list(csv.DictReader(StringIO(out)))
    found = [(row["action"], row["key"], row["field"], row["old"], row["new"]) for row in rows]
    assert found == [
        ("update", "A", "price", "1.5000", "1.7500"),
        ("create", "C", "sku", "", "C"),
        ("create", "C", "name", "", "'=Chair"),
        ("create", "C", "price", "", "3.0000"),
        ("create", "C", "currency", "", "USD"),
        ("reject", "D", "", "", ""),
    ]


def test_wrong_arguments(run):
    real = SyncRun.objects.exclude(pk=run.pk).get()
    assert "keeps no plan" in usage("show", str(real.pk), "--plan")
    assert "add --plan" in usage("show", str(run.pk), "--action", "update")
    assert "add --plan" in usage("show", str(run.pk), "--stream", "products")
    assert "add --plan" in usage("show", str(run.pk), "--format", "csv")
    apply = ("run", "--apply", str(run.pk))
    assert "a FEED cannot be given" in usage(*apply, "shop")
    assert "--allow-shrink cannot be given" in usage(*apply, "--allow-shrink")
    assert "--only cannot be given" in usage(*apply, "--only", "products")
    for other in ("--plan", "--dry-run"):
        with pytest.raises(CommandError, match="not allowed with"):
            command(*apply, other)
    assert "no run 999999" in usage("run", "--apply", "999999")


def test_apply(run):
    code, (applied,) = document("run", "--apply", str(run.pk))
    assert (code, applied["status"], applied["dry_run"]) == (3, "partial", False)
    assert sorted(Product.objects.values_list("sku", flat=True)) == ["A", "B", "C"]
    out = command("show", str(applied["run"]))[1]
    assert f"applies the plan of run {run.pk}" in out


def test_what_is_refused_exits_with_1_and_says_why(run):
    Product.objects.filter(sku="A").update(price=5)
    code, out, _ = command("run", "--apply", str(run.pk))
    assert code == 1
    assert "plan_outdated: " in out
    assert "'A' of stream 'products'" in out
    Product.objects.filter(sku="A").update(price="1.5")
    assert command("run", "--apply", str(run.pk))[0] == 3
    with pytest.raises(CommandError, match="was applied by run") as refused:
        command("run", "--apply", str(run.pk))
    assert refused.value.returncode == 1


def test_a_feed_that_is_queued_already_exits_with_4(run):
    queued = SyncRun.objects.create(feed="shop")
    code, runs = document("run", "--apply", str(run.pk))
    assert (code, runs[0]["run"]) == (4, queued.pk)
    assert not Product.objects.filter(sku="C").exists()


def test_plans_are_pruned_with_their_runs(run):
    long_ago = timezone.now() - timedelta(days=200)
    SyncRun.objects.filter(pk=run.pk).update(finished_at=long_ago)
    applying = SyncRun.objects.create(feed="shop", planned=True, plan=run)
    assert document("prune")[1]["runs"] == 0  # somebody is about to apply it
    applying.delete()
    counts = {"runs": 1, "issues": 1, "planned_changes": 3, "merges": 0}
    assert document("prune")[1] == {**counts, "days": 90}
    assert not PlannedChange.objects.exists()
