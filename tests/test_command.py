"""``manage.py ecommerce_sync``: what it prints, and what it exits with."""

import csv
import json
import os
import pty
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from celery import Celery, current_app
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_ecommerce_sync.exceptions import FeedUnreachable
from django_ecommerce_sync.feeds import (
    Bearer,
    HTTPFeed,
    Lines,
    MemoryFeed,
    Page,
    Ref,
    Stream,
)
from django_ecommerce_sync.management.subcommands.console import printable
from django_ecommerce_sync.management.subcommands.outcomes import exit_code, worst
from django_ecommerce_sync.management.subcommands.progress import Bars
from django_ecommerce_sync.models import (
    COUNTS,
    Customer,
    Merge,
    Product,
    SyncIssue,
    SyncRun,
    SyncSchedule,
)
from django_ecommerce_sync.sync.merging import merge

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = [{"sku": "A", "name": "Lamp", "price": "1.50"}, {"sku": "B", "name": "Desk", "price": "2"}]
BAD = [{"sku": "C", "name": "Chair", "price": "abc"}, {"sku": "D", "price": "xyz"}]
PRODUCTS = Stream("products", fields={"sku": "sku", "name": "name", "price": "price"})
CUSTOMERS = Stream("customers", fields={"email": "email"})


class DeadFeed(MemoryFeed):
    streams = [PRODUCTS]

    def fetch(self, stream, cursor):
        raise FeedUnreachable("unreachable", "shop.example cannot be reached.")


class CountlessFeed(MemoryFeed):
    """One page whose rows never end: nobody may ask for all of them."""

    streams = [PRODUCTS]

    def fetch(self, stream, cursor):
        yield Page({"sku": str(number)} for number in iter(int, 1))


@pytest.fixture
def feeds(settings):
    """Set the feeds: alias -> entry, or the rows of a MemoryFeed's products."""

    def configure(**entries):
        settings.ECOMMERCE_SYNC = {
            "RUNNER": "inline",
            "FEEDS": {
                alias: entry if isinstance(entry, dict) else memory(products=entry)
                for alias, entry in entries.items()
            },
        }

    return configure


@pytest.fixture
def broker_down():
    """Celery, with a broker nobody can reach."""
    before = current_app._get_current_object()
    options = {"max_retries": 0, "socket_connect_timeout": 0.2}
    with Celery("down", broker="redis://127.0.0.1:1/0") as app:
        app.conf.broker_transport_options = options
        yield
    before.set_current()


def memory(*, schedule=None, **rows):
    streams = [stream for stream in (PRODUCTS, CUSTOMERS) if stream.name in rows]
    entry = {"BACKEND": MemoryFeed, "OPTIONS": {"streams": streams, "rows": rows}}
    return {**entry, "SCHEDULE": schedule} if schedule else entry


def command(*arguments):
    """Run the command; exit code, standard output, standard error."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("ecommerce_sync", *arguments, stdout=out, stderr=err)
    except SystemExit as exit:
        code = exit.code
    return code, out.getvalue(), err.getvalue()


def document(*arguments):
    """Run with ``--format json``; exit code and the one document."""
    code, out, _ = command(*arguments, "--format", "json")
    return code, json.loads(out)


def usage(*arguments):
    """The message of a usage error."""
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


class TestRun:
    def test_json_has_the_shape_scripts_rely_on(self, feeds):
        feeds(shop=GOOD)
        code, runs = document("run")
        assert code == 0
        (run,) = runs
        assert set(run) == {"run", "feed", "status", "dry_run", "streams", "error", "seconds"}
        assert set(run["streams"]["products"]) == set(COUNTS)
        assert run["streams"]["products"]["created"] == 2
        assert (run["feed"], run["status"], run["error"]) == ("shop", "succeeded", None)

    def test_all_feeds_run_in_the_order_of_the_settings(self, feeds):
        feeds(zebra=GOOD, ant=GOOD)
        assert [run["feed"] for run in document("run")[1]] == ["zebra", "ant"]

    def test_named_feeds_run_alone(self, feeds):
        feeds(one=GOOD, two=GOOD)
        assert [run["feed"] for run in document("run", "two")[1]] == ["two"]

    def test_rejects_exit_with_3_and_are_grouped(self, feeds):
        feeds(shop=GOOD + BAD)
        code, out, _ = command("run")
        assert code == 3
        assert "2 × products.price: " in out
        assert "issues " in out

    def test_fail_on_reject_makes_rejects_a_failure(self, feeds):
        feeds(shop=BAD)
        assert command("run", "--fail-on", "reject")[0] == 1

    def test_fail_on_never_exits_with_0(self, feeds):
        feeds(shop=BAD, dead={"BACKEND": DeadFeed})
        assert command("run", "--fail-on", "never")[0] == 0

    def test_an_unreachable_source_exits_with_5_and_says_why(self, feeds):
        feeds(dead={"BACKEND": DeadFeed})
        code, out, _ = command("run")
        assert code == 5
        assert "unreachable: shop.example cannot be reached." in out

    def test_the_worst_feed_counts(self, feeds):
        feeds(good=GOOD, rejects=BAD, dead={"BACKEND": DeadFeed})
        assert command("run")[0] == 5

    def test_a_feed_that_is_queued_already_exits_with_4(self, feeds):
        feeds(shop=GOOD)
        queued = SyncRun.objects.create(feed="shop")
        code, out, err = command("run", "--format", "json")
        assert (code, json.loads(out)[0]["run"]) == (4, queued.pk)
        assert f"already queued as run {queued.pk}" in err

    def test_a_feed_that_another_worker_runs_exits_with_4(self, feeds):
        feeds(shop=GOOD)
        alive = timezone.now() + timedelta(minutes=1)
        SyncRun.objects.create(feed="shop", status="running", owner="else", lease_until=alive)
        assert command("run")[0] == 4
        assert not Product.objects.exists()

    def test_a_run_whose_worker_died_is_carried_to_its_end(self, feeds):
        feeds(shop=GOOD)
        dead = timezone.now() - timedelta(minutes=1)
        run = SyncRun.objects.create(feed="shop", status="running", lease_until=dead)
        code, out, err = command("run", "--format", "json")
        assert (code, json.loads(out)[0]["run"]) == (0, run.pk)
        assert "had been cut off" in err

    def test_dry_run_writes_nothing(self, feeds):
        feeds(shop=GOOD)
        code, (run,) = document("run", "--dry-run")
        assert (code, run["dry_run"], run["streams"]["products"]["created"]) == (0, True, 2)
        assert not Product.objects.exists()

    def test_limit_and_only(self, feeds):
        feeds(shop=memory(products=GOOD, customers=[{"email": "ann@example.com"}]))
        _, (run,) = document("run", "shop", "--only", "products", "--limit", "1")
        assert list(run["streams"]) == ["products"]
        assert run["streams"]["products"]["read"] == 1

    def test_only_takes_commas(self, feeds):
        feeds(shop=memory(products=GOOD, customers=[{"email": "ann@example.com"}]))
        _, (run,) = document("run", "--only", "products,customers")
        assert set(run["streams"]) == {"products", "customers"}

    def test_only_leaves_out_feeds_without_the_stream_unless_they_are_named(self, feeds):
        feeds(shop=GOOD, crm=memory(customers=[{"email": "ann@example.com"}]))
        assert [run["feed"] for run in document("run", "--only", "customers")[1]] == ["crm"]
        assert Customer.objects.count() == 1
        assert "has no stream 'customers'" in usage("run", "shop", "--only", "customers")

    def test_since_and_full_reach_the_run(self, feeds):
        feeds(shop=GOOD)
        command("run", "--since", "2d")
        command("run", "--full")
        full, since = SyncRun.objects.order_by("-pk")[:2]
        assert full.full
        assert since.since is not None
        assert timezone.now() - since.since - timedelta(days=2) < timedelta(minutes=1)

    def test_since_takes_a_date_in_the_projects_zone(self, feeds, settings):
        settings.TIME_ZONE = "Europe/Berlin"
        feeds(shop=GOOD)
        command("run", "--since", "2026-06-01")
        assert SyncRun.objects.get().since.isoformat() == "2026-05-31T22:00:00+00:00"

    @pytest.mark.parametrize("value", ["yesterday", "5x", "2026-13-01", ""])
    def test_since_that_is_no_moment_is_refused(self, feeds, value):
        feeds(shop=GOOD)
        with pytest.raises(CommandError, match="is no moment"):
            command("run", f"--since={value}")

    @pytest.mark.parametrize("value", ["0", "-1", "x", "٣"])
    def test_limit_must_be_a_positive_number(self, feeds, value):
        feeds(shop=GOOD)
        with pytest.raises(CommandError, match="no whole number above zero"):
            command("run", f"--limit={value}")

    def test_an_unknown_feed_is_a_usage_error_before_anything_runs(self, feeds):
        feeds(shop=GOOD)
        assert "did you mean 'shop'?" in usage("run", "shop", "shpo")
        assert not SyncRun.objects.exists()

    def test_an_unknown_stream_is_a_usage_error(self, feeds):
        feeds(shop=GOOD)
        assert "did you mean 'products'?" in usage("run", "shop", "--only", "product")
        assert "No feed has a stream 'prod'" in usage("run", "--only", "prod")

    def test_no_feeds_at_all_is_a_usage_error(self, feeds):
        feeds()
        assert "ECOMMERCE_SYNC['FEEDS']" in usage("run")

    def test_a_feed_that_cannot_be_built_fails_with_1(self, feeds):
        feeds(shop={"BACKEND": "nowhere.Feed"})
        with pytest.raises(CommandError, match="cannot be imported") as caught:
            command("run")
        assert caught.value.returncode == 1

    def test_background_hands_the_run_over(self, feeds):
        feeds(shop=GOOD)
        code, (run,) = document("run", "--background")
        assert (code, run["status"]) == (0, "succeeded")  # the runner is "inline" here

    def test_background_waits_for_a_thread_that_would_die_with_the_process(self, feeds, settings):
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            pytest.skip("a thread cannot close its connection to SQLite's memory")
        feeds(shop=GOOD)
        settings.ECOMMERCE_SYNC["RUNNER"] = "thread"
        assert document("run", "--background")[1][0]["status"] == "succeeded"

    def test_background_without_a_broker_leaves_the_run_queued(self, feeds, settings, broker_down):
        feeds(shop=GOOD)
        settings.ECOMMERCE_SYNC["RUNNER"] = "celery"
        code, out, err = command("run", "--background", "--format", "json")
        assert (code, json.loads(out)[0]["status"]) == (0, "queued")
        assert "schedule --run-due" in err

    def test_no_bar_and_no_colour_where_nobody_looks(self, feeds):
        feeds(shop=GOOD + BAD)
        _, out, err = command("run")
        assert err == ""
        assert "\x1b" not in out

    def test_control_characters_of_a_feed_do_nothing_to_the_terminal(self, feeds):
        feeds(shop=[{"sku": "A", "price": "\x1b[2Jboo"}])
        assert "\x1b" not in command("run")[1]

    def test_an_interrupt_exits_with_130(self, feeds):
        class Interrupted(MemoryFeed):
            streams = [PRODUCTS]

            def fetch(self, stream, cursor):
                raise KeyboardInterrupt

        feeds(shop={"BACKEND": Interrupted})
        assert command("run")[0] == 130
        assert SyncRun.objects.get().status == "cancelled"


class TestHistory:
    def test_runs_lists_the_latest_first(self, feeds):
        feeds(one=GOOD, two=GOOD)
        command("run")
        assert [run["feed"] for run in document("runs")[1]] == ["two", "one"]
        assert [run["feed"] for run in document("runs", "--feed", "one")[1]] == ["one"]
        assert len(document("runs", "--limit", "1")[1]) == 1
        assert "succeeded" in command("runs")[1]

    def test_show_tells_counts_and_rejects(self, feeds):
        feeds(shop=GOOD + BAD)
        command("run")
        run = SyncRun.objects.get()
        code, shown = document("show", str(run.pk))
        assert code == 0
        assert shown["streams"]["products"]["rejected"] == 2
        assert sum(group["count"] for group in shown["rejects"]) == 2
        assert "requested " in command("show", str(run.pk))[1]

    def test_an_unknown_run_is_a_usage_error(self, feeds):
        assert "There is no run 7; there are none yet." in usage("show", "7")

    def test_cancel_ends_a_queued_run(self, feeds):
        run = SyncRun.objects.create(feed="shop")
        assert document("cancel", str(run.pk))[1]["status"] == "cancelled"
        assert "cancelled" in command("cancel", str(run.pk))[1]

    def test_cancel_asks_a_running_one_to_stop(self, feeds):
        run = SyncRun.objects.create(feed="shop", status="running")
        assert "stops after its present batch" in command("cancel", str(run.pk))[1]

    def test_retry_applies_what_was_rejected(self, feeds):
        feeds(shop=[{"sku": "A", "price": "abc"}])
        command("run")
        first = SyncRun.objects.get()
        feeds(shop=[{"sku": "A", "price": "5"}])
        code, (run,) = document("retry", str(first.pk))
        assert (code, run["status"]) == (0, "succeeded")
        assert Product.objects.get().sku == "A"


class TestIssues:
    @pytest.fixture
    def run(self):
        run = SyncRun.objects.create(feed="shop", status="partial", slot=None)
        for number, text in enumerate(("=1+1", "plain"), start=1):
            SyncIssue.objects.create(
                run=run,
                feed="shop",
                stream="products",
                position=number,
                key=text,
                field="price",
                code="invalid_decimal",
                message="This is no number.",
                excerpt="\x1b[2J",
            )
        return run

    def test_json(self, run):
        code, rows = document("issues", str(run.pk))
        assert code == 0
        assert [row["key"] for row in rows] == ["=1+1", "plain"]

    def test_csv_runs_no_formula(self, run):
        out = command("issues", str(run.pk), "--format", "csv")[1]
        rows = list(csv.DictReader(StringIO(out)))
        assert [row["key"] for row in rows] == ["'=1+1", "plain"]
        assert [row["position"] for row in rows] == ["1", "2"]

    def test_text_is_safe_for_a_terminal(self, run):
        out = command("issues", str(run.pk), "--all")[1]
        assert "products.price  plain at 2  invalid_decimal: This is no number." in out
        assert "\x1b" not in out
        out = command("issues", str(run.pk))[1]
        assert "\x1b" not in out

    def test_text_tells_repeats_together(self, run):
        issue = {"run": run, "feed": "shop", "stream": "orders", "code": "required"}
        for number, field in enumerate(("lines[0].sku", "lines[17].sku", "order_date"), start=7):
            SyncIssue.objects.create(
                **issue, position=number, external_id=f"o{number}", field=field, message="Needed."
            )
        SyncIssue.objects.filter(position=8).update(state="resolved")
        SyncIssue.objects.filter(key="plain").update(message="That is none.")
        code, out, err = command("issues", str(run.pk))
        assert code == 0
        assert out.splitlines() == [
            "2 × orders.lines[].sku: Needed. [1 landed since]",
            "    required, first o7 at 7",
            "2 × products.price: invalid_decimal, for example: This is no number.",
            "    invalid_decimal, first =1+1 at 1 (\\x1b[2J)",
            "1 × orders.order_date: Needed.",
            "    required, first o9 at 9",
        ]
        assert f"issues {run.pk} --all" in err

    def test_groups_are_a_document_of_their_own(self, run):
        code, (group,) = document("issues", str(run.pk), "--groups")
        first = run.issues.first()
        assert (code, group) == (
            0,
            {
                "stream": "products",
                "field": "price",
                "code": "invalid_decimal",
                "count": 2,
                "open": 2,
                "message": "This is no number.",
                "example": {
                    "id": first.pk,
                    "position": 1,
                    "external_id": "",
                    "key": "=1+1",
                    "field": "price",
                    "excerpt": "\x1b[2J",
                },
            },
        )
        assert "no table of rows" in usage("issues", str(run.pk), "--groups", "--format", "csv")

    def test_a_run_without_rejects_has_no_groups(self, feeds):
        run = SyncRun.objects.create(feed="shop")
        assert command("issues", str(run.pk)) == (0, "", "")


class TestRetry:
    @pytest.fixture
    def run(self, feeds):
        rows = [{"sku": "A", "price": "x"}, {"sku": "B", "price": "x"}, {"price": "1"}]
        feeds(shop=rows)
        command("run")
        feeds(
            shop=[{"sku": "A", "price": "1"}, {"sku": "B", "price": "2"}, {"sku": "C", "price": 3}]
        )
        return SyncRun.objects.get()

    @pytest.mark.parametrize(
        ("choice", "landed"),
        [
            ([], "ABC"),
            (["--code", "invalid_decimal"], "AB"),
            (["--field", "price"], "AB"),
            (["--stream", "products", "--code", "invalid_key"], "C"),
        ],
    )
    def test_lands_what_fits(self, run, choice, landed):
        code, (retried,) = document("retry", str(run.pk), *choice)
        assert (code, retried["streams"]["products"]["read"]) == (0, len(landed))
        assert "".join(Product.objects.order_by("sku").values_list("sku", flat=True)) == landed
        assert run.issues.filter(state="open").count() == 3 - len(landed)

    def test_lands_the_rows_named(self, run):
        pks = run.issues.order_by("position").values_list("pk", flat=True)
        document("retry", str(run.pk), "--issue", str(pks[1]), "--issue", str(pks[2]))
        assert sorted(Product.objects.values_list("sku", flat=True)) == ["B", "C"]
        shown = document("show", str(SyncRun.objects.latest("pk").pk))[1]
        assert shown["retry_choice"] == {"issues": [pks[1], pks[2]]}

    def test_what_is_not_there_is_a_usage_error(self, run):
        other = SyncIssue.objects.create(
            run=SyncRun.objects.create(feed="other"), feed="other", stream="x", code="x"
        )
        said = usage("retry", str(run.pk), "--issue", str(other.pk), str(10**30))
        assert f"Run {run.pk} has no rejected row {other.pk}, {10**30}." in said
        assert "no open rejected row like that" in usage("retry", str(run.pk), "--code", "nope")
        assert not SyncRun.objects.filter(retry_of=run).exists()


class TestFeeds:
    def test_lists_without_options(self, feeds):
        feeds(shop=memory(products=GOOD, schedule="*/5 * * * *"))
        command("run")
        code, (feed,) = document("feeds")
        assert code == 0
        assert feed["streams"] == ["products"]
        assert feed["schedule"] == "*/5 * * * *"
        assert feed["last_run"]["status"] == "succeeded"
        assert feed["backend"] == "django_ecommerce_sync.feeds.memory.MemoryFeed"
        assert "rows" not in feed
        assert "products" in command("feeds")[1]

    def test_a_broken_feed_is_listed_with_its_error(self, feeds):
        feeds(shop={"BACKEND": "nowhere.Feed"})
        code, (feed,) = document("feeds")
        assert code == 0
        assert "cannot be imported" in feed["error"]

    def test_nothing_configured_is_said_on_standard_error(self, feeds):
        feeds()
        _, out, err = command("feeds")
        assert (out, "No feed is configured" in err) == ("", True)

    def test_only_the_feeds_asked_for_are_listed(self, feeds):
        feeds(one=GOOD, two=GOOD, three=GOOD)
        _, found = document("feeds", "three", "one")
        assert [feed["feed"] for feed in found] == ["three", "one"]

    def test_an_unknown_feed_is_a_usage_error(self, feeds):
        feeds(shop=GOOD)
        assert "did you mean 'shop'?" in usage("feeds", "shp")

    def test_test_fetches_the_first_page(self, feeds):
        feeds(shop=GOOD)
        code, (feed,) = document("feeds", "--test")
        assert code == 0
        (test,) = feed["test"]
        assert (test["stream"], test["ok"], test["rows"], test["total"]) == ("products", True, 2, 2)
        assert "2 rows of 2" in command("feeds", "--test")[1]
        assert not Product.objects.exists()

    def test_test_shows_three_records_as_they_would_be_stored(self, feeds, settings):
        settings.USE_THOUSAND_SEPARATOR = True
        feeds(shop=[{"sku": f" S{n} ", "name": "Lamp", "price": "2.5"} for n in range(5)])
        _, (feed,) = document("feeds", "shop", "--test")
        assert feed["test"][0]["records"] == [
            {"position": n + 1, "values": {"sku": f"'S{n}'", "name": "'Lamp'", "price": "2.5000"}}
            for n in range(3)
        ]
        assert "row 2  sku='S1'  name='Lamp'  price=2.5000" in command("feeds", "--test")[1]

    def test_test_counts_and_names_what_would_be_rejected(self, feeds):
        feeds(shop=GOOD + BAD * 2)
        code, (feed,) = document("feeds", "--test")
        assert code == 3
        (test,) = feed["test"]
        assert (test["rows"], test["rejected"], len(test["rejects"])) == (6, 4, 3)
        assert [record["position"] for record in test["records"]] == [1, 2]
        assert test["rejects"][0] == {
            "position": 3,
            "field": "price",
            "code": "invalid_decimal",
            "message": "It is not a number.",
            "excerpt": "'abc'",
        }
        code, out, _ = command("feeds", "--test")
        assert code == 3
        assert "4 of 6 would be rejected:" in out
        assert "row 3  price  invalid_decimal: It is not a number. ('abc')" in out

    def test_test_masks_what_is_personal(self, feeds):
        stream = Stream("customers", fields={"email": "email", "first_name": "name"})
        rows = {"customers": [{"email": "annabel@example.com", "name": "Annabel"}, {"email": "x"}]}
        backend = {"BACKEND": MemoryFeed, "OPTIONS": {"streams": [stream], "rows": rows}}
        feeds(shop=backend)
        for out in (command("feeds", "--test")[1], command("feeds", "--test", "--format=json")[1]):
            assert "customers" in out
            assert "nnabel" not in out
            assert "example.com" not in out

    def test_test_shows_references_and_lines(self, feeds):
        line = {"product": Ref("products", "id"), "quantity": "n", "unit_price": "price"}
        stream = Stream(
            "orders",
            external_id="no",
            currency="EUR",
            fields={
                "order_id": "no",
                "order_date": "at",
                "customer": Ref("customers", key="who"),
                "lines": Lines("lines", line),
            },
        )
        order = {
            "no": "1",
            "at": "2026-01-02T03:04:05Z",
            "who": "annabel@example.com",
            "lines": [{"id": 7, "n": 2, "price": "1.5"}],
        }
        options = {"streams": [stream], "rows": {"orders": [order]}}
        feeds(shop={"BACKEND": MemoryFeed, "OPTIONS": options})
        code, (feed,) = document("feeds", "--test")
        assert (code, feed["test"][0]["error"]) == (0, "")
        values = feed["test"][0]["records"][0]["values"]
        assert values == {
            "order_id": "'1'",
            "order_date": "2026-01-02T03:04:05+00:00",
            "customer": "customers 'an…",
            "lines": [{"product": "products 7", "quantity": 2, "unit_price": "1.5000"}],
            "currency": "'EUR'",
        }
        (lines,) = re.findall(r"lines=\[(.*?)\]", command("feeds", "--test")[1])
        assert sorted(lines.split("  ")) == [
            "product=products 7",
            "quantity=2",
            "unit_price=1.5000",
        ]

    @pytest.mark.parametrize(("token", "state"), [("s3cret-token", "set"), ("", "not set")])
    def test_test_tells_how_the_feed_shows_who_it_is(
        self, feeds, server, monkeypatch, token, state
    ):
        monkeypatch.setenv("ACME_TOKEN", token)
        server.answer = lambda request: (200, {}, b'[{"sku": "A", "price": 1.5}]')
        options = {"base_url": server.url, "auth": Bearer("ACME_TOKEN"), "streams": [PRODUCTS]}
        options["allow_private_addresses"] = True
        feeds(shop={"BACKEND": HTTPFeed, "OPTIONS": options})
        code, (feed,) = document("feeds", "--test")
        assert feed["auth"] == {"kind": "Bearer", "variables": {"ACME_TOKEN": bool(token)}}
        assert code == (0 if token else 1)
        out = command("feeds", "--test")[1]
        assert f"shop  auth Bearer: ACME_TOKEN is {state}" in out
        assert "s3cret" not in out

    def test_test_exits_with_5_when_it_is_not_let_in(self, feeds, server):
        server.answer = lambda request: (401, {}, b"")
        options = {"base_url": server.url, "streams": [PRODUCTS], "allow_private_addresses": True}
        feeds(shop={"BACKEND": HTTPFeed, "OPTIONS": options})
        code, out, _ = command("feeds", "--test")
        assert code == 5
        assert "✗ shop.products  unauthorized: " in out

    def test_test_exits_with_1_where_a_stream_does_not_fit_its_model(self, feeds):
        stream = Stream("products", fields={"sku": "sku", "prise": "price"})
        options = {"streams": [stream], "rows": {"products": GOOD}}
        feeds(shop={"BACKEND": MemoryFeed, "OPTIONS": options})
        code, (feed,) = document("feeds", "--test")
        assert code == 1
        assert feed["test"][0]["code"] == "configuration"
        assert "maps 'prise'" in feed["test"][0]["error"]

    def test_test_does_not_read_an_endless_page(self, feeds):
        feeds(shop={"BACKEND": CountlessFeed})
        assert "1000+ rows" in command("feeds", "--test")[1]

    def test_test_exits_with_5_when_a_source_is_out_of_reach(self, feeds):
        feeds(dead={"BACKEND": DeadFeed})
        code, out, _ = command("feeds", "--test")
        assert code == 5
        assert "✗ dead.products  unreachable: " in out

    def test_test_exits_with_1_when_a_feed_cannot_be_built(self, feeds):
        feeds(shop={"BACKEND": "nowhere.Feed"})
        assert command("feeds", "--test")[0] == 1


class TestSchedule:
    def test_lists_rows_and_what_the_settings_propose(self, feeds):
        feeds(shop=memory(products=GOOD, schedule="0 5 * * *"))
        SyncSchedule.objects.create(feed="old", cron="0 1 * * *", enabled=False)
        _, schedules = document("schedule")
        assert [(row["feed"], row["cron"]) for row in schedules] == [
            ("old", "0 1 * * *"),
            ("shop", "0 5 * * *"),
        ]
        assert "never" in command("schedule")[1]

    def test_run_due_starts_what_is_due(self, feeds):
        feeds(shop=GOOD)
        past = timezone.now() - timedelta(minutes=1)
        SyncSchedule.objects.create(feed="shop", cron="* * * * *", next_run_at=past)
        code, (run,) = document("schedule", "--run-due")
        assert (code, run["feed"], run["status"]) == (0, "shop", "succeeded")
        assert command("schedule", "--run-due") == (0, "", "")

    def test_run_due_exits_with_the_outcome_of_runs_carried_out_here(self, feeds):
        feeds(dead={"BACKEND": DeadFeed})
        past = timezone.now() - timedelta(minutes=1)
        SyncSchedule.objects.create(feed="dead", cron="* * * * *", next_run_at=past)
        assert command("schedule", "--run-due")[0] == 5


class TestDoctor:
    def test_all_well(self, feeds):
        feeds(shop=GOOD)
        code, out, _ = command("doctor")
        assert code == 0, out
        assert "✗" not in out
        assert "✓ feed shop" in out

    def test_says_how_to_mend_what_is_broken(self, feeds):
        feeds(shop={"BACKEND": "nowhere.Feed"})
        code, out, _ = command("doctor")
        assert code == 1
        assert "✗ feed shop" in out
        assert "fix: Mend ECOMMERCE_SYNC['FEEDS']['shop']." in out

    def test_reports_errors_of_the_system_checks(self, feeds, settings):
        feeds(shop=GOOD)
        settings.ECOMMERCE_SYNC["BATCH_SIZ"] = 5
        code, findings = document("doctor")
        assert code == 1
        (finding,) = [f for f in findings if f["name"] == "check ecommerce_sync.E002"]
        assert finding["fix"] == "Did you mean 'BATCH_SIZE'?"

    def test_a_sound_system_check_is_no_reason_to_say_nothing(self, feeds, settings):
        feeds(shop=GOOD)
        settings.INSTALLED_APPS = [
            app for app in settings.INSTALLED_APPS if app != "drf_spectacular_sidecar"
        ]
        code, findings = document("doctor")
        assert code == 0  # a warning breaks nothing
        assert "check ecommerce_sync.W001" in {finding["name"] for finding in findings}

    def test_an_overdue_schedule_means_nobody_looks(self, feeds):
        feeds(shop=GOOD)
        past = timezone.now() - timedelta(hours=1)
        SyncSchedule.objects.create(feed="shop", cron="* * * * *", next_run_at=past)
        code, out, _ = command("doctor")
        assert (code, "overdue: shop" in out) == (1, True)

    def test_a_broker_out_of_reach_is_found_within_seconds(self, feeds, settings, monkeypatch):
        feeds(shop=GOOD)
        settings.ECOMMERCE_SYNC["RUNNER"] = "celery"
        monkeypatch.setattr(current_app.conf, "broker_url", "redis://user:secret@127.0.0.1:1/0")
        start = timezone.now()
        code, out, _ = command("doctor")
        assert timezone.now() - start < timedelta(seconds=8)
        assert (code, "✗ broker" in out) == (1, True)
        assert "secret" not in out

    def test_no_worker_behind_the_broker(self, feeds, settings, monkeypatch):
        feeds(shop=GOOD)
        settings.ECOMMERCE_SYNC["RUNNER"] = "celery"
        monkeypatch.setattr(current_app.conf, "broker_url", "memory://")
        code, out, _ = command("doctor")
        assert code == 1
        assert "✓ broker" in out
        assert "✗ worker" in out


class TestPrune:
    def run(self, days, *, status="succeeded", feed="shop"):
        finished = timezone.now() - timedelta(days=days)
        return SyncRun.objects.create(feed=feed, status=status, slot=None, finished_at=finished)

    def test_keeps_the_last_successful_run_of_each_feed(self, feeds):
        feeds()
        old, last = self.run(200), self.run(150)
        failed, young = self.run(120, status="failed"), self.run(10, status="failed")
        other = self.run(300, feed="other")
        SyncIssue.objects.create(run=old, feed="shop", stream="products", code="x", message="x")
        code, deleted = document("prune")
        counts = {"runs": 2, "issues": 1, "planned_changes": 0, "merges": 0}
        assert (code, deleted) == (0, {**counts, "days": 90})
        assert set(SyncRun.objects.all()) == {last, young, other}
        assert failed not in SyncRun.objects.all()

    def test_days_and_settings(self, feeds, settings):
        feeds()
        self.run(20, status="failed")
        assert "Deleted 0 runs" in command("prune")[1]
        settings.ECOMMERCE_SYNC["KEEP_RUNS_DAYS"] = 30
        assert "Deleted 0 runs" in command("prune")[1]
        assert "Deleted 1 runs" in command("prune", "--days", "15")[1]

    def test_old_merges_can_no_longer_be_undone(self, feeds, settings):
        feeds()
        one, two = (Customer.objects.create(email=f"{name}@example.com") for name in "ab")
        record = merge(one, two)
        Merge.objects.update(merged_at=timezone.now() - timedelta(days=50))
        assert document("prune", "--days", "1")[1]["merges"] == 0
        settings.ECOMMERCE_SYNC["KEEP_MERGES_DAYS"] = 30
        assert "1 merges older than 30 days can no longer be undone" in command("prune")[1]
        record.refresh_from_db()
        assert record.row == {}

    def test_active_runs_stay(self, feeds):
        feeds()
        SyncRun.objects.create(feed="shop")
        assert document("prune", "--days", "1")[1]["runs"] == 0


class TestOutcomes:
    @pytest.mark.parametrize(
        ("codes", "expected"),
        [([], 0), ([0, 3], 3), ([3, 4], 4), ([4, 5, 3], 5), ([5, 1, 4], 1)],
    )
    def test_worst(self, codes, expected):
        assert worst(codes) == expected

    @pytest.mark.parametrize("code", ["unreachable", "unauthorized", "timeout"])
    def test_sources_out_of_reach(self, code):
        assert exit_code(SyncRun(status="failed", error_code=code)) == 5

    def test_other_ends(self):
        assert exit_code(SyncRun(status="failed", error_code="feed_truncated")) == 1
        assert exit_code(SyncRun(status="cancelled")) == 1
        assert exit_code(SyncRun(status="queued")) == 0

    def test_printable(self):
        assert printable("a\x1b[31m\n‮é") == "a\\x1b[31m\\n\\u202eé"
        assert printable(None) == "-"


class Terminal(StringIO):
    def isatty(self):
        return True


def test_bars_show_how_far_each_stream_is():
    terminal = Terminal()
    run = SyncRun(feed="shop", totals={"products": 4})
    with Bars(terminal) as bars:
        for read in (2, 4):
            run.counts = {"products": {"read": read}}
            bars(run, "products")
        run.counts["orders"] = {"read": 7}
        bars(run, "orders")
        limited = SyncRun(
            feed="shop", totals={"orders": 9}, limit=5, counts={"orders": {"read": 5}}
        )
        Bars(terminal)(limited, "orders")
    drawn = terminal.getvalue()
    assert "5/5" in drawn
    assert "shop products" in drawn
    assert "2/4" in drawn
    assert "4/4" in drawn
    assert "shop orders" in drawn


def process(*arguments, tmp_path, **environment):
    """The command as a shell sees it."""
    return subprocess.run(
        [sys.executable, "-m", "django", "ecommerce_sync", *arguments],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SHOP = """
from django_ecommerce_sync.feeds import MemoryFeed, Stream
from tests.settings import *
STREAMS = [Stream("products", fields={"sku": "sku", "price": "price"})]
ROWS = {"products": [{"sku": "A", "price": "1"}, {"sku": "B", "price": "no"}]}
SHOP = {"BACKEND": MemoryFeed, "OPTIONS": {"streams": STREAMS, "rows": ROWS}}
ECOMMERCE_SYNC = {"RUNNER": "inline", "FEEDS": {"shop": SHOP}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""


def test_on_a_terminal_the_bar_is_drawn_beside_a_pure_document(tmp_path):
    (tmp_path / "shop_settings.py").write_text(SHOP)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shop_settings",
        "PYTHONPATH": f"{tmp_path}:{os.getcwd()}",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }
    django = [sys.executable, "-m", "django"]
    subprocess.run([*django, "migrate", "-v0"], env=environment, check=True, capture_output=True)
    ours, terminal = pty.openpty()
    done = subprocess.run(
        [*django, "ecommerce_sync", "run", "--format", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=False,
        timeout=60,
    )
    os.close(terminal)
    drawn = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.returncode == 3
    assert json.loads(done.stdout)[0]["status"] == "partial"
    assert "shop products" in drawn
    assert "2/2" in drawn


def test_a_shell_sees_usage_errors_as_2(tmp_path):
    unknown = process("run", "nope", tmp_path=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "No feed is configured" in unknown.stderr
    assert process("run", "--nonsense", tmp_path=tmp_path).returncode == 2
    assert process(tmp_path=tmp_path).returncode == 2


def test_the_doctor_finds_a_database_that_was_not_migrated(tmp_path):
    result = process("doctor", "--format", "json", "--settings=tests.settings", tmp_path=tmp_path)
    assert result.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert findings["migrations"]["ok"] is False
    assert findings["migrations"]["fix"] == "manage.py migrate"
